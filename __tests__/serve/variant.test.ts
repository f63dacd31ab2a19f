import { afterAll, describe, expect, jest, test } from '@jest/globals';
import express from 'express';
import type { FileStorage } from '../../lib/contract/storage.js';
import type { StoredFile } from '../../lib/contract/stored-file.js';
import type { Variant } from '../../lib/contract/variant.js';
import { DepotError } from '../../lib/errors.js';
import { checkedOptions, type ServeOptions } from '../../lib/serve/options.js';
import { serveFiles } from '../../lib/serve/router.js';
import { detailsOfVariant } from '../../lib/serve/variant.js';
import { MemoryStorage } from '../../lib/storages/memory.js';
import { OpenFilesStorage } from '../support/open-files.js';
import { RawClient } from '../support/raw-client.js';
import { type AskOptions, ask, directoryOf, problemOf, TestServers } from '../support/serving.js';
import { until } from '../support/until.js';

const servers = new TestServers();
afterAll(() => servers.close());

/** Says the content aloud. */
function loud(make: Variant['make'] = async (file) => Buffer.from((await file.text()).toUpperCase())) {
  return {
    contentType: 'image/png',
    extension: 'png',
    fingerprint: 'loud',
    make: jest.fn(make),
  } satisfies Variant;
}

/** A file, and a server that has one variant of it. */
async function served(
  variant: Variant,
  options: ServeOptions = {},
  storage: FileStorage = new MemoryStorage(),
) {
  const id = await storage.create('hello', { filename: 'photo.of.me.jpg', contentType: 'image/jpeg' });
  const serve = serveFiles(directoryOf({ files: storage }), { variants: { loud: variant }, ...options });
  const port = await servers.listen((req, res) => serve(req, res));
  const get = (query = 'variant=loud', request: AskOptions = {}) =>
    ask(port, `/depot/files/${id}?${query}`, request);
  return { id, storage, port, get };
}

describe('a variant', () => {
  test('200: what was made, and all that is to be told of it', async () => {
    const { get } = await served(loud());
    const { status, headers, body } = await get();
    expect([status, body.toString()]).toEqual([200, 'HELLO']);
    expect(headers).toMatchObject({
      'content-type': 'image/png',
      'content-length': '5',
      'content-disposition': 'inline; filename="photo.of.me.png"',
      'x-content-type-options': 'nosniff',
      'content-security-policy': expect.stringMatching(/; sandbox$/),
      'cache-control': 'public, max-age=0',
      etag: expect.stringMatching(/^"[\x21-\x7e]+"$/),
      'last-modified': expect.stringMatching(/ GMT$/),
    });
    expect(headers).not.toHaveProperty('accept-ranges');
  });

  test('of a file is not the file', async () => {
    const { get } = await served(loud());
    const [file, variant] = await Promise.all([get('x'), get()]);
    expect(file.body.toString()).toBe('hello');
    expect(file.headers.etag).not.toBe(variant.headers.etag);
    const headers = { 'If-None-Match': file.headers.etag ?? '' };
    expect((await get('variant=loud', { headers })).status).toBe(200);
  });

  test('as a download', async () => {
    const { get } = await served(loud());
    const { headers } = await get('download&variant=loud');
    expect(headers['content-disposition']).toBe('attachment; filename="photo.of.me.png"');
  });

  test('that browsers could run is downloaded', async () => {
    const { get } = await served({ ...loud(), contentType: 'text/html', extension: 'html' });
    expect((await get()).headers['content-disposition']).toMatch(/^attachment/);
  });

  test('RFC 9110 section 14.2: a Range of what has none is ignored', async () => {
    const { get } = await served(loud());
    const answer = await get('variant=loud', { headers: { Range: 'bytes=0-0' } });
    expect([answer.status, answer.body.toString()]).toEqual([200, 'HELLO']);
  });
});

