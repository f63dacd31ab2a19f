// @ts-check
import { randomUUID } from 'node:crypto';
import { pipeline } from 'node:stream/promises';
import express from 'express';
import multer from 'multer';

/** @typedef {import('../harness/storage-servers.js').S3Address} S3Address */
/** @typedef {S3Address & { bucket: string, key?: string }} S3Settings */
/** @typedef {{ url: string, database: string, id?: string }} MongoSettings */

/**
 * The SDK's client, without the checksums that it adds of its own accord: filedepot leaves them out, too.
 * @param {S3Settings} settings
 */
async function s3Client({ endpoint, region, credentials }) {
  const { S3Client } = await import('@aws-sdk/client-s3');
  return new S3Client({
    endpoint,
    region,
    credentials,
    forcePathStyle: true,
    requestChecksumCalculation: 'WHEN_REQUIRED',
    responseChecksumValidation: 'WHEN_REQUIRED',
  });
}

/** As its README has it. @param {string} _folder @param {S3Settings} settings */
export async function multerS3(_folder, settings) {
  const { default: multerS3 } = await import('multer-s3');
  const storage = multerS3({
    s3: await s3Client(settings),
    bucket: settings.bucket,
    key: (_req, _file, callback) => callback(null, randomUUID()),
  });
  return uploading(multer({ storage }).single('file'));
}

/** @param {string} _folder @param {S3Settings} settings */
export async function depotS3(_folder, settings) {
  const depot = await s3Depot(settings);
  return uploading(/** @type {any} */ (depot.upload().single('file')));
}

/** @param {express.RequestHandler} upload */
function uploading(upload) {
  const app = express();
  app.post('/files', upload, (req, res) => {
    res.status(201).json({ size: req.file?.size });
  });
  return app;
}

/** A URL is signed for each request. @param {string} _folder @param {S3Settings} settings */
export async function signEach(_folder, settings) {
  const { GetObjectCommand } = await import('@aws-sdk/client-s3');
  const { getSignedUrl } = await import('@aws-sdk/s3-request-presigner');
  const client = await s3Client(settings);
  const app = express();
  app.get('/files/:id', async (req, res) => {
    const command = new GetObjectCommand({ Bucket: settings.bucket, Key: req.params.id });
    res.redirect(await getSignedUrl(client, command, { expiresIn: 3600 }));
  });
  return app;
}

/** @param {string} _folder @param {S3Settings} settings */
export async function depotRedirects(_folder, settings) {
  const depot = await s3Depot(settings);
  return express().use(depot.middleware());
}

/** @param {string} _folder @param {S3Settings} settings */
export async function pipeS3(_folder, settings) {
  const { GetObjectCommand } = await import('@aws-sdk/client-s3');
  const client = await s3Client(settings);
  const app = express();
  app.get('/files/:id', async (req, res) => {
    const command = new GetObjectCommand({ Bucket: settings.bucket, Key: req.params.id });
    const { Body, ContentLength } = await client.send(command);
    res.set('Content-Length', String(ContentLength));
    await pipeline(/** @type {import('node:stream').Readable} */ (Body), res);
  });
  return app;
}

/** @param {string} _folder @param {S3Settings} settings */
export async function depotStreamsS3(_folder, settings) {
  const depot = await s3Depot(settings, 'stream');
  return express().use(depot.middleware());
}

/** @param {S3Settings} settings @param {'auto' | 'stream'} [serve] */
export async function s3Depot({ endpoint, region, credentials, bucket }, serve = 'auto') {
  const { DepotManager } = await import('./filedepot.js');
  const depot = new DepotManager();
  depot.configure('files', { backend: 's3', endpoint, region, credentials, bucket, serve });
  return depot;
}

/** As its README has it; it brings an older driver. @param {string} _folder @param {MongoSettings} settings */
export async function multerGridFS(_folder, settings) {
  const { GridFsStorage } = await import('multer-gridfs-storage');
  const url = databaseUrl(settings);
  const storage = new GridFsStorage({ url, file: () => ({ bucketName: 'files', filename: randomUUID() }) });
  await storage.ready();
  return uploading(multer({ storage: /** @type {any} */ (storage) }).single('file'));
}

/** @param {string} _folder @param {MongoSettings} settings */
export async function depotGridFS(_folder, settings) {
  const depot = await gridFSDepot(settings);
  await depot.check();
  return uploading(/** @type {any} */ (depot.upload().single('file')));
}

/** @param {string} _folder @param {MongoSettings} settings */
export async function pipeGridFS(_folder, settings) {
  const { GridFSBucket, MongoClient, ObjectId } = await import('mongodb');
  const client = new MongoClient(databaseUrl(settings));
  const bucket = new GridFSBucket(client.db(), { bucketName: 'files' });
  const app = express();
  app.get('/files/:id', async (req, res) => {
    const stream = bucket.openDownloadStream(new ObjectId(req.params.id));
    stream.once('file', ({ length }) => res.set('Content-Length', String(length)));
    await pipeline(stream, res);
  });
  return app;
}

/** @param {string} _folder @param {MongoSettings} settings */
export async function depotStreamsGridFS(_folder, settings) {
  const depot = await gridFSDepot(settings);
  return express().use(depot.middleware());
}

/** @param {MongoSettings} settings */
export async function gridFSDepot(settings) {
  const { DepotManager } = await import('./filedepot.js');
  const depot = new DepotManager();
  depot.configure('files', { backend: 'gridfs', uri: databaseUrl(settings), collection: 'files' });
  return depot;
}

/** @param {MongoSettings} settings */
function databaseUrl({ url, database }) {
  const full = new URL(url);
  full.pathname = database;
  return full.href;
}
