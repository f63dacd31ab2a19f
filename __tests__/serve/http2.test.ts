import { once } from 'node:events';
import type { IncomingMessage, ServerResponse } from 'node:http';
import {
  type ClientHttp2Session,
  connect,
  constants,
  createServer,
  type Http2Server,
  type IncomingHttpHeaders,
  type OutgoingHttpHeaders,
} from 'node:http2';
import type { AddressInfo } from 'node:net';
import { Readable } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import { afterAll, beforeAll, expect, jest, test } from '@jest/globals';
import { serveFiles } from '../../lib/serve/router.js';
import { MemoryStorage } from '../../lib/storages/memory.js';
import { OpenFilesStorage } from '../support/open-files.js';
import { directoryOf } from '../support/serving.js';
import { until } from '../support/until.js';

const CONTENT = Buffer.from('0123456789'.repeat(10));
const LARGE = Buffer.alloc(3_000_000, 'x');

const memory = new MemoryStorage();
const files = new OpenFilesStorage({ stream: (content) => Readable.from(piecesOf(content)) });
const broken = new OpenFilesStorage({ stream: (content) => Readable.from(failingAfter(content)) });
const onError = jest.fn();
let server: Http2Server;
let client: ClientHttp2Session;
let url: string;
beforeAll(async () => {
  const serve = serveFiles(directoryOf({ memory, files, broken }), { onError });
  // As Node's documentation has it, the compatibility layer takes handlers of HTTP/1.
  server = createServer((req, res) =>
    serve(req as unknown as IncomingMessage, res as unknown as ServerResponse),
  );
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  client = connect(`http://127.0.0.1:${(server.address() as AddressInfo).port}`);
  url = `/depot/memory/${await memory.create(CONTENT, { filename: 'a.png' })}`;
});
afterAll(async () => {
  client.close();
  await new Promise((resolve) => server.close(resolve));
});

function* piecesOf(content: Buffer): Generator<Buffer> {
  for (let start = 0; start < content.byteLength; start += 64 * 1024)
    yield content.subarray(start, start + 64 * 1024);
}

async function* failingAfter(content: Buffer): AsyncGenerator<Buffer> {
  yield content.subarray(0, 100_000);
  await new Promise((resolve) => setTimeout(resolve, 20));
  throw new Error('It breaks off');
}

async function get(path: string, headers: OutgoingHttpHeaders = {}) {
  const stream = client.request({ ':path': path, ...headers });
  const [answer] = (await once(stream, 'response')) as [IncomingHttpHeaders & { ':status': number }];
  return { status: answer[':status'], headers: answer, body: await buffer(stream) };
}

test('the file, a part of it, and what is to be told', async () => {
  const whole = await get(url);
  expect(whole).toMatchObject({ status: 200, body: CONTENT, headers: { 'content-type': 'image/png' } });
  expect(await get(url, { range: 'bytes=2-3' })).toMatchObject({ status: 206, body: Buffer.from('23') });
  expect(await get(url, { 'if-none-match': whole.headers.etag })).toMatchObject({ status: 304 });
  const head = await get(url, { ':method': 'HEAD' });
  expect(head).toMatchObject({ status: 200, headers: { 'content-length': '100' } });
  expect(head.body).toHaveLength(0);
  const missing = await get('/depot/memory/unknown');
  expect([missing.status, JSON.parse(missing.body.toString()).code]).toEqual([404, 'FILE_NOT_FOUND']);
});

test('a large file', async () => {
  const id = await memory.create(LARGE);
  expect((await get(`/depot/memory/${id}`)).body.equals(LARGE)).toBe(true);
});

test('an answer that breaks off is not taken for complete', async () => {
  const path = `/depot/broken/${await broken.create(LARGE)}`;
  await expect(get(path)).rejects.toMatchObject({ code: 'ERR_HTTP2_STREAM_ERROR' });
  expect((await get(url)).status).toBe(200);
  expect(onError).toHaveBeenCalledTimes(1);
  onError.mockClear();
});

test('a client that leaves is no failure, and releases what it has read from', async () => {
  const stream = client.request({ ':path': `/depot/files/${await files.create(LARGE)}` });
  stream.once('data', () => stream.close(constants.NGHTTP2_CANCEL));
  await until(() => files.opened === 1 && files.closed === 1, 'the file to be closed');
  await get(url);
  expect(onError).not.toHaveBeenCalled();
});