describe('is not made', () => {
  test('for a HEAD: the headers of a GET, but for the length', async () => {
    const variant = loud();
    const { get } = await served(variant);
    const head = await get('variant=loud', { method: 'HEAD' });
    expect(variant.make).not.toHaveBeenCalled();
    const { 'content-length': _length, ...headers } = (await get()).headers;
    expect({ ...head.headers, date: '' }).toEqual({ ...headers, date: '' });
  });

  test('for who has it: 304', async () => {
    const variant = loud();
    const { get } = await served(variant);
    const { etag = '', 'last-modified': date = '' } = (await get('variant=loud', { method: 'HEAD' })).headers;
    for (const headers of [{ 'If-None-Match': `"x", ${etag}` }, { 'If-Modified-Since': date }]) {
      expect(await get('variant=loud', { headers })).toMatchObject({ status: 304, headers: { etag } });
    }
    expect(variant.make).not.toHaveBeenCalled();
  });

  test('where a precondition fails: 412', async () => {
    const variant = loud();
    const { get } = await served(variant);
    const answer = await get('variant=loud', { headers: { 'If-Match': '"x"' } });
    expect(problemOf(answer)).toMatchObject({ status: 412, code: 'PRECONDITION_FAILED' });
    expect(variant.make).not.toHaveBeenCalled();
  });

  test('for who may not have the file: 403, and nothing is told', async () => {
    const variant = loud();
    const asked: unknown[] = [];
    const authorize = (_req: unknown, { filename }: StoredFile) => asked.push(filename) < 1;
    const { get } = await served(variant, { authorize });
    const { etag = '' } = (await get('variant=loud', { method: 'HEAD' })).headers;
    expect(etag).toBe('');
    expect(problemOf(await get()).code).toBe('FORBIDDEN');
    expect(asked).toEqual(['photo.of.me.jpg', 'photo.of.me.jpg']);
    expect(variant.make).not.toHaveBeenCalled();
  });

  test('of a file that does not exist: 404', async () => {
    const variant = loud();
    const { port } = await served(variant);
    const answer = await ask(port, '/depot/files/unknown?variant=loud');
    expect(problemOf(answer)).toMatchObject({ status: 404, code: 'FILE_NOT_FOUND' });
    expect(variant.make).not.toHaveBeenCalled();
  });

  test.each(['quiet', '', 'LOUD', 'constructor', '__proto__', 'toString', 'hasOwnProperty', '%00', 'loud.'])(
    'under a name that nobody has allowed: 404 for %j',
    async (name) => {
      const variant = loud();
      const { get } = await served(variant);
      const answer = await get(`variant=${name}`);
      expect(problemOf(answer)).toMatchObject({ status: 404, code: 'VARIANT_NOT_FOUND' });
      expect(variant.make).not.toHaveBeenCalled();
    },
  );

  test('where there are none: 404', async () => {
    const { get } = await served(loud(), { variants: undefined });
    expect(problemOf(await get()).code).toBe('VARIANT_NOT_FOUND');
  });
});

test('the state of a variant is that of its file, and of what makes it', async () => {
  const storage = new MemoryStorage();
  const id = await storage.create('hello');
  const etagOf = async (fingerprint: string) =>
    detailsOfVariant(await storage.get(id), { ...loud(), fingerprint }).etag;
  const before = [await etagOf('a'), await etagOf('b'), await etagOf('a')];
  await storage.replace(id, 'other');
  expect(new Set([...before, await etagOf('a'), await etagOf('b')]).size).toBe(4);
  expect(before[2]).toBe(before[0]);
});

test('a storage that has URLs of its own is not redirected to', async () => {
  const url = jest.fn(() => 'https://bucket.example/key');
  const { get } = await served(loud(), { verify: true }, new OpenFilesStorage({ url }));
  expect((await get('x')).status).toBe(302);
  expect((await get()).body.toString()).toBe('HELLO');
  expect((await get('variant=loud', { method: 'HEAD' })).status).toBe(200);
  expect(url).toHaveBeenCalledTimes(1);
});

