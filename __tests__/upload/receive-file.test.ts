import { createHash, randomBytes } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import express from 'express';
import type { FileInfo } from '../../lib/contract/file-info.js';
import { errorHandler } from '../../lib/upload/error-handler.js';
import type { ReceiveOptions } from '../../lib/upload/options.js';
import { receiveFile } from '../../lib/upload/receive-file.js';
import { pngOf } from '../support/png.js';
import { until } from '../support/until.js';
import { type RawAnswer, requestHead } from '../support/upload-client.js';
import { directoryOf, idsIn, TemporaryStorage, TestServer } from '../support/upload-server.js';

const PNG = pngOf(1, 1, [0, 0, 255]);

let temporary: TemporaryStorage;
let server: TestServer;
let options: ReceiveOptions;
let failure: unknown;

beforeAll(async () => {
  temporary = await TemporaryStorage.open();
  const app = express();
  app.put('/json', express.json());
  app.put('/{*name}', async (req, res) => {
    res.status(201).json(await receiveFile(directoryOf({ files: temporary.storage }), req, options));
  });
  app.use((error: unknown, _req: unknown, _res: unknown, next: (error: unknown) => void) => {
    failure = error;
    next(error);
  });
  app.use(errorHandler());
  server = await TestServer.listen(app);
});

afterAll(async () => {
  await server.close();
  await temporary.remove();
});

beforeEach(() => {
  options = {};
  failure = undefined;
});

afterEach(async () => {
  expect(await temporary.staged()).toEqual([]);
  for (const id of await idsIn(temporary.storage)) await temporary.storage.delete(id);
});

function put(
  content: Uint8Array | string,
  headers: Record<string, string> = {},
  path = '/',
): Promise<RawAnswer> {
  const head = requestHead(path, { 'Content-Length': Buffer.byteLength(content), ...headers }, 'PUT');
  return server.send(head, content);
}

async function stored(answer: RawAnswer): Promise<FileInfo> {
  expect(answer.status).toBe(201);
  return JSON.parse(answer.body);
}

async function expectRefusal(answer: RawAnswer, status: number, code: string): Promise<void> {
  expect(answer.problem).toMatchObject({ status, code });
  expect(await idsIn(temporary.storage)).toEqual([]);
}

