import { createHash } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import express from 'express';
import { serveFiles } from '../../lib/serve/router.js';
import { LocalStorage } from '../../lib/storages/local.js';
import { openDescriptors } from '../support/descriptors.js';
import { removeFolder } from '../support/folders.js';
import { RawClient } from '../support/raw-client.js';
import { type AskOptions, ask, directoryOf, problemOf, TestServers } from '../support/serving.js';
import { until } from '../support/until.js';

const LARGE = Buffer.alloc(16 * 1024 * 1024, 'large');
const servers = new TestServers();
let storagePath: string;
let storage: LocalStorage;
let port: number;
let id: string;

beforeAll(async () => {
  storagePath = await mkdtemp(join(tmpdir(), 'filedepot-'));
  storage = new LocalStorage({ storagePath, durability: 'rename' });
  id = await storage.create(LARGE, { filename: 'large.bin' });
  const app = express();
  app.use(serveFiles(directoryOf({ files: storage })));
  port = await servers.listen(app);
});

afterAll(async () => {
  await servers.close();
  await removeFolder(storagePath);
});

/** How many files of the storage this process has open. */
async function openFiles(): Promise<number> {
  return (await openDescriptors()).filter((target) => target.startsWith(storagePath)).length;
}

describe('handles are closed', () => {
  const REQUESTS: [name: string, options: AskOptions][] = [
    ['200', {}],
    ['200 to a HEAD', { method: 'HEAD' }],
    ['206', { headers: { Range: 'bytes=0-99' } }],
    ['206 of several parts', { headers: { Range: 'bytes=0-99,1000-1999,-5' } }],
    ['304', { headers: { 'If-None-Match': '*' } }],
    ['412', { headers: { 'If-Match': '"x"' } }],
    ['416', { headers: { Range: `bytes=${LARGE.byteLength}-` } }],
  ];

  test.each(REQUESTS)('after a %s', async (_name, options) => {
    for (let round = 0; round < 10; round++) await ask(port, `/depot/files/${id}`, options);
    await until(async () => (await openFiles()) === 0, 'the handles to be closed');
  });

  test('after clients have left', async () => {
    for (const range of ['', '\r\nRange: bytes=0-9999999,10000001-']) {
      const clients = Array.from({ length: 20 }, () => new RawClient(port));
      for (const client of clients) {
        client.socket.write(`GET /depot/files/${id} HTTP/1.1\r\nHost: localhost${range}\r\n\r\n`);
      }
      await Promise.all(clients.map((client) => client.stall()));
      expect(await openFiles()).toBe(20);
      for (const client of clients) client.leave();
      await until(async () => (await openFiles()) === 0, 'the handles to be closed');
    }
  });
});

test('a reader sees the old file or the new one, while it is replaced again and again', async () => {
  const contents = [LARGE.subarray(0, 700_000), Buffer.alloc(900_000, 'new'), Buffer.alloc(100, 'small')];
  const file = await storage.create(contents[0] as Buffer);
  let isDone = false;
  const replacing = (async () => {
    for (let round = 0; round < 30; round++) await storage.replace(file, contents[round % 3] as Buffer);
    isDone = true;
  })();
  let answers = 0;
  while (!isDone) {
    const { status, headers, body } = await ask(port, `/depot/files/${file}`);
    expect(status).toBe(200);
    expect(headers.etag).toBe(`"${createHash('sha256').update(body).digest('hex')}"`);
    answers++;
  }
  await replacing;
  expect(answers).toBeGreaterThan(1);
});

describe('half a file is none', () => {
  test.each(['file', 'metadata'])('without its %s', async (half) => {
    const file = await storage.create('content');
    const names = half === 'file' ? ['file'] : ['details.json', 'metadata.json'];
    for (const name of names) await rm(join(storagePath, file, name));
    const fresh = new LocalStorage({ storagePath, durability: 'rename' });
    const freshPort = await servers.listen(serveFiles(directoryOf({ files: fresh })));
    for (const headers of [{}, { 'If-None-Match': '*' }]) {
      const answer = await ask(freshPort, `/depot/files/${file}`, { headers });
      expect(problemOf(answer)).toMatchObject({ status: 404, code: 'FILE_NOT_FOUND' });
    }
    await fresh.close();
  });
});

test('a path is told to a proxy', async () => {
  const sendfile = { header: 'X-Accel-Redirect', root: storagePath, prefix: '/internal' } as const;
  const proxied = await servers.listen(serveFiles(directoryOf({ files: storage }), { sendfile }));
  const { headers } = await ask(proxied, `/depot/files/${id}`);
  expect(headers['x-accel-redirect']).toBe(`/internal/${id}/file`);
});
