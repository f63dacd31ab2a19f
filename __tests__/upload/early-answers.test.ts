import { execFile } from 'node:child_process';
import { rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, jest, test } from '@jest/globals';
import express, { type Express, type Request } from 'express';
import { MemoryStorage } from '../../lib/storages/memory.js';
import { errorHandler } from '../../lib/upload/error-handler.js';
import type { UploadOptions } from '../../lib/upload/options.js';
import { receiveFile } from '../../lib/upload/receive-file.js';
import { MAX_REST_BYTES, MAX_REST_TIME, SLOW_CLIENT_TIME } from '../../lib/upload/refused-request.js';
import { uploadFiles } from '../../lib/upload/upload-files.js';
import { FORM_TYPE, formBody, type Part } from '../support/multipart.js';
import { until } from '../support/until.js';
import { requestHead, type UploadClient } from '../support/upload-client.js';
import { directoryOf, idsIn, TestServer } from '../support/upload-server.js';

const MEGABYTE = 1024 * 1024;
const hello: Part = { name: 'file', filename: 'hello.txt', type: 'text/plain', content: 'hello' };
const CHUNKED = { 'Content-Type': FORM_TYPE, 'Transfer-Encoding': 'chunked' };

/** A chunk of the chunked coding (RFC 9112 section 7.1). */
function chunk(bytes: Uint8Array): Buffer {
  return Buffer.concat([Buffer.from(`${bytes.byteLength.toString(16)}\r\n`), bytes, Buffer.from('\r\n')]);
}

const fileHead = Buffer.from(
  `${formBody([{ ...hello, content: '' }], '')
    .toString()
    .trimEnd()}\r\n\r\n`,
);
const megabyte = chunk(Buffer.alloc(MEGABYTE, 'x'));

let storage: MemoryStorage;
let options: UploadOptions;
let received: Request;
let server: TestServer;
let bareServer: TestServer;

function upload(app: Express): void {
  app.use((req, _res, next) => {
    received = req;
    next();
  });
  app.post('/', (req, res, next) => {
    uploadFiles(directoryOf({ files: storage }), options).single('file')(req, res, next);
  });
  app.post('/', (req, res) => void res.status(201).json(req.file?.depot));
  app.put('/{*name}', async (req, res) => {
    res.status(201).json(await receiveFile(directoryOf({ files: storage }), req, options));
  });
}

beforeAll(async () => {
  const app = express();
  upload(app);
  app.use(errorHandler());
  server = await TestServer.listen(app);
  const bare = express().set('env', 'test');
  upload(bare);
  bareServer = await TestServer.listen(bare);
});

afterAll(async () => {
  await server.close();
  await bareServer.close();
});

beforeEach(() => {
  storage = new MemoryStorage();
  options = { limits: { fileSize: MEGABYTE } };
});

afterEach(async () => {
  expect(await idsIn(storage)).toEqual([]);
});

/** Sends megabytes until they are all sent or the server does not want more; resolves to their number. */
async function sendMegabytes(client: UploadClient, count: number): Promise<number> {
  let sent = 0;
  while (sent < count && !client.isClosed) {
    await client.send(megabyte);
    sent++;
  }
  return sent;
}

describe('a refused upload is answered at once', () => {
  test('a Content-Length that no form can have: before any of it is sent', async () => {
    const headers = { 'Content-Type': FORM_TYPE, 'Content-Length': 200 * MEGABYTE };
    const answer = await server.send(requestHead('/', headers));
    expect(answer.problem).toMatchObject({ status: 413, code: 'FILE_TOO_LARGE' });
  });

  test('a raw body that says that it is too large: before any of it is sent', async () => {
    const answer = await server.send(requestHead('/', { 'Content-Length': MEGABYTE + 1 }, 'PUT'));
    expect(answer.problem).toMatchObject({ status: 413, code: 'FILE_TOO_LARGE' });
  });

  test.each(['POST', 'PUT'])('%s: one byte more than the limit, when it comes', async (method) => {
    const client = server.connect();
    await client.send(requestHead('/', CHUNKED, method));
    if (method === 'POST') await client.send(chunk(fileHead));
    await client.send(megabyte);
    await client.send(chunk(Buffer.from('x'.repeat(100))));
    expect((await client.answer()).problem).toMatchObject({ status: 413, code: 'FILE_TOO_LARGE' });
    client.reset();
  });

  test.each(['POST', 'PUT'])('%s: a type that the first bytes show', async (method) => {
    options = { accept: ['image/*'] };
    const client = server.connect();
    await client.send(requestHead('/', CHUNKED, method));
    if (method === 'POST') await client.send(chunk(fileHead));
    await client.send(chunk(Buffer.alloc(4200, 'x')));
    expect((await client.answer()).problem).toMatchObject({ status: 415, code: 'CONTENT_TYPE_NOT_ACCEPTED' });
    client.reset();
  });

  test('what multer refuses: a file that is not expected', async () => {
    const client = server.connect();
    await client.send(requestHead('/', CHUNKED));
    await client.send(chunk(Buffer.from(fileHead.toString().replace('name="file"', 'name="other"'))));
    await client.send(megabyte);
    expect((await client.answer()).problem.code).toBe('UNEXPECTED_FILE');
    client.reset();
  });
});

