import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import express from 'express';
import type { FileInfo } from '../../lib/contract/file-info.js';
import { DepotManager } from '../../lib/depot/manager.js';
import { TestServers } from '../support/serving.js';

const servers = new TestServers();
let depot: DepotManager;
let origin: string;

beforeEach(async () => {
  depot = new DepotManager();
  depot.configure('default', { backend: 'memory' });
  depot.configure('notes', { backend: 'memory' });
  depot.alias('texts', 'notes');
  origin = `http://127.0.0.1:${await servers.listen(application())}`;
});
afterEach(() => servers.close());

function application(): express.Express {
  const app = express();
  app.use('/media', depot.middleware());
  app.post(
    '/notes',
    depot.upload({ storage: 'texts', accept: ['text/plain'] }).single('note'),
    (req, res) => {
      res.status(201).json(req.file?.depot);
    },
  );
  app.put('/raw', async (req, res) => {
    res.status(201).json(await depot.receive(req, { limits: { fileSize: 10 } }));
  });
  app.use(depot.errorHandler());
  return app;
}

async function post(name: string, type: string): Promise<Response> {
  const body = new FormData();
  body.append('note', new File(['content'], name, { type }));
  return fetch(`${origin}/notes`, { method: 'POST', body });
}

async function contentAt(url: string): Promise<string> {
  return (await fetch(origin + url)).text();
}

describe('an application', () => {
  test('stores a form in the storage that an alias stands for, and serves it', async () => {
    const answer = await post('a.txt', 'text/plain');
    const file = (await answer.json()) as FileInfo;
    expect(answer.status).toBe(201);
    expect(file).toMatchObject({ storage: 'notes', url: `/media/depot/notes/${file.id}`, filename: 'a.txt' });
    expect(file).toEqual(JSON.parse(JSON.stringify(await depot.info(file.path))));
    expect(await contentAt(file.url)).toBe('content');
    expect(await contentAt(`/media/depot/texts/${file.id}`)).toBe('content');
  });

  test('stores a raw body in the default storage', async () => {
    const answer = await fetch(`${origin}/raw`, { method: 'PUT', body: 'raw' });
    const file = (await answer.json()) as FileInfo;
    expect(file.storage).toBe('default');
    expect(await contentAt(file.url)).toBe('raw');
  });

  test('answers refusals as problem details', async () => {
    const wrongType = await post('a.csv', 'text/csv');
    const tooLarge = await fetch(`${origin}/raw`, { method: 'PUT', body: 'x'.repeat(11) });
    expect(wrongType.headers.get('content-type')).toBe('application/problem+json');
    expect(await wrongType.json()).toMatchObject({ status: 415, code: 'CONTENT_TYPE_NOT_ACCEPTED' });
    expect(await tooLarge.json()).toMatchObject({ status: 413, code: 'FILE_TOO_LARGE' });
  });

  test('replaces a file by a raw body', async () => {
    const { path } = await depot.create('old', { filename: 'a.txt' });
    const app = express().put(
      '/',
      async (req, res) => void res.json(await depot.receive(req, { replace: path })),
    );
    const port = await servers.listen(app);
    const answer = await fetch(`http://127.0.0.1:${port}`, { method: 'PUT', body: 'new' });
    expect(await answer.json()).toMatchObject({ path, filename: 'a.txt', size: 3 });
    expect(await (await depot.getFile(path)).text()).toBe('new');
  });
});
