import { inspect } from 'node:util';
import { beforeEach, describe, expect, test } from '@jest/globals';
import { Attachment, attach, pendingContent } from '../../lib/attachments/attachment.js';
import { DepotManager } from '../../lib/depot/manager.js';
import { MemoryStorage } from '../../lib/storages/memory.js';

let depot: DepotManager;
let id: string;
beforeEach(async () => {
  depot = new DepotManager();
  depot.configure('files', new MemoryStorage());
  id = await depot.get('files').create('0123456789', { filename: 'a.txt' });
});

/** As a row holds it. */
function data(changes: object = {}) {
  const path = `files/${id}`;
  const uploadedAt = '2026-01-31T23:59:59.000Z';
  const names = { filename: 'a.txt', contentType: 'text/plain' };
  return { depot: 'files', id, path, ...names, size: 10, uploadedAt, files: [path], ...changes };
}

const read = (value: unknown) => Attachment.fromJSON(value, depot) as Attachment;

describe('a stored attachment', () => {
  test('tells what its row says', () => {
    const attachment = read(data({ sha256: 'abc', metadata: { by: 'me' } }));
    const { isStored, path, filename, contentType, size, sha256, metadata, uploadedAt, files } = attachment;
    expect({ isStored, path, filename, contentType, size, sha256, metadata, files }).toEqual({
      ...{ isStored: true, path: `files/${id}`, filename: 'a.txt', contentType: 'text/plain', size: 10 },
      ...{ sha256: 'abc', metadata: { by: 'me' }, files: [`files/${id}`] },
    });
    expect(uploadedAt).toEqual(new Date('2026-01-31T23:59:59Z'));
    expect(attachment.depot).toBe('files');
    expect(attachment.id).toBe(id);
  });

  test('gives its content, whole or in part', async () => {
    const attachment = read(data());
    expect((await attachment.buffer()).toString()).toBe('0123456789');
    expect(Buffer.concat(await attachment.stream({ start: 2, end: 4 }).toArray()).toString()).toBe('234');
    expect((await attachment.file()).filename).toBe('a.txt');
  });

  test('knows its URLs, and those of files that filters have added', () => {
    const thumb = { depot: 'files', id: 'thumb-id', path: 'files/thumb-id', width: 10 };
    const attachment = read(data({ thumb, small: { ...thumb, path: 'files/small-id' } }));
    expect(attachment.url()).toBe(`/depot/files/${id}`);
    expect(attachment.thumbUrl()).toBe('/depot/files/thumb-id');
    expect(attachment.thumbUrl('small')).toBe('/depot/files/small-id');
    expect(attachment.thumbUrl('constructor')).toBeUndefined();
    expect(attachment.thumbUrl('filename')).toBeUndefined();
    expect(attachment.derivative('thumb')?.width).toBe(10);
  });

  test('is JSON as it was stored, and the same when that is read', () => {
    const attachment = read(
      data({ thumb: { depot: 'files', id: 'b', path: 'files/b' }, note: ['x', { y: 1 }] }),
    );
    const json = JSON.stringify({ photo: attachment });
    expect(JSON.parse(json)).toEqual({
      photo: data({ thumb: { depot: 'files', id: 'b', path: 'files/b' }, note: ['x', { y: 1 }] }),
    });
    expect(read(JSON.stringify(attachment)).toJSON()).toEqual(attachment.toJSON());
  });

  test('cannot be changed', () => {
    const attachment = read(data({ metadata: { deep: { x: 1 } } }));
    const change = (act: () => void) => expect(act).toThrow(TypeError);
    change(() => Object.assign(attachment, { key: 'other' }));
    change(() => Object.assign(attachment.data, { path: 'files/other' }));
    change(() => Object.assign(attachment.metadata.deep as object, { x: 2 }));
    change(() => (attachment.files as string[]).push('files/other'));
  });

  test('is found under the alias that its storage has become', async () => {
    depot.alias('old', 'files');
    const attachment = read(data({ depot: 'old', path: `old/${id}`, files: [`old/${id}`] }));
    expect((await attachment.buffer()).length).toBe(10);
  });

  test('whose file is gone says so when it is read', async () => {
    await depot.get('files').delete(id);
    const attachment = read(data());
    await expect(attachment.file()).rejects.toMatchObject({ code: 'FILE_NOT_FOUND' });
    await expect(attachment.stream().toArray()).rejects.toMatchObject({ code: 'FILE_NOT_FOUND' });
  });

  test('is told apart from others by comparisons of values', () => {
    const other = read(data({ path: 'files/other', id: 'other', files: ['files/other'] }));
    expect(Object.entries(read(data()))).toEqual(Object.entries(read(data())));
    expect(Object.entries(read(data()))).not.toEqual(Object.entries(other));
    expect(inspect(read(data()))).toContain(`files/${id}`);
  });
});

