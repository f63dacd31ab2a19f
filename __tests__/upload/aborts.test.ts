import { randomBytes } from 'node:crypto';
import { afterAll, beforeAll, beforeEach, expect, test } from '@jest/globals';
import express from 'express';
import { errorHandler } from '../../lib/upload/error-handler.js';
import { receiveFile } from '../../lib/upload/receive-file.js';
import { uploadFiles } from '../../lib/upload/upload-files.js';
import { openDescriptors } from '../support/descriptors.js';
import { FORM_TYPE, formBody } from '../support/multipart.js';
import { until } from '../support/until.js';
import { requestHead } from '../support/upload-client.js';
import { directoryOf, idsIn, TemporaryStorage, TestServer } from '../support/upload-server.js';

/** Larger than what a storage collects before it writes. */
const CONTENT = randomBytes(1_200_000);
const FORM = formBody([
  { name: 'title', content: 'A title' },
  { name: 'file', filename: 'one.bin', content: CONTENT },
  { name: 'file', filename: 'two.bin', content: CONTENT },
]);
const SEED = Date.now() % 1_000_000;

let temporary: TemporaryStorage;
let server: TestServer;
let running = 0;
let descriptorsBefore: number;

beforeAll(async () => {
  temporary = await TemporaryStorage.open();
  const directory = directoryOf({ files: temporary.storage });
  const app = express();
  app.use((_req, res, next) => {
    running++;
    res.once('close', () => running--);
    next();
  });
  app.post('/', uploadFiles(directory, { accept: ['*/*'] }).array('file'), (req, res) => {
    res.status(201).json(req.files);
  });
  app.put('/', async (req, res) => {
    res.status(201).json(await receiveFile(directory, req));
  });
  app.use(errorHandler());
  server = await TestServer.listen(app);
});

/** Descriptors are counted after a first upload: what it loads and opens for good is there then. */
beforeEach(async () => {
  await uploadBoth();
  for (const id of await idsIn(temporary.storage)) await temporary.storage.delete(id);
  await until(nothingRuns, 'the first uploads to end');
  descriptorsBefore = (await openDescriptors()).length;
});

afterAll(async () => {
  await server.close();
  await temporary.remove();
});

async function uploadBoth(): Promise<void> {
  const form = await server.post(FORM);
  expect([form.status, JSON.parse(form.body).length]).toEqual([201, 2]);
  const raw = await server.send(requestHead('/', { 'Content-Length': CONTENT.length }, 'PUT'), CONTENT);
  expect([raw.status, JSON.parse(raw.body).size]).toEqual([201, CONTENT.length]);
}

function nothingRuns(): boolean {
  return running === 0;
}

async function expectNothingLeft(): Promise<void> {
  await until(nothingRuns, 'all requests to end');
  await until(async () => (await temporary.staged()).length === 0, 'staging to be empty');
  await until(async () => (await openDescriptors()).length <= descriptorsBefore, 'descriptors to be closed');
  expect(await idsIn(temporary.storage)).toEqual([]);
  await uploadBoth();
}

/** Sends a part of a request, and leaves: by a reset, or politely. */
async function sendAndLeave(request: Buffer, length: number, isPolite: boolean): Promise<void> {
  const client = server.connect();
  await client.send(request.subarray(0, length));
  if (isPolite) client.socket.end();
  else client.reset();
  await client.closed();
}

/** Repeatable random numbers from 0 to 1 (mulberry32). */
function randomNumbers(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let value = Math.imul(state ^ (state >>> 15), 1 | state);
    value = (value + Math.imul(value ^ (value >>> 7), 61 | value)) ^ value;
    return ((value ^ (value >>> 14)) >>> 0) / 2 ** 32;
  };
}

async function abortOften(request: Buffer, times: number, concurrency: number): Promise<void> {
  const random = randomNumbers(SEED);
  let left = times;
  const abortSome = async () => {
    while (left-- > 0) await sendAndLeave(request, Math.floor(random() * request.length), random() < 0.5);
  };
  await Promise.all(Array.from({ length: concurrency }, abortSome));
}

const formHead = requestHead('/', { 'Content-Type': FORM_TYPE, 'Content-Length': FORM.length });
const rawHead = requestHead('/', { 'Content-Length': CONTENT.length }, 'PUT');

test(`forms, 500 times, 20 at once, at random bytes (seed ${SEED})`, async () => {
  await abortOften(Buffer.concat([Buffer.from(formHead), FORM]), 500, 20);
  await expectNothingLeft();
});

test(`raw bodies, 200 times, 20 at once, at random bytes (seed ${SEED})`, async () => {
  await abortOften(Buffer.concat([Buffer.from(rawHead), CONTENT]), 200, 20);
  await expectNothingLeft();
});

test('200 connections that are reset at once, all of them in the middle of a file', async () => {
  const clients = Array.from({ length: 200 }, () => server.connect());
  await Promise.all(clients.map((client) => client.send(formHead)));
  await Promise.all(clients.map((client) => client.send(FORM.subarray(0, 800_000))));
  await until(() => running === 200, 'all uploads to have begun');
  await until(async () => (await temporary.staged()).length > 0, 'something to be staged');
  for (const client of clients) client.reset();
  await expectNothingLeft();
});

test('a body that is shorter than it says', async () => {
  await sendAndLeave(Buffer.concat([Buffer.from(formHead), FORM]), formHead.length + FORM.length - 1, true);
  await expectNothingLeft();
});

test('a client that goes while its file is still waited for', async () => {
  const client = server.connect();
  await client.send(formHead);
  await until(() => running === 1, 'the request to arrive');
  client.reset();
  await expectNothingLeft();
});
