import { mkdtemp, unlink } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, jest, test } from '@jest/globals';
import express, { type ErrorRequestHandler } from 'express';
import { DepotError, FileNotFoundError } from '../../lib/errors.js';
import { DamageReports } from '../../lib/serve/damage-reports.js';
import type { ServeOptions } from '../../lib/serve/options.js';
import { serveFiles } from '../../lib/serve/router.js';
import { LocalStorage } from '../../lib/storages/local.js';
import { MemoryStorage } from '../../lib/storages/memory.js';
import { faultyStorage } from '../../lib/testing/faulty-storage.js';
import { removeFolder } from '../support/folders.js';
import { ask, directoryOf, problemOf, TestServers } from '../support/serving.js';

const servers = new TestServers();
let folder: string;
let storage: LocalStorage;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'filedepot-damage-'));
  storage = new LocalStorage({ storagePath: folder, durability: 'rename' });
});
afterEach(() => {
  jest.restoreAllMocks();
});
afterAll(async () => {
  await servers.close();
  await storage.close();
  await removeFolder(folder);
});

/** A file without some of its parts. */
async function damaged(...missing: string[]): Promise<string> {
  const id = await storage.create('content');
  for (const name of missing) await unlink(join(folder, id, name));
  return id;
}

async function serving(options: ServeOptions = {}) {
  const errors: [unknown, string | undefined][] = [];
  const onError: ServeOptions['onError'] = (error, req) => errors.push([error, req.url]);
  const port = await servers.listen(serveFiles(directoryOf({ files: storage }), { onError, ...options }));
  return { get: (id: string, method = 'GET') => ask(port, `/depot/files/${id}`, { method }), errors };
}

describe('a file of which a half is missing', () => {
  test.each([
    [['file'], 'metadata without content'],
    [['details.json', 'metadata.json'], 'content without metadata'],
  ])('without %j is a 404 that tells no more, and is told of once', async (missing, halves) => {
    const { get, errors } = await serving();
    const id = await damaged(...missing);
    for (const method of ['GET', 'GET', 'HEAD']) {
      const answer = await get(id, method);
      expect(answer.status).toBe(404);
      if (method === 'GET') {
        expect(problemOf(answer)).toMatchObject({
          code: 'FILE_NOT_FOUND',
          detail: `There is no file "${id}"`,
        });
      }
    }
    const message = `The folder ${join(folder, id)} has ${halves}`;
    expect(errors).toEqual([
      [expect.objectContaining({ code: 'FILE_DAMAGED', message }), `/depot/files/${id}`],
    ]);
  });

  test('is told of also where the request goes on to the next handler', async () => {
    const errors: unknown[] = [];
    const serve = serveFiles(directoryOf({ files: storage }), {
      fallthrough: true,
      onError: (error) => errors.push(error),
    });
    const app = express().use(serve, (_req, res) => void res.status(299).end());
    const answer = await ask(await servers.listen(app), `/depot/files/${await damaged('file')}`);
    expect([answer.status, errors.length]).toEqual([299, 1]);
  });

  test('whose content goes after its details were read', async () => {
    const id = await storage.create('content');
    await storage.stat(id);
    await unlink(join(folder, id, 'file'));
    const { get, errors } = await serving();
    expect((await get(id)).status).toBe(404);
    expect(errors).toHaveLength(1);
  });

  test('is a warning of the process, unless the application says where to', async () => {
    const warnings = jest.spyOn(process, 'emitWarning').mockImplementation(() => {});
    const port = await servers.listen(serveFiles(directoryOf({ files: storage })));
    await ask(port, `/depot/files/${await damaged('file')}`);
    expect(warnings).toHaveBeenCalledTimes(1);
    expect(warnings).toHaveBeenCalledWith(expect.stringContaining('has metadata without content'));
  });

  test('is a 404 even if the log fails', async () => {
    const warnings = jest.spyOn(process, 'emitWarning').mockImplementation(() => {});
    const onError = () => {
      throw new Error('no log');
    };
    const { get } = await serving({ onError });
    expect((await get(await damaged('file'))).status).toBe(404);
    expect(warnings).toHaveBeenCalledWith('onError has failed: Error: no log');
  });
});

test('a file that never was is no news', async () => {
  const { get, errors } = await serving();
  const id = await storage.create('content');
  await storage.delete(id);
  for (const missing of ['unknown', id]) expect((await get(missing)).status).toBe(404);
  expect(errors).toEqual([]);
});

describe('a failure of the storage', () => {
  const failing = directoryOf({
    files: faultyStorage(new MemoryStorage(), [{ on: 'open', fail: 'STORAGE_UNAVAILABLE' }]),
  });
  const unavailable = expect.objectContaining({ code: 'STORAGE_UNAVAILABLE' });

  test('is told of each time where there is no next handler', async () => {
    const errors: unknown[] = [];
    const serve = serveFiles(failing, { onError: (error) => errors.push(error) });
    const port = await servers.listen((req, res) => serve(req, res));
    for (let index = 0; index < 2; index++) expect((await ask(port, '/depot/files/id')).status).toBe(503);
    expect(errors).toEqual([unavailable, unavailable]);
  });

  test('goes to the error handler, and nowhere else', async () => {
    const errors: unknown[] = [];
    const handled: unknown[] = [];
    const onError: ErrorRequestHandler = (error, _req, res, _next) => {
      handled.push(error);
      res.status(599).end();
    };
    const app = express();
    app.use(serveFiles(failing, { onError: (error) => errors.push(error) }), onError);
    expect((await ask(await servers.listen(app), '/depot/files/id')).status).toBe(599);
    expect([handled, errors]).toEqual([[unavailable], []]);
  });
});

test('so many damages are remembered, and not more', () => {
  const reports = new DamageReports();
  const damage = (index: number) =>
    new FileNotFoundError('id', { cause: new DepotError('FILE_DAMAGED', `number ${index}`) });
  for (let index = 0; index < 1000; index++) expect(reports.newDamage(damage(index))).toBeDefined();
  for (let index = 0; index < 1000; index++) expect(reports.newDamage(damage(index))).toBeUndefined();
  expect(reports.newDamage(damage(1000))).toMatchObject({ message: 'number 1000' });
  expect(reports.newDamage(damage(0))).toBeDefined();
});