test('a proxy is not handed the file in its place', async () => {
  const sendfile = { header: 'X-Sendfile' } as const;
  const storage = new OpenFilesStorage({ localPath: (id) => `/srv/${id}` });
  const { get } = await served(loud(), { sendfile }, storage);
  expect((await get('x')).headers).toHaveProperty('x-sendfile');
  const { headers, body } = await get();
  expect(headers).not.toHaveProperty('x-sendfile');
  expect(body.toString()).toBe('HELLO');
});

test('of a file that is replaced meanwhile the new one is looked at, and authorized', async () => {
  const storage = new MemoryStorage();
  const authorize = jest.fn((_req: unknown, _file: StoredFile) => true);
  const variant = loud(async (file) => {
    const isFirst = variant.make.mock.calls.length === 1;
    if (isFirst) await storage.replace(file.id, 'other');
    return Buffer.from(await file.text());
  });
  const { get } = await served(variant, { authorize }, storage);
  const { status, headers, body } = await get();
  expect([status, body.toString()]).toEqual([200, 'other']);
  expect(authorize).toHaveBeenCalledTimes(2);
  expect(headers.etag).toBe((await get('variant=loud', { method: 'HEAD' })).headers.etag);
});

describe('what cannot be made', () => {
  const failing = (error: Error) => loud(() => Promise.reject(error));

  test('is the answer of its error', async () => {
    const { get } = await served(failing(new DepotError('IMAGE_NOT_ACCEPTED', 'This is a text')));
    const answer = await get();
    expect(problemOf(answer)).toMatchObject({
      status: 415,
      code: 'IMAGE_NOT_ACCEPTED',
      detail: 'This is a text',
    });
    expect(answer.headers).toMatchObject({ 'cache-control': 'no-store' });
    expect(answer.headers).not.toHaveProperty('etag');
  });

  test('by a fault of ours goes to the error handler', async () => {
    const storage = new MemoryStorage();
    const id = await storage.create('hello');
    const variants = { loud: failing(new DepotError('IMAGE_FAILED', 'no room')) };
    const app = express().use(serveFiles(directoryOf({ files: storage }), { variants }));
    const errors: Error[] = [];
    app.use(((error, _req, res, _next) => {
      errors.push(error);
      res.status(599).end();
    }) as express.ErrorRequestHandler);
    const port = await servers.listen(app);
    expect((await ask(port, `/depot/files/${id}?variant=loud`)).status).toBe(599);
    expect(errors).toEqual([expect.objectContaining({ code: 'IMAGE_FAILED' })]);
  });
});

test('a client that leaves is not worked for any more', async () => {
  const reasons: unknown[] = [];
  const onError = jest.fn();
  const variant = loud(
    (_file, { signal }) =>
      new Promise((_resolve, reject) => {
        signal.addEventListener('abort', () => {
          reasons.push(signal.reason);
          reject(signal.reason);
        });
      }),
  );
  const { id, port } = await served(variant, { onError });
  const client = new RawClient(port);
  client.send(`GET /depot/files/${id}?variant=loud`);
  await until(() => variant.make.mock.calls.length > 0, 'the work to begin');
  client.leave();
  await until(() => reasons.length > 0, 'the work to end');
  expect(onError).not.toHaveBeenCalled();
});

test.each<[string, unknown]>([
  ['a name that needs encoding', { 'a b': loud() }],
  ['no name', { '': loud() }],
  ['options in place of a variant', { small: { size: 200 } }],
  ['no function', { small: { ...loud(), make: true } }],
  ['no type', { small: { ...loud(), contentType: undefined } }],
  ['nothing', { small: null }],
  ['no table', 'small'],
])('%s is refused', (_what, variants) => {
  expect(() => checkedOptions({ variants } as ServeOptions)).toThrow(
    expect.objectContaining({ code: 'INVALID_OPTION' }),
  );
});