describe('a pending attachment', () => {
  test.each([undefined, null])('is not made of %s', (content) => {
    expect(() => attach(content as never)).toThrow(
      expect.objectContaining({
        code: 'INVALID_CONTENT',
        message: expect.stringMatching(`nothing to attach, but ${content}.*req\\.file`),
      }),
    );
  });

  test('has content, and nothing else yet', () => {
    const attachment = attach('text', { filename: 'b.txt' });
    expect(attachment.isStored).toBe(false);
    expect(pendingContent(attachment)).toEqual({ content: 'text', options: { filename: 'b.txt' } });
    expect(JSON.stringify({ attachment })).toBe('{"attachment":null}');
  });

  test.each(['data', 'depot', 'id', 'path', 'filename', 'size', 'files', 'metadata', 'uploadedAt'] as const)(
    'has no %s',
    (name) => {
      expect(() => attach('text')[name]).toThrow(expect.objectContaining({ code: 'ATTACHMENT_PENDING' }));
    },
  );

  test('has neither file nor URL', async () => {
    const attachment = attach('text');
    await expect(attachment.file()).rejects.toMatchObject({ code: 'ATTACHMENT_PENDING' });
    await expect(attachment.stream().toArray()).rejects.toMatchObject({ code: 'ATTACHMENT_PENDING' });
    expect(() => attachment.url()).toThrow(expect.objectContaining({ code: 'ATTACHMENT_PENDING' }));
    expect(() => attachment.thumbUrl()).toThrow(expect.objectContaining({ code: 'ATTACHMENT_PENDING' }));
  });

  test('is not another one with the same content', () => {
    expect(Object.entries(attach('text'))).not.toEqual(Object.entries(attach('text')));
  });
});

describe('what rows hold', () => {
  test.each([null, undefined, '', 'null'])('%j is no attachment, and no error', (value) => {
    expect(Attachment.fromJSON(value, depot)).toBeNull();
  });

  test.each([
    ['{', 'no JSON'],
    [7, 'a number'],
    [[], 'a list'],
    ['"text"', 'a text'],
    [{}, 'nothing'],
    [{ path: 'files/a', files: ['files/a'] }, 'half of it'],
    [{ depot_name: 'files', path: '../etc' }, 'no path of a file'],
  ] as [unknown, string][])('%j is an error: %s', (value) => {
    expect(() => read(value)).toThrow(expect.objectContaining({ code: 'INVALID_ATTACHMENT' }));
  });

  const python = () => ({
    depot_name: 'files',
    files: [`files/${id}`, 'files/thumb-id', 'files/small-id'],
    file_id: id,
    path: `files/${id}`,
    filename: 'a.png',
    content_type: 'image/png',
    uploaded_at: '2024-02-29 12:30:00',
    _public_url: 'https://example.org/a',
    thumb_id: 'thumb-id',
    thumb_path: 'files/thumb-id',
    _thumb_public_url: null,
    thumb_128x128_id: 'small-id',
    thumb_128x128_path: 'files/small-id',
    thumb_128x128_url: 'https://example.org/b',
    own: 'fact',
  });

  test.each([
    ['an object', (value: object) => value],
    ['a text', JSON.stringify],
  ])("Python's, as %s", async (_kind, write) => {
    const attachment = read(write(python()));
    expect(attachment.toJSON()).toEqual({
      ...{ depot: 'files', id, path: `files/${id}`, filename: 'a.png', contentType: 'image/png' },
      ...{ uploadedAt: '2024-02-29T12:30:00.000Z', files: python().files, own: 'fact' },
      thumb: { depot: 'files', id: 'thumb-id', path: 'files/thumb-id' },
      thumb_128x128: { depot: 'files', id: 'small-id', path: 'files/small-id' },
    });
    expect(attachment.thumbUrl('thumb_128x128')).toBe('/depot/files/small-id');
    expect((await attachment.buffer()).length).toBe(10);
  });

  test("Python's, with hardly anything in it", () => {
    const attachment = read({ depot_name: 'files', file_id: id, path: `files/${id}`, uploaded_at: 'once' });
    expect(attachment.toJSON()).toMatchObject({
      ...{ filename: 'unnamed', contentType: 'application/octet-stream', files: [`files/${id}`] },
      uploadedAt: '1970-01-01T00:00:00.000Z',
    });
    expect(attachment.size).toBeUndefined();
  });

  test('keys that JavaScript has a use for are just keys', () => {
    const attachment = read(`{"__proto__": {"polluted": true}, ${JSON.stringify(data()).slice(1)}`);
    expect(({} as { polluted?: boolean }).polluted).toBeUndefined();
    expect(attachment.path).toBe(`files/${id}`);
  });
});
