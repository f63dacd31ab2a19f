// @ts-check

import { randomUUID } from 'node:crypto';
import { createWriteStream, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import express from 'express';

/** @typedef {{ fsync?: boolean }} Settings */

/** multer's own disk storage: what most Express applications have. @param {string} folder @param {Settings} settings */
export async function multer(folder, { fsync = false }) {
  const { default: multer } = await import('multer');
  const storage = multer.diskStorage({ destination: folder, ...(fsync && { flush: true }) });
  const app = express();
  app.post('/files', multer({ storage }).single('file'), (req, res) => {
    res.status(201).json({ filename: req.file?.filename, size: req.file?.size });
  });
  return app;
}

/** Both ways into a depot: a multipart form, and a raw body. @param {string} folder @param {Settings} settings */
export async function filedepot(folder, { fsync = false }) {
  const { DepotManager } = await import('./filedepot.js');
  const depot = new DepotManager();
  const durability = fsync ? 'fsync' : 'rename';
  depot.configure('files', { backend: 'local', storagePath: folder, durability });
  const app = express();
  app.post('/files', depot.upload().single('file'), (req, res) => {
    res.status(201).json(/** @type {any} */ (req.file).depot);
  });
  app.put('/files', async (req, res) => {
    res.status(201).json(await depot.receive(req, { filename: 'holiday.bin' }));
  });
  return app;
}

/** busboy and a write stream, as its README has it. @param {string} folder */
export async function busboy(folder) {
  const { default: busboy } = await import('busboy');
  mkdirSync(folder, { recursive: true });
  const app = express();
  app.post('/files', (req, res) => {
    const form = busboy({ headers: req.headers });
    /** @type {Promise<void>[]} */
    const writes = [];
    form.on('file', (_name, stream) => {
      writes.push(pipeline(stream, createWriteStream(join(folder, randomUUID()))));
    });
    form.on('close', async () => {
      await Promise.all(writes);
      res.status(201).json({ files: writes.length });
    });
    req.pipe(form);
  });
  return app;
}

/** formidable with its own disk storage. @param {string} folder */
export async function formidable(folder) {
  const { default: formidable } = await import('formidable');
  mkdirSync(folder, { recursive: true });
  const app = express();
  app.post('/files', async (req, res) => {
    const form = formidable({ uploadDir: folder, maxFileSize: Number.MAX_SAFE_INTEGER });
    const [, files] = await form.parse(req);
    res.status(201).json({ size: files.file?.[0]?.size });
  });
  return app;
}
