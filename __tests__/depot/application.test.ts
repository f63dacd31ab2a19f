import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import express5 from 'express';
import express4 from 'express4';
import type { FileInfo } from '../../lib/contract/file-info.js';
import { DepotManager } from '../../lib/depot/manager.js';
import { FORM_TYPE, formBody } from '../support/multipart.js';
import { TestServers } from '../support/serving.js';
import { until } from '../support/until.js';
import { requestHead, UploadClient } from '../support/upload-client.js';

const EXPRESSES = [
  ['Express 5', express5],
  ['Express 4', express4],
] as const;

const servers = new TestServers();
let depot: DepotManager;
let origin: string;
let errors: unknown[];

describe.each(EXPRESSES)('an application of %s', (_name, express) => {
  beforeEach(async () => {
    errors = [];
    depot = new DepotManager();
    depot.configure('default', { backend: 'memory' });
    depot.configure('notes', { backend: 'memory' });
    depot.alias('texts', 'notes');
    origin = `http://127.0.0.1:${await servers.listen(application())}`;
  });
  afterEach(() => servers.close());

  function application(): express5.Express {
    const app = express();
    app.use('/media', depot.middleware());
    app.post(
      '/notes',
      depot.upload({ storage: 'texts', accept: ['text/plain'] }).single('note'),
      (req, res) => {
        res.status(201).json(req.file?.depot);
      },
    );
    app.put('/raw', (req, res, next) => {
      depot.receive(req, { limits: { fileSize: 10 } }).then((file) => res.status(201).json(file), next);
    });
    app.use(((error, _req, _res, next) => {
      errors.push(error);
      next(error);
    }) as express5.ErrorRequestHandler);
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

  test('stores a form in the storage that an alias stands for, and serves it', async () => {
    const answer = await post('a.txt', 'text/plain');
    const file = (await answer.json()) as FileInfo;
    expect(answer.status).toBe(201);
    expect(file).toMatchObject({ storage: 'notes', url: `/media/depot/notes/${file.id}`, filename: 'a.txt' });
    expect(file).toEqual(JSON.parse(JSON.stringify(await depot.info(file.path))));
    expect(await contentAt(file.url)).toBe('content');
    expect(await contentAt(`/media/depot/texts/${file.id}`)).toBe('content');
  });

  test('copies what an upload has stored, by its req.file', async () => {
    const app = express().post('/', depot.upload().single('note'), async (req, res) => {
      const copy = await depot.create(req.file as Express.Multer.File, { storage: 'notes' });
      res.json({ original: req.file?.depot, copy });
    });
    const body = new FormData();
    body.append('note', new File(['content'], 'a.txt', { type: 'text/plain' }));
    const answer = await fetch(`http://127.0.0.1:${await servers.listen(app)}`, { method: 'POST', body });
    const { original, copy } = (await answer.json()) as Record<'original' | 'copy', FileInfo>;
    expect(copy).toMatchObject({ storage: 'notes', filename: 'a.txt', sha256: original.sha256 });
    expect(await (await depot.getFile(copy.path)).text()).toBe('content');
    expect(await depot.get(original.storage).exists(original.id)).toBe(true);
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

  test('serves parts of a file, and says what there is not', async () => {
    const { url } = await depot.create('0123456789', { filename: 'a.txt' });
    const part = await fetch(origin + url, { headers: { Range: 'bytes=2-3' } });
    expect([part.status, await part.text()]).toEqual([206, '23']);
    const headers = { 'If-None-Match': part.headers.get('etag') ?? '' };
    expect((await fetch(origin + url, { headers })).status).toBe(304);
    const nothing = await fetch(`${origin}/media/depot/default/unknown`);
    expect(await nothing.json()).toMatchObject({ status: 404, code: 'FILE_NOT_FOUND' });
  });

  test('keeps nothing of a form that a client leaves in the middle', async () => {
    const client = new UploadClient(Number(new URL(origin).port));
    const form = formBody([{ name: 'note', filename: 'a.txt', content: 'x'.repeat(100_000) }]);
    await client.send(requestHead('/notes', { 'Content-Type': FORM_TYPE, 'Content-Length': form.length }));
    await client.send(form.subarray(0, 50_000));
    client.reset();
    await client.closed();
    await until(() => errors.length > 0, 'the error');
    expect(errors).toEqual([expect.objectContaining({ code: 'UPLOAD_ABORTED' })]);
    for (const name of depot.names()) {
      for await (const id of depot.get(name).list()) throw new Error(`There is ${name}/${id}`);
    }
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
