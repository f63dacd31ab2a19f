import { once } from 'node:events';
import type { IncomingMessage, ServerResponse } from 'node:http';
import {
  type ClientHttp2Session,
  type ClientHttp2Stream,
  connect,
  constants,
  createServer,
  type Http2Server,
  type OutgoingHttpHeaders,
} from 'node:http2';
import { type AddressInfo, connect as connectSocket, type Socket } from 'node:net';
import { text } from 'node:stream/consumers';
import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from '@jest/globals';
import type { Content } from '../../lib/contract/content.js';
import { MemoryStorage } from '../../lib/storages/memory.js';
import { errorHandler } from '../../lib/upload/error-handler.js';
import { receiveFile } from '../../lib/upload/receive-file.js';
import { uploadFiles } from '../../lib/upload/upload-files.js';
import { FORM_TYPE, formBody } from '../support/multipart.js';
import { until } from '../support/until.js';
import { directoryOf, idsIn } from '../support/upload-server.js';

const CONTENT = Buffer.alloc(40_000, 'x');
const FORM = formBody([{ name: 'file', filename: 'a.txt', content: 'hello' }]);

const storage = new MemoryStorage();
let server: Http2Server;
let client: ClientHttp2Session;
let failure: unknown;
let openStreams = 0;
/** The first bytes of the request that came last. */
let hasRead: Promise<unknown>;

/** As Node's documentation has it, the compatibility layer takes handlers of HTTP/1. */
type Handler = (req: IncomingMessage, res: ServerResponse) => Promise<unknown>;

beforeAll(async () => {
  const directory = directoryOf({ files: storage });
  const form = uploadFiles(directory).single('file');
  const handlers: Record<string, Handler> = {
    '/raw': (req) => receiveFile(directory, req, { limits: { fileSize: '100kb' } }),
    '/create': (req) => storage.create(req as Content),
    '/form': (req, res) =>
      new Promise<void>((resolve, reject) => {
        form(req, res, (error) => (error ? reject(error) : resolve()));
      }),
  };
  const answerError = errorHandler();
  server = createServer((req, res) => {
    hasRead = once(req, 'data');
    const [request, response] = [req as unknown as IncomingMessage, res as unknown as ServerResponse];
    const fail = (error: unknown) => {
      failure = error;
      answerError(error, request, response, () => {});
    };
    handlers[req.url]?.(request, response).then(() => res.end('stored'), fail);
  });
  server.on('stream', (stream) => {
    openStreams++;
    stream.once('close', () => openStreams--);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
});

beforeEach(() => {
  failure = undefined;
  client = connect(`http://127.0.0.1:${port()}`);
});

afterEach(async () => {
  client.destroy();
  for (const id of await idsIn(storage)) await storage.delete(id);
});

afterAll(() => new Promise((resolve) => server.close(resolve)));

function port(): number {
  return (server.address() as AddressInfo).port;
}

function request(path: string, headers: OutgoingHttpHeaders = {}, signal?: AbortSignal) {
  return client.request({ ':method': 'POST', ':path': path, ...headers }, signal && { signal });
}

async function send(path: string, body: Buffer, headers?: OutgoingHttpHeaders) {
  const stream = request(path, headers);
  stream.end(body);
  const [answer] = await once(stream, 'response');
  return { status: answer[':status'], body: await text(stream) };
}

/** Speaks HTTP/2 itself: Node's client does not let its user choose how a body is cancelled. */
function beginRaw(path: string): Socket {
  const socket = connectSocket(port(), '127.0.0.1').on('error', () => {});
  const fields = { ':method': 'POST', ':scheme': 'http', ':path': path, ':authority': 'localhost' };
  const block = Object.entries(fields).map(([name, value]) =>
    Buffer.from(`\0${String.fromCharCode(name.length)}${name}${String.fromCharCode(value.length)}${value}`),
  );
  socket.write('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n');
  socket.write(frame(0x4, 0, 0, Buffer.alloc(0)));
  socket.write(frame(0x1, constants.NGHTTP2_FLAG_END_HEADERS, 1, Buffer.concat(block)));
  socket.write(frame(0x0, 0, 1, CONTENT.subarray(0, 10_000)));
  return socket;
}

/** A frame (RFC 9113 section 4.1). */
function frame(type: number, flags: number, stream: number, payload: Buffer): Buffer {
  const head = Buffer.alloc(9);
  head.writeUIntBE(payload.length, 0, 3);
  head.writeUInt8(type, 3);
  head.writeUInt8(flags, 4);
  head.writeUInt32BE(stream, 5);
  return Buffer.concat([head, payload]);
}

function reset(code: number): Buffer {
  const payload = Buffer.alloc(4);
  payload.writeUInt32BE(code);
  return frame(0x3, 0, 1, payload);
}

async function expectNothingStored(): Promise<void> {
  await until(() => failure !== undefined, 'the upload to fail');
  expect(failure).toMatchObject({ code: 'UPLOAD_ABORTED' });
  await delay(20);
  expect(await idsIn(storage)).toEqual([]);
}

test.each(['/raw', '/create'])('%s: a body without a length is stored', async (path) => {
  expect((await send(path, CONTENT)).status).toBe(200);
  const [id = ''] = await idsIn(storage);
  expect((await storage.get(id)).size).toBe(CONTENT.length);
});

test.each([
  ['/raw', constants.NGHTTP2_CANCEL],
  ['/raw', constants.NGHTTP2_NO_ERROR],
  ['/create', constants.NGHTTP2_CANCEL],
  ['/create', constants.NGHTTP2_NO_ERROR],
])('%s: a body that is cancelled (%i) is no file', async (path, code) => {
  const socket = beginRaw(path);
  await once(server, 'stream');
  await hasRead;
  socket.write(reset(code));
  await expectNothingStored();
  socket.destroy();
});

test.each<[string, (stream: ClientHttp2Stream, controller: AbortController) => void]>([
  ['destroys its stream', (stream) => stream.destroy()],
  ['aborts it', (_stream, controller) => controller.abort()],
])('a body whose client, by Node, %s is no file', async (_how, leave) => {
  for (let times = 0; times < 10; times++) {
    const controller = new AbortController();
    const stream = request('/raw', {}, controller.signal).on('error', () => {});
    const arrival = once(server, 'stream');
    stream.write(CONTENT);
    await arrival;
    await hasRead;
    leave(stream, controller);
    await expectNothingStored();
    failure = undefined;
  }
});

test('a body that is refused in the middle is read to its end: its stream is closed with the answer', async () => {
  for (let times = 0; times < 5; times++) {
    const { status, body } = await send('/raw', Buffer.alloc(300_000));
    expect([status, JSON.parse(body).code]).toEqual([413, 'FILE_TOO_LARGE']);
  }
  await until(() => openStreams === 0, 'all streams to be closed');
});

test.each([
  ['without a length', {}],
  ['with a length', { 'content-length': FORM.length }],
])('a form %s is stored', async (_how, headers) => {
  expect((await send('/form', FORM, { 'content-type': FORM_TYPE, ...headers })).status).toBe(200);
  const [id = ''] = await idsIn(storage);
  await expect((await storage.get(id)).text()).resolves.toBe('hello');
});

test('a form without a body, or with half of it, is malformed', async () => {
  for (const body of [Buffer.alloc(0), FORM.subarray(0, FORM.length / 2)]) {
    const answer = await send('/form', body, { 'content-type': FORM_TYPE });
    expect([answer.status, JSON.parse(answer.body).code]).toEqual([400, 'MALFORMED_MULTIPART']);
  }
});
