import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp } from 'node:fs/promises';
import { type ClientRequest, type IncomingMessage, request } from 'node:http';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { removeFolder } from '../support/folders.js';
import { BOUNDARY, FORM_TYPE } from '../support/multipart.js';

const CHILD = join(import.meta.dirname, '../support/children/receive-files.js');
const CHUNK = Buffer.alloc(1024 * 1024, 'content ');

let folder: string;
let child: ChildProcess;
let port: number;

/** A server in a process of its own, since memory is the process's. */
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'filedepot-memory-'));
  child = spawn(process.execPath, [CHILD, folder], { stdio: ['ignore', 'pipe', 'inherit'] });
  const [line] = await once(child.stdout as NonNullable<ChildProcess['stdout']>, 'data');
  port = Number(line);
});

afterAll(async () => {
  child.kill();
  await once(child, 'exit');
  await removeFolder(folder);
});

function begin(method: string, headers: Record<string, string> = {}): ClientRequest {
  return request({ host: '127.0.0.1', port, method, headers });
}

async function answerTo(req: ClientRequest): Promise<{ status: number | undefined; body: string }> {
  const [res] = (await once(req, 'response')) as [IncomingMessage];
  return { status: res.statusCode, body: await text(res) };
}

/** Most megabytes that the server has had since it was asked last. */
async function peak(): Promise<number> {
  return Number((await answerTo(begin('GET').end())).body);
}

async function send(method: string, chunks: number): Promise<number | undefined> {
  const isForm = method === 'POST';
  const req = begin(method, { 'Content-Type': isForm ? FORM_TYPE : 'text/plain' });
  const answer = answerTo(req);
  if (isForm)
    req.write(`--${BOUNDARY}\r\nContent-Disposition: form-data; name="f"; filename="f.txt"\r\n\r\n`);
  for (let chunk = 0; chunk < chunks; chunk++) {
    if (!req.write(CHUNK)) await once(req, 'drain');
  }
  req.end(isForm ? `\r\n--${BOUNDARY}--\r\n` : '');
  return (await answer).status;
}

test.each(['POST', 'PUT'])('four files of 60 MB at once take less than 64 MB (%s)', async (method) => {
  const sendFour = (chunks: number) => Promise.all([1, 2, 3, 4].map(() => send(method, chunks)));
  await sendFour(1);
  await peak();
  const before = await peak();
  expect(await sendFour(60)).toEqual([201, 201, 201, 201]);
  expect((await peak()) - before).toBeLessThan(64);
});

/** What a client sends that makes as many chunks of its bytes as it can. */
async function sendByteByByte(bytes: number): Promise<string> {
  const socket = connect(port, '127.0.0.1');
  socket.write('PUT / HTTP/1.1\r\nHost: depot\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n');
  socket.write('1\r\nx\r\n'.repeat(bytes));
  socket.write('0\r\n\r\n');
  return text(socket);
}

test('chunks of one byte do not take more memory than others', async () => {
  await peak();
  const before = await peak();
  const answers = await Promise.all([1, 2, 3, 4].map(() => sendByteByByte(500_000)));
  for (const answer of answers) expect(answer).toMatch(/^HTTP\/1.1 201 /);
  expect((await peak()) - before).toBeLessThan(100);
});
