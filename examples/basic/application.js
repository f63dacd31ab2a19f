// @ts-check
// Files of an application: a page where people add, fetch, replace and delete them, and the JSON API behind it.
// Where the files are is for others to say: ./server.js, and ../cloud/server.js.

import { once } from 'node:events';
import { createServer } from 'node:http';
import { isIPv6 } from 'node:net';
import { fileURLToPath } from 'node:url';
import bytes from 'bytes';
import express from 'express';
import { DepotError, DepotManager, isDepotError } from 'filedepot';

const { PORT = '3000', HOST = '127.0.0.1', MAX_FILE_SIZE = '100mb', ACCEPT = '' } = process.env;

const PAGE_SIZE = 50;
const MAX_PAGE_SIZE = 200;
const UPLOAD_MILLISECONDS = 30 * 60_000;
const SHUTDOWN_MILLISECONDS = 10_000;

const depot = new DepotManager();

/**
 * @typedef {object} Settings
 * @property {string} url of the storage
 * @property {string} [imageSources] where images may come from besides this server, as CSP has it (`img-src`)
 */

/** @param {Settings} settings */
function createApp({ imageSources = '' }) {
  const accept = ACCEPT.split(',').flatMap((type) => type.trim() || []);
  const rules = { accept: accept.length > 0 ? accept : undefined, limits: { fileSize: MAX_FILE_SIZE } };
  const upload = depot.upload({ ...rules, required: true });

  const app = express().disable('x-powered-by');
  app.use(refuseOtherSites);
  app.use(depot.middleware());
  app.use((_req, res, next) => {
    res.set(securityHeaders(imageSources));
    next();
  });
  app.use(express.static(fileURLToPath(new URL('public', import.meta.url))));

  app.get('/config', (_req, res) => {
    res.json({ maxFileSize: bytes.parse(MAX_FILE_SIZE), accept });
  });

  app.get('/files', async (req, res) => {
    res.json(await listFiles(req.query));
  });

  app.post('/files', upload.array('file'), (req, res) => {
    const files = /** @type {Express.Multer.File[]} */ (req.files);
    res.status(201).json({ files: files.map((file) => file.depot) });
  });

  app.put('/files/:name', async (req, res) => {
    const info = await depot.receive(req, { ...rules, filename: req.params.name });
    res.status(201).location(`/files/${info.path}`).json(info);
  });

  app
    .route('/files/:storage/:id')
    .get(async (req, res) => {
      res.json(await depot.info(pathOf(req.params)));
    })
    .put(async (req, res) => {
      const { filename } = req.query;
      const named = typeof filename === 'string' ? { filename } : {};
      res.json(await depot.receive(req, { ...rules, ...named, replace: pathOf(req.params) }));
    })
    .delete(async (req, res) => {
      await depot.delete(pathOf(req.params));
      res.status(204).end();
    });

  app.use(depot.errorHandler({ onError: logFailure }));
  return app;
}

/** @param {string} imageSources */
const securityHeaders = (imageSources) => ({
  'Content-Security-Policy':
    `default-src 'none'; script-src 'self'; style-src 'self'; img-src ${`'self' ${imageSources}`.trim()}; ` +
    "connect-src 'self'; form-action 'none'; base-uri 'none'; frame-ancestors 'none'",
  'X-Content-Type-Options': 'nosniff',
});

/** @param {{ storage: string, id: string }} params */
const pathOf = ({ storage, id }) => `${storage}/${id}`;

/**
 * A page of the default storage's files, in the order of their ids: it needs no index, however many there are.
 * @param {express.Request['query']} query `after`: the last id of the page before; `limit`
 */
async function listFiles({ after = '', limit }) {
  const size = Math.min(Math.max(Math.trunc(Number(limit)) || PAGE_SIZE, 1), MAX_PAGE_SIZE);
  const storage = depot.getDefault();
  const ids = [];
  for await (const id of depot.get(storage).list({ after: String(after) })) {
    ids.push(id);
    if (ids.length > size) break;
  }
  const shown = ids.slice(0, size);
  const infos = await Promise.all(shown.map((id) => depot.info(pathOf({ storage, id })).catch(unlessGone)));
  return { files: infos.filter((info) => info !== undefined), next: ids.length > size ? shown.at(-1) : null };
}

/**
 * A file may be deleted while it is listed.
 * @param {unknown} error
 */
function unlessGone(error) {
  if (!isDepotError(error, 'FILE_NOT_FOUND')) throw error;
}

/**
 * Browsers say where a request comes from (https://www.w3.org/TR/fetch-metadata/): other sites may not write here.
 * @type {express.RequestHandler}
 */
function refuseOtherSites(req, _res, next) {
  const isForeign = ['cross-site', 'same-site'].includes(req.get('Sec-Fetch-Site') ?? '');
  const isRead = req.method === 'GET' || req.method === 'HEAD';
  return next(
    isForeign && !isRead ? new DepotError('FORBIDDEN', 'Another site may not change files') : undefined,
  );
}

/**
 * @param {unknown} error
 * @param {import('node:http').IncomingMessage} req
 */
function logFailure(error, req) {
  console.error(req.method, req.url, error);
}

/** @param {Settings} settings */
async function listen(settings) {
  depot.configure('default', settings.url);
  await depot.check();
  const server = createServer({ requestTimeout: UPLOAD_MILLISECONDS }, createApp(settings));
  server.listen(Number(PORT), HOST);
  await once(server, 'listening');
  for (const signal of ['SIGTERM', 'SIGINT']) process.once(signal, () => stop(server));
  const { port } = /** @type {import('node:net').AddressInfo} */ (server.address());
  console.log(`Listening on http://${isIPv6(HOST) ? `[${HOST}]` : HOST}:${port}`);
}

/**
 * Lets what is under way finish, for a while; connections that clients keep open for later are closed.
 * @param {import('node:http').Server} server
 */
function stop(server) {
  const closing = setInterval(() => server.closeIdleConnections(), 100);
  setTimeout(() => server.closeAllConnections(), SHUTDOWN_MILLISECONDS).unref();
  server.close(() => {
    clearInterval(closing);
    depot.close();
  });
}

/**
 * Listens, or says why it cannot.
 * @param {Settings} settings
 */
export async function start(settings) {
  try {
    await listen(settings);
  } catch (error) {
    console.error(`Cannot start: ${error instanceof Error ? error.message : error}`);
    process.exitCode = 1;
  }
}
