import { mkdtemp, writeFile } from 'node:fs/promises';
import { IncomingMessage } from 'node:http';
import { Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PassThrough, Readable } from 'node:stream';
import { pathToFileURL } from 'node:url';
import { afterAll, describe, expect, test } from '@jest/globals';
import { abandonContent, type Content, toContentSource } from '../../lib/contract/content.js';
import { StoredFile } from '../../lib/contract/stored-file.js';
import { removeFolder } from '../support/folders.js';

const folder = await mkdtemp(join(tmpdir(), 'filedepot-content-'));
const path = join(folder, 'výkres č. 1.txt');
await writeFile(path, 'some bytes');
afterAll(() => removeFolder(folder));

const bytes = Buffer.from('some bytes');
const upload = { fieldname: 'file', originalname: 'up.txt', mimetype: 'text/plain', size: 10 };
const ofUpload = { filename: 'up.txt', contentType: 'text/plain' };

function storedFile(): StoredFile {
  const details = {
    id: 'a',
    filename: 'stored.txt',
    contentType: 'text/x-stored',
    size: 10,
    lastModified: new Date(0),
    metadata: {},
    etag: '"a"',
  };
  return new StoredFile(details, () => Readable.from([bytes]));
}

async function readFirst(stream: ReadableStream): Promise<void> {
  const reader = stream.getReader();
  await reader.read();
  reader.releaseLock();
}

async function* chunks() {
  yield Buffer.from('some ');
  yield 'bytes';
}

const nothing = { filename: undefined, contentType: undefined };

