import { once } from 'node:events';
import { mkdtemp } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, expect, test } from '@jest/globals';
import express from 'express';
import type { FileInfo } from '../../lib/contract/file-info.js';
import { DepotManager } from '../../lib/depot/manager.js';
import { removeFolder } from '../support/folders.js';
import { TestGcsBucket } from '../support/gcs.js';
import { TestBucket } from '../support/s3.js';
import { describeWith, startGcsServer, startS3Server } from '../support/servers/index.js';

/** What a user has uploaded, and where the application said that it is. */
interface Upload {
  readonly info: FileInfo;
  readonly name: string;
  readonly content: string;
}

/**
 * The life of one application: it begins on a disk, goes to S3, and leaves the disk for Google. Each chapter is a new
 * deployment of it; what users have stored in the chapters before is theirs in all that follow.
 */
await describeWith('An application that moves', [startS3Server, startGcsServer], (s3, gcs) => {
  const photos = new TestBucket(s3).options();
  const archive = new TestGcsBucket(gcs).options();
  const uploads: Upload[] = [];
  let storagePath: string;
  let depot: DepotManager;
  let server: Server;

  beforeAll(async () => {
    storagePath = await mkdtemp(join(tmpdir(), 'filedepot-evolution-'));
  });

  afterEach(async () => {
    server.closeAllConnections();
    server.close();
    await depot.close();
  });
  afterAll(() => removeFolder(storagePath));

  /** Starts the application with its storages of the time. */
  async function deploy(configure: (depot: DepotManager) => void): Promise<void> {
    depot = new DepotManager();
    configure(depot);
    await depot.check();
    const app = express();
    app.use(depot.middleware());
    app.post('/files', depot.upload().single('file'), (req, res) => {
      res.status(201).json(req.file?.depot);
    });
    app.use(depot.errorHandler());
    server = createServer(app).listen(0, '127.0.0.1');
    await once(server, 'listening');
  }

  const origin = () => `http://127.0.0.1:${(server.address() as AddressInfo).port}`;

  /** A user uploads a file and keeps its URL. */
  async function upload(content: string): Promise<FileInfo> {
    const name = `žluť ${uploads.length + 1}.txt`;
    const body = new FormData();
    body.append('file', new File([content], name, { type: 'text/plain' }));
    const answer = await fetch(`${origin()}/files`, { method: 'POST', body });
    expect(answer.status).toBe(201);
    const info = (await answer.json()) as FileInfo;
    uploads.push({ info, name, content });
    return info;
  }

  /** Every URL and every path that was ever given out gives what was uploaded; some by way of a redirect. */
  async function expectAllUploads(): Promise<void> {
    for (const { info, name, content } of uploads) {
      const answer = await fetch(origin() + info.url);
      expect([answer.status, await answer.text()]).toEqual([200, content]);
      expect(answer.headers.get('content-type')).toMatch(/^text\/plain/);
      expect(answer.headers.get('content-disposition')).toContain(encodeURIComponent(name));
      const { status, url } = await fetch(origin() + info.url, { method: 'HEAD', redirect: 'manual' });
      expect([200, 302]).toContain(status);
      expect(url).toBe(origin() + info.url);
      const file = await depot.getFile(info.path);
      expect(file).toMatchObject({ filename: name, contentType: info.contentType, sha256: info.sha256 });
      expect(await file.text()).toBe(content);
      expect(await depot.info(info.path)).toMatchObject({ id: info.id, size: info.size });
    }
  }

  const redirected = async ({ url }: FileInfo) =>
    (await fetch(origin() + url, { redirect: 'manual' })).headers.get('location');

  test('it begins on a disk', async () => {
    await deploy((manager) => manager.configure('uploads', { backend: 'local', storagePath }));
    const info = await upload('from the first year');
    expect(info).toMatchObject({ storage: 'uploads', path: `uploads/${info.id}` });
    expect(await redirected(info)).toBeNull();
    await expectAllUploads();
  });

  test('new files go to S3, old ones stay', async () => {
    await deploy((manager) => {
      manager.configure('uploads', { backend: 'local', storagePath });
      manager.configure('photos', { backend: 's3', ...photos });
      manager.setDefault('photos');
    });
    const info = await upload('from the second year');
    expect(info.storage).toBe('photos');
    expect(await redirected(info)).toContain(s3.endpoint);
    await expectAllUploads();
  });

  test('the disk is copied to Google while both are there', async () => {
    await deploy((manager) => {
      manager.configure('archive', { backend: 'gcs', ...archive });
      manager.configure('uploads', { backend: 'local', storagePath });
      manager.configure('photos', { backend: 's3', ...photos });
    });
    for await (const id of depot.get('uploads').list()) {
      const file = await depot.get('uploads').get(id);
      const { filename, contentType, metadata } = file;
      await depot.get('archive').create(file, { id, filename, contentType, metadata });
    }
    const info = await upload('from the third year');
    expect(info.storage).toBe('archive');
    await expectAllUploads();
  });

  test('the disk is gone: its name stands for what has its files now', async () => {
    await removeFolder(storagePath);
    await deploy((manager) => {
      manager.configure('archive', { backend: 'gcs', ...archive });
      manager.configure('photos', { backend: 's3', ...photos });
      manager.alias('uploads', 'archive');
    });
    await upload('from the fourth year');
    expect(uploads.map(({ info }) => info.storage)).toEqual(['uploads', 'photos', 'archive', 'archive']);
    await expectAllUploads();
    expect(await Promise.all(uploads.map(({ info }) => redirected(info)))).toEqual([
      expect.stringContaining(gcs.endpoint),
      expect.stringContaining(s3.endpoint),
      expect.stringContaining(gcs.endpoint),
      expect.stringContaining(gcs.endpoint),
    ]);
  });

  test('an old path can be written to as well', async () => {
    await deploy((manager) => {
      manager.configure('archive', { backend: 'gcs', ...archive });
      manager.configure('photos', { backend: 's3', ...photos });
      manager.alias('uploads', 'archive');
    });
    const [oldest] = uploads;
    if (!oldest) throw new Error('Nothing was uploaded');
    await depot.replace(oldest.info.path, 'rewritten');
    const answer = await fetch(origin() + oldest.info.url);
    expect(await answer.text()).toBe('rewritten');
    await depot.delete(oldest.info.path);
    expect((await fetch(origin() + oldest.info.url)).status).toBe(404);
  });
});