describe('the client gets to read the answer', () => {
  /** Sends 200 MB before it listens. */
  async function sendFirst(target: TestServer, head: string, method: string) {
    const client = target.connect();
    client.socket.pause();
    client.send(head);
    if (method === 'POST') client.send(chunk(fileHead));
    expect(await sendMegabytes(client, 200)).toBe(200);
    await client.send('0\r\n\r\n');
    client.socket.resume();
    const answer = await client.answer();
    client.reset();
    return answer;
  }

  test.each([
    ['POST', {}],
    ['PUT', {}],
    ['POST', { Connection: 'close' }],
    ['PUT', { Connection: 'close' }],
  ])('%s %j: one that listens after it has sent 200 MB', async (method, headers) => {
    const answer = await sendFirst(server, requestHead('/', { ...CHUNKED, ...headers }, method), method);
    expect(answer.problem).toMatchObject({ status: 413, code: 'FILE_TOO_LARGE' });
  });

  test.each(['POST', 'PUT'])("%s: also by Express' own last handler", async (method) => {
    const answer = await sendFirst(bareServer, requestHead('/', CHUNKED, method), method);
    expect(answer.status).toBe(413);
  });

  test('HTTP/1.0', async () => {
    const body = formBody([{ ...hello, content: Buffer.alloc(2 * MEGABYTE) }]);
    const head = requestHead('/', { 'Content-Type': FORM_TYPE, 'Content-Length': body.length });
    const answer = await server.send(head.replace('HTTP/1.1', 'HTTP/1.0'), body);
    expect(answer.problem.code).toBe('FILE_TOO_LARGE');
  });

  test('the connection can be used again', async () => {
    const client = server.connect();
    const body = formBody([{ ...hello, content: Buffer.alloc(3 * MEGABYTE) }]);
    const headers = { 'Content-Type': FORM_TYPE, 'Content-Length': body.length };
    client.send(requestHead('/', headers));
    client.send(body);
    expect((await client.answer()).status).toBe(413);
    client.forget();
    const small = formBody([hello]);
    client.send(requestHead('/', { ...headers, 'Content-Length': small.length }));
    client.send(small);
    const { body: info, status } = await client.answer();
    expect(status).toBe(201);
    await storage.delete(JSON.parse(info).id);
    client.reset();
  });

  test('fetch', async () => {
    const form = new FormData();
    form.set('file', new Blob([Buffer.alloc(20 * MEGABYTE)]), 'large.bin');
    const response = await fetch(server.url, { method: 'POST', body: form });
    expect(await response.json()).toMatchObject({ status: 413, code: 'FILE_TOO_LARGE' });
  });
});

describe('the rest of a refused upload is read, but not for ever', () => {
  afterEach(() => {
    jest.useRealTimers();
  });

  test('not more than so many bytes', async () => {
    const client = server.connect();
    await client.send(requestHead('/', CHUNKED));
    await client.send(chunk(fileHead));
    await sendMegabytes(client, (2 * MAX_REST_BYTES) / MEGABYTE);
    await client.closed();
    expect(received.socket.bytesRead).toBeGreaterThan(MAX_REST_BYTES);
    expect(received.socket.bytesRead).toBeLessThan(MAX_REST_BYTES + 10 * MEGABYTE);
    expect((await client.answer()).problem.code).toBe('FILE_TOO_LARGE');
  });

  test.each(['POST', 'PUT'])('%s: not longer than so long', async (method) => {
    jest.useFakeTimers({ doNotFake: ['nextTick', 'setImmediate', 'queueMicrotask', 'Date', 'performance'] });
    const client = server.connect();
    client.send(requestHead('/', CHUNKED, method));
    if (method === 'POST') client.send(chunk(fileHead));
    client.send(megabyte);
    client.send(megabyte);
    await client.answer();
    await new Promise(setImmediate);
    jest.advanceTimersByTime(MAX_REST_TIME - 1);
    await client.send(megabyte);
    expect(received.socket.destroyed).toBe(false);
    jest.advanceTimersByTime(1);
    await client.closed();
  });

  test('what comes in time leaves no timer', async () => {
    jest.useFakeTimers({ doNotFake: ['nextTick', 'setImmediate', 'queueMicrotask', 'Date', 'performance'] });
    const answer = await server.post([{ ...hello, content: Buffer.alloc(3 * MEGABYTE) }]);
    expect(answer.status).toBe(413);
    while (jest.getTimerCount() > 0) await new Promise(setImmediate);
  });
});