describe('a new file', () => {
  test('has the content of the body, and what the options say', async () => {
    options = { filename: 'n.bin', metadata: { by: 'test' }, id: 'my-id', storage: 'files' };
    const content = randomBytes(2_000_000);
    const info = await stored(await put(content, { 'Content-Type': 'application/json; charset=utf-8' }));
    const sha256 = createHash('sha256').update(content).digest('hex');
    expect(info).toMatchObject({
      path: 'files/my-id',
      url: '/depot/files/my-id',
      filename: 'n.bin',
      contentType: 'application/json; charset=utf-8',
      size: content.length,
      sha256,
      metadata: { by: 'test' },
    });
    expect((await (await temporary.storage.get('my-id')).buffer()).equals(content)).toBe(true);
  });

  test('may have its options by functions', async () => {
    options = {
      filename: (req, file) => `${req.params.name}-${file.size}`,
      metadata: async (_req, file) => ({ type: file.detectedType ?? '' }),
      storage: () => 'files',
    };
    const info = await stored(await put(PNG, {}, '/name'));
    expect(info).toMatchObject({ filename: `name-${PNG.length}`, metadata: { type: 'image/png' } });
  });

  test.each([
    ['attachment; filename="a.txt"', 'a.txt'],
    ["attachment; filename*=UTF-8''%E6%97%A5.txt", '日.txt'],
    ['attachment; filename="../../a.txt"', 'a.txt'],
    ['attachment', 'unnamed'],
    ['", broken', 'unnamed'],
    ['', 'unnamed'],
  ])('has its name from Content-Disposition: %s', async (header, name) => {
    const info = await stored(await put('x', { 'Content-Disposition': header }));
    expect(info.filename).toBe(name);
  });

  test.each([
    [{}, undefined, PNG, 'image/png'],
    [{}, undefined, 'text', 'application/octet-stream'],
    [{}, 'application/x-www-form-urlencoded', 'text', 'application/octet-stream'],
    [{}, 'text/plain', 'text', 'text/plain'],
    [{}, 'image/gif', PNG, 'image/png'],
    [{ filename: 'a.md' }, undefined, '# text', 'text/markdown'],
    [{ contentType: 'text/css' }, 'text/plain', 'a {}', 'text/css'],
  ])('%j, Content-Type %s: the type of the content', async (given, type, content, contentType) => {
    options = given;
    const info = await stored(await put(content, type === undefined ? {} : { 'Content-Type': type }));
    expect(info.contentType).toBe(contentType);
  });

  test('of no bytes, with and without a length', async () => {
    expect((await stored(await put(''))).size).toBe(0);
    expect((await stored(await server.send(requestHead('/', {}, 'PUT')))).size).toBe(0);
  });

  test('in chunks', async () => {
    const head = requestHead('/', { 'Transfer-Encoding': 'chunked' }, 'PUT');
    const info = await stored(await server.send(head, '3\r\nabc\r\n', '2\r\nde\r\n0\r\n\r\n'));
    expect(info.size).toBe(5);
  });

  test('by node:http alone', async () => {
    const results: unknown[] = [];
    const bare = await TestServer.listen((req: IncomingMessage, res) => {
      receiveFile(directoryOf({ files: temporary.storage }), req, { limits: { fileSize: 5 } }).then(
        (info) => res.end(info.path),
        (error) => {
          results.push(error.code);
          res.writeHead(error.status, { 'Content-Length': 0 }).end();
        },
      );
    });
    try {
      const send = (content: string) =>
        bare.send(requestHead('/', { 'Content-Length': content.length }, 'PUT'), content);
      expect((await send('12345')).status).toBe(200);
      expect((await send('123456')).status).toBe(413);
      expect(results).toEqual(['FILE_TOO_LARGE']);
    } finally {
      await bare.close();
    }
  });
});

describe('a file that is replaced', () => {
  let path: string;

  beforeEach(async () => {
    const id = await temporary.storage.create('old', {
      filename: 'old.csv',
      contentType: 'text/csv',
      metadata: { a: 1 },
    });
    path = `files/${id}`;
    options = { replace: path };
  });

  test('keeps its path, and its name, type and metadata where nothing is said', async () => {
    const info = await stored(await put('new content'));
    expect(info).toMatchObject({
      path,
      filename: 'old.csv',
      contentType: 'text/csv',
      metadata: { a: 1 },
      size: 11,
    });
    expect(await (await temporary.storage.get(info.id)).text()).toBe('new content');
  });

  test('keeps its name where the request gives an empty one', async () => {
    const info = await stored(await put('new content', { 'Content-Disposition': 'attachment; filename=""' }));
    expect([info.filename, info.contentType]).toEqual(['old.csv', 'text/csv']);
  });

  test('gets what is said, and the type of its content', async () => {
    options = { replace: path, filename: 'new.png', metadata: { b: 2 } };
    const info = await stored(await put(PNG));
    expect(info).toMatchObject({ path, filename: 'new.png', contentType: 'image/png', metadata: { b: 2 } });
  });

  test.each([
    ['is refused', { accept: ['image/*'] }, 415],
    ['is too large', { limits: { fileSize: 2 } }, 413],
    ['is not wanted', { validate: () => false }, 422],
  ])('stays as it was when the new content %s', async (_what, more, status) => {
    options = { replace: path, ...more };
    expect((await put('new content')).status).toBe(status);
    const file = await temporary.storage.get(path.slice('files/'.length));
    expect([await file.text(), file.filename, file.contentType]).toEqual(['old', 'old.csv', 'text/csv']);
  });

  test.each([
    ['files/no-such-file', 'FILE_NOT_FOUND'],
    ['files/../x', 'INVALID_FILE_ID'],
    ['files/', 'INVALID_FILE_ID'],
    ['files', 'STORAGE_NOT_FOUND'],
    ['', 'STORAGE_NOT_FOUND'],
    ['constructor/x', 'STORAGE_NOT_FOUND'],
  ])('is not %j', async (replace, code) => {
    options = { replace };
    expect((await put('new')).problem).toMatchObject({ status: 404, code });
  });
});

