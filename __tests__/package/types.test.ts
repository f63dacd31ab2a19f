import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { ConsumerProject } from '../support/consumer-project.js';

const STRICT = { strict: true, exactOptionalPropertyTypes: true, noUncheckedIndexedAccess: true };

const APPLICATION = `
import express, { type ErrorRequestHandler } from 'express';
import { createServer } from 'node:http';
import { DepotError, DepotManager, LocalStorage, MemoryStorage, isDepotError, type FileInfo } from 'filedepot';

const depot = new DepotManager();
depot.configure('default', { backend: 'local', storagePath: './uploads', durability: 'rename' });
depot.configure('memory', { backend: 'memory' });
depot.configure('own', new MemoryStorage());
depot.configure('url', 'file:./var/files');
depot.get('own') satisfies import('filedepot').FileStorage;

const app = express();
app.use(depot.middleware({ mountpoint: '/files' }));
app.use('/below', depot.middleware());
app.post('/photo', depot.upload({ accept: ['image/*'], limits: { fileSize: '10mb' } }).single('photo'), (req, res) => {
  const url: string | undefined = req.file?.depot.url;
  res.status(201).json({ url, file: req.file?.depot });
});
app.post('/photos', depot.upload().array('photos'), (req, res) => {
  const files: FileInfo[] = Array.isArray(req.files) ? req.files.map((file) => file.depot) : [];
  res.status(201).json(files);
});
app.put('/raw', async (req, res) => {
  const file: FileInfo = await depot.receive(req);
  res.status(201).json(file);
});
app.get('/sizes/:storage/:id', async (req, res) => {
  const manager: DepotManager = req.app.locals.depot;
  const file = await manager.getFile(req.params.storage + '/' + req.params.id);
  res.json({ size: file.size.toFixed(), name: file.filename.length });
});
app.use(depot.errorHandler());
app.use(((error, _req, _res, next) => next(isDepotError(error, 'FILE_NOT_FOUND') ? error.status : error)) satisfies ErrorRequestHandler);

createServer(depot.middleware());
new LocalStorage({ storagePath: './x' });
throw new DepotError('UPLOAD_REFUSED', 'no');
`;

const MISTAKES = `
import { DepotManager } from 'filedepot';
const depot = new DepotManager();
// @ts-expect-error: no such backend
depot.configure('a', { backend: 'tape' });
// @ts-expect-error: a folder is needed
depot.configure('a', { backend: 'local' });
// @ts-expect-error: an option of another backend
depot.configure('a', { backend: 'memory', storagePath: './x' });
// @ts-expect-error: no such word
depot.configure('a', { backend: 'local', storagePath: './x', durability: 'none' });
`;

const BY_REQUIRE = `
import express = require('express');
import { DepotManager } from 'filedepot';
import filedepot = require('filedepot');
const depot: DepotManager = new filedepot.DepotManager();
express().use(depot.middleware());
`;

const OWN_STORAGE = `
import { FileStorage, type ExpectedFile, type FileDetails, type FileOrId, type ListOptions, type OpenFile, type OpenOptions, type ReadOptions, type StagingArea, type StagingOptions } from 'filedepot';

export abstract class OwnStorage extends FileStorage {
  override open(file: FileOrId, options: OpenOptions = {}): Promise<OpenFile> {
    return super.open(file, options);
  }
  protected override openStaging({ expected }: StagingOptions): StagingArea {
    return this.startUpload(expected?.());
  }
  protected abstract startUpload(file: ExpectedFile | undefined): StagingArea;
  protected abstract override readDetails(id: string, options: ReadOptions): Promise<FileDetails>;
  protected abstract override listIds(options: ListOptions): AsyncIterable<string>;
}
`;

const CONFORMANCE = `import * as testing from 'filedepot/testing'; export default testing;`;

let project: ConsumerProject;
beforeAll(async () => {
  project = await ConsumerProject.create();
  await project.write('application.mts', APPLICATION);
  await project.write('mistakes.mts', MISTAKES);
  await project.write('by-require.cts', BY_REQUIRE);
  await project.write('own-storage.mts', OWN_STORAGE);
  await project.write('conformance.mts', CONFORMANCE);
}, 120_000);
afterAll(() => project.remove());

describe('types of the installed package', () => {
  test.each(['application.mts', 'mistakes.mts', 'by-require.cts', 'own-storage.mts', 'conformance.mts'])(
    '%s',
    async (file) => {
      expect(await project.typeErrors(STRICT, [file])).toBe('');
    },
  );

  test('mistakes are seen', async () => {
    await project.write(
      'wrong.mts',
      `import { DepotManager } from 'filedepot'; new DepotManager().configure(1);`,
    );
    expect(await project.typeErrors(STRICT, ['wrong.mts'])).toContain('wrong.mts(1,');
  });
});