describe('toContentSource', () => {
  test.each<[string, () => Content, { filename: string | undefined; contentType: string | undefined }]>([
    ['a Buffer', () => bytes, nothing],
    ['a view of a larger buffer', () => new Uint8Array(Buffer.from('[some bytes]')).subarray(1, 11), nothing],
    ['text', () => 'some bytes', nothing],
    ['a Readable', () => Readable.from(['some ', 'bytes']), nothing],
    ['a web stream', () => new Blob([bytes]).stream() as Content, nothing],
    ['an async iterable', chunks, nothing],
    ['a Blob', () => new Blob([bytes]), nothing],
    [
      'a typed Blob',
      () => new Blob([bytes], { type: 'image/gif' }),
      { ...nothing, contentType: 'image/gif' },
    ],
    [
      'a File',
      () => new File([bytes], 'f.gif', { type: 'image/gif' }),
      { filename: 'f.gif', contentType: 'image/gif' },
    ],
    ['a File without a type', () => new File([bytes], 'f.gif'), { ...nothing, filename: 'f.gif' }],
    ['a path', () => ({ path }), { ...nothing, filename: 'výkres č. 1.txt' }],
    ['a URL', () => pathToFileURL(path), { ...nothing, filename: 'výkres č. 1.txt' }],
    ['a stored file', storedFile, { filename: 'stored.txt', contentType: 'text/x-stored' }],
    ['an upload in memory', () => ({ ...upload, buffer: bytes }), ofUpload],
    ['an upload on disk', () => ({ ...upload, path, destination: folder }), ofUpload],
    ['an upload that streams', () => ({ ...upload, stream: Readable.from([bytes]) }), ofUpload],
  ])('of %s', async (_what, make, { filename, contentType }) => {
    const source = toContentSource(make());
    expect({ filename: source.filename, contentType: source.contentType }).toEqual({ filename, contentType });
    const read: Buffer[] = [];
    for await (const chunk of source.open()) read.push(Buffer.from(chunk));
    expect(Buffer.concat(read).toString()).toBe('some bytes');
  });

  test.each<[string, Content]>([
    ['an empty Buffer', Buffer.alloc(0)],
    ['empty text', ''],
    ['an empty upload', { ...upload, buffer: Buffer.alloc(0) }],
    ['an empty Blob', new Blob([])],
  ])('of %s is empty', async (_what, content) => {
    expect(Buffer.concat(await toContentSource(content).open().toArray())).toHaveLength(0);
  });

  test('opens nothing before it is asked to', () => {
    expect(() => toContentSource({ path: join(folder, 'missing') })).not.toThrow();
  });

  test.each([
    ['nothing', undefined],
    ['null', null],
    ['a number', 5],
    ['a boolean', true],
    ['a symbol', Symbol('a')],
    ['a function', () => 'a'],
    ['an object', {}],
    ['an object without a prototype', Object.create(null)],
    ['a list', ['a']],
    ['an iterable that does not wait', new Set(['a'])],
    ['a path that is none', { path: 5 }],
    ['an upload without content', upload],
    ['a URL on the web', new URL('https://example.org/a.txt')],
    ['a data URL', new URL('data:text/plain,a')],
  ])('refuses %s', (_what, value) => {
    expect(() => toContentSource(value as Content)).toThrow(
      expect.objectContaining({ code: 'INVALID_CONTENT' }),
    );
  });

  test.each<[string, (stream: ReadableStream) => unknown]>([
    ['was read', (stream) => new Response(stream).arrayBuffer()],
    ['was read in part', (stream) => readFirst(stream)],
    ['was cancelled', (stream) => stream.cancel()],
    ['is being read', (stream) => stream.getReader()],
  ])('refuses a web stream that %s', async (_what, use) => {
    const stream = new Response('some bytes').body as ReadableStream;
    await use(stream);
    expect(() => toContentSource(stream as Content).open()).toThrow(
      expect.objectContaining({ code: 'INVALID_CONTENT' }),
    );
  });

  test.each<[string, Content, string]>([
    ['a path', { path: join(folder, 'missing') }, 'ENOENT'],
    ['a URL', pathToFileURL(join(folder, 'missing')), 'ENOENT'],
    ['an upload on disk', { ...upload, path: join(folder, 'missing') }, 'ENOENT'],
    ['a folder', { path: folder }, 'EISDIR'],
  ])('tells of %s that cannot be read', async (_what, content, code) => {
    await expect(toContentSource(content).open().toArray()).rejects.toMatchObject({
      code: 'INVALID_CONTENT',
      message: expect.stringContaining(folder),
      cause: { code },
    });
  });

  test('takes the error of a stream for its own', async () => {
    const error = new Error('broken');
    const failing = (async function* () {
      yield 'a';
      throw error;
    })();
    await expect(toContentSource(failing).open().toArray()).rejects.toBe(error);
  });
});

describe('abandonContent', () => {
  test('destroys a stream, and that of an upload', () => {
    for (const wrap of [(stream: Readable) => stream, (stream: Readable) => ({ ...upload, stream })]) {
      const stream = new PassThrough();
      abandonContent(wrap(stream));
      expect(stream.destroyed).toBe(true);
    }
  });

  test('leaves a request readable', () => {
    const request = new IncomingMessage(new Socket());
    abandonContent(request);
    expect(request.destroyed).toBe(false);
  });

  test("destroys another server's answer, which is no request to us", () => {
    const response = Object.assign(new IncomingMessage(new Socket()), { statusCode: 200 });
    abandonContent(response);
    expect(response.destroyed).toBe(true);
  });

  test('cancels a web stream that nobody reads', async () => {
    let cancelled = false;
    const stream = new ReadableStream({
      cancel() {
        cancelled = true;
        throw new Error('it did not like that');
      },
    });
    abandonContent(stream as Content);
    expect(cancelled).toBe(true);
  });

  test.each([
    [bytes],
    ['text'],
    [{ path }],
    [pathToFileURL(path)],
    [new Blob([])],
    [storedFile()],
    [null],
    [5],
  ])('does nothing to what is no stream, as %p', (content) => {
    expect(() => abandonContent(content as Content)).not.toThrow();
  });
});