describe('what is refused', () => {
  test.each<[string, ReceiveOptions, Record<string, string>, number, string]>([
    ['too many bytes', { limits: { fileSize: '4b' } }, {}, 413, 'FILE_TOO_LARGE'],
    ['a type that is not accepted', { accept: ['image/*'] }, {}, 415, 'CONTENT_TYPE_NOT_ACCEPTED'],
    ['a type that the content is not', {}, { 'Content-Type': 'image/png' }, 415, 'CONTENT_TYPE_MISMATCH'],
    ['by the application', { validate: () => 'No' }, {}, 422, 'UPLOAD_REFUSED'],
    ['a part of a file', {}, { 'Content-Range': 'bytes 0-4/10' }, 400, 'PARTIAL_UPLOAD'],
    ['another coding', {}, { 'Content-Encoding': 'gzip' }, 415, 'CONTENT_CODING_NOT_ACCEPTED'],
    ['a storage that is not there', { storage: 'nowhere' }, {}, 404, 'STORAGE_NOT_FOUND'],
  ])('%s', async (_what, given, headers, status, code) => {
    options = given;
    await expectRefusal(await put('12345', headers), status, code);
  });

  test('as many bytes as are allowed are not', async () => {
    options = { limits: { fileSize: '5b' } };
    await stored(await put('12345', { 'Content-Encoding': 'identity' }));
  });

  test('too many bytes that no Content-Length tells of', async () => {
    options = { limits: { fileSize: 4 } };
    const head = requestHead('/', { 'Transfer-Encoding': 'chunked' }, 'PUT');
    await expectRefusal(await server.send(head, '5\r\n12345\r\n0\r\n\r\n'), 413, 'FILE_TOO_LARGE');
  });

  test.each(['gzip, chunked', 'deflate,chunked'])('what is compressed on its way: %s', async (coding) => {
    const head = requestHead('/', { 'Transfer-Encoding': coding }, 'PUT');
    const answer = await server.send(head, '5\r\n12345\r\n0\r\n\r\n');
    await expectRefusal(answer, 415, 'CONTENT_CODING_NOT_ACCEPTED');
  });

  test('options that cannot be, as a fault of the server', async () => {
    options = { accept: ['png'] };
    await expectRefusal(await put('12345'), 500, 'INVALID_OPTION');
  });

  test('a body that somebody has read, as a fault of the server', async () => {
    const answer = await put('{}', { 'Content-Type': 'application/json' }, '/json');
    await expectRefusal(answer, 500, 'INVALID_CONTENT');
  });

  test('a body whose client has left', async () => {
    const client = server.connect();
    await client.send(requestHead('/', { 'Content-Length': 10 }, 'PUT'));
    await client.send('12345');
    client.reset();
    while (failure === undefined) await new Promise(setImmediate);
    expect(failure).toMatchObject({ code: 'UPLOAD_ABORTED' });
    expect(await idsIn(temporary.storage)).toEqual([]);
  });

  test.each(['validate', 'id', 'filename', 'metadata'])(
    'a body whose client has left while the function "%s" never answers',
    async (name) => {
      let isAsked = false;
      const ask = () => {
        isAsked = true;
        return new Promise<never>(() => {});
      };
      options = { [name]: ask };
      const client = server.connect();
      await client.send(requestHead('/', { 'Content-Length': 5 }, 'PUT'));
      await client.send('hello');
      await until(() => isAsked, 'the function to be asked');
      client.reset();
      await until(() => failure !== undefined, 'the upload to fail');
      expect(failure).toMatchObject({ code: 'UPLOAD_ABORTED' });
      expect(await idsIn(temporary.storage)).toEqual([]);
    },
  );

  test('a body whose chunks are malformed', async () => {
    const client = server.connect();
    await client.send(requestHead('/', { 'Transfer-Encoding': 'chunked' }, 'PUT'));
    await client.send('5\r\n12345\r\nnot a size\r\n');
    expect((await client.answer()).status).toBe(400);
    await client.closed();
    expect(await idsIn(temporary.storage)).toEqual([]);
  });
});