describe('a function of the application that never answers', () => {
  const never = () => new Promise<never>(() => {});

  test.each(['POST', 'PUT'])(
    'is not waited for beyond the deadline, when it is asked for the storage: %s',
    async (method) => {
      options = { timeout: 200, storage: never };
      const client = server.connect();
      await client.send(requestHead('/', CHUNKED, method));
      if (method === 'POST') await client.send(chunk(fileHead));
      await client.send(chunk(Buffer.from('x')));
      expect((await client.answer()).problem).toMatchObject({ status: 408, code: 'UPLOAD_TIMEOUT' });
      client.reset();
    },
  );
});

describe('a slow body', () => {
  test.each(['POST', 'PUT'])(
    '%s is closed at the deadline, and others are served meanwhile',
    async (method) => {
      options = { timeout: 2000 };
      const slow = server.connect();
      await slow.send(requestHead('/', CHUNKED, method));
      if (method === 'POST') await slow.send(chunk(fileHead));
      const dripping = setInterval(() => slow.send(chunk(Buffer.from('x'))), 50);
      const other = await server.post([hello]);
      expect([other.status, slow.isClosed]).toEqual([201, false]);
      const answer = await slow.answer();
      expect(answer.problem).toMatchObject({ status: 408, code: 'UPLOAD_TIMEOUT' });
      expect(answer.head).toMatch(/^connection: close/im);
      await slow.closed();
      clearInterval(dripping);
      await storage.delete(JSON.parse(other.body).id);
    },
  );

  test('is closed also where nobody answers', async () => {
    jest.useFakeTimers({ doNotFake: ['nextTick', 'setImmediate', 'queueMicrotask', 'Date', 'performance'] });
    options = { timeout: 1000 };
    const client = bareServer.connect();
    await client.send(requestHead('/', CHUNKED));
    await client.send(chunk(fileHead));
    while (jest.getTimerCount() === 0) await new Promise(setImmediate);
    jest.advanceTimersByTime(1000);
    while (jest.getTimerCount() === 0) await new Promise(setImmediate);
    jest.advanceTimersByTime(SLOW_CLIENT_TIME);
    await client.closed();
    jest.useRealTimers();
  });

  test('a form that comes in time leaves no timer', async () => {
    let finish: () => void = () => {};
    options = {
      timeout: 1000,
      validate: () =>
        new Promise((resolve) => {
          finish = () => resolve(true);
        }),
    };
    const answer = server.post([hello]);
    await until(() => received?.readableEnded && finish.length === 0, 'the form to be read');
    await new Promise((resolve) => setTimeout(resolve, 1100));
    finish();
    const { status, body } = await answer;
    expect(status).toBe(201);
    await storage.delete(JSON.parse(body).id);
  });
});

describe('Expect: 100-continue (RFC 9110 section 10.1.1)', () => {
  test('the body is asked for', async () => {
    const client = server.connect();
    const body = formBody([hello]);
    const headers = { 'Content-Type': FORM_TYPE, 'Content-Length': body.length, Expect: '100-continue' };
    await client.send(requestHead('/', headers));
    await until(() => client.text.startsWith('HTTP/1.1 100 Continue'), '100 Continue');
    await client.send(body);
    const answer = await client.answer();
    expect(answer.status).toBe(201);
    await storage.delete(JSON.parse(answer.body).id);
    client.reset();
  });

  const run = promisify(execFile);
  test('curl: forms and raw bodies, accepted and refused', async () => {
    const path = join(tmpdir(), `filedepot-curl-${process.pid}.bin`);
    await writeFile(path, Buffer.alloc(8 * MEGABYTE));
    try {
      const curl = async (...args: string[]) => {
        const { stdout } = await run('curl', ['-s', '-w', '\n%{http_code}', ...args, server.url]);
        return stdout.split('\n').at(-1);
      };
      expect(await curl('-F', `file=@${path}`)).toBe('413');
      expect(await curl('-T', path)).toBe('413');
      expect(await curl('-H', 'Transfer-Encoding: chunked', '-F', `file=@${path}`)).toBe('413');
      options = {};
      expect(await curl('-F', `file=@${path}`)).toBe('201');
      expect(await curl('-T', path)).toBe('201');
      for (const id of await idsIn(storage)) await storage.delete(id);
    } finally {
      await rm(path);
    }
  });
});
