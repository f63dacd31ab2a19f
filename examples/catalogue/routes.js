// @ts-check
// The catalogue's page, and the JSON API behind it, over whatever keeps the products.

import { fileURLToPath } from 'node:url';
import bytes from 'bytes';
import express from 'express';
import { DepotError, isDepotError } from 'filedepot';
import multer from 'multer';
import { maxFileSize, PHOTO_TYPES } from './fields.js';
import { FILE_FIELDS, toJson, valuesOf } from './products.js';

const PAGE_SIZE = 24;

/** Of an attachment, new content is a new file: what is at a URL never changes. */
const FOREVER = 'public, max-age=31536000, immutable';

const SECURITY_HEADERS = {
  'Content-Security-Policy':
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob: data:; connect-src 'self'; " +
    "form-action 'none'; base-uri 'none'; frame-ancestors 'none'",
  'X-Content-Type-Options': 'nosniff',
};

/**
 * @param {import('filedepot').DepotManager} depot
 * @param {import('./products.js').ProductRepository} products
 */
export function createApp(depot, products) {
  const limits = { fileSize: bytes.parse(maxFileSize) ?? 0, files: FILE_FIELDS.length, fields: 10 };
  // In memory: nothing is on a disk that would have to go if the product is not saved.
  const form = multer({ storage: multer.memoryStorage(), limits, defParamCharset: 'utf8' });
  const readForm = form.fields(FILE_FIELDS.map((name) => ({ name, maxCount: 1 })));

  const app = express().disable('x-powered-by');
  app.use(refuseOtherSites);
  app.use(depot.middleware({ cacheControl: FOREVER }));
  app.use((_req, res, next) => {
    res.set(SECURITY_HEADERS);
    next();
  });
  app.use(express.static(fileURLToPath(new URL('public', import.meta.url))));

  app.get('/config', (_req, res) => {
    res.json({ maxFileSize: limits.fileSize, photoTypes: PHOTO_TYPES });
  });

  app
    .route('/products')
    .get(async (req, res) => {
      const { before } = req.query;
      const page = { ...(typeof before === 'string' && { before }), limit: PAGE_SIZE + 1 };
      const found = await products.list(page);
      const shown = found.slice(0, PAGE_SIZE);
      const next = found.length > PAGE_SIZE ? String(shown.at(-1)?.id) : null;
      res.json({ products: shown.map(toJson), next });
    })
    .post(readForm, async (req, res) => {
      const product = toJson(await products.create(valuesOf(req)));
      res.status(201).location(`/products/${product.id}`).json(product);
    });

  app
    .route('/products/:id')
    .put(readForm, async (req, res) => {
      res.json(toJson(existing(await products.update(String(req.params.id), valuesOf(req)))));
    })
    .delete(async (req, res) => {
      await products.remove(req.params.id);
      res.status(204).end();
    });

  app.use(hideUnforeseen, depot.errorHandler({ onError: logFailure }));
  return app;
}

/**
 * @param {import('./products.js').Product | null | undefined} product
 * @returns {import('./products.js').Product}
 */
function existing(product) {
  if (product) return product;
  throw Object.assign(new Error('There is no such product any more'), { status: 404, expose: true });
}

/**
 * Browsers say where a request comes from (https://www.w3.org/TR/fetch-metadata/): other sites may not write here.
 * @type {express.RequestHandler}
 */
function refuseOtherSites(req, _res, next) {
  const isForeign = ['cross-site', 'same-site'].includes(req.get('Sec-Fetch-Site') ?? '');
  const isRead = req.method === 'GET' || req.method === 'HEAD';
  return next(
    isForeign && !isRead ? new DepotError('FORBIDDEN', 'Another site may not change products') : undefined,
  );
}

/**
 * What nobody foresaw is for the log, and not for clients.
 * @type {express.ErrorRequestHandler}
 */
function hideUnforeseen(error, _req, _res, next) {
  const isKnown = error instanceof multer.MulterError || error.status < 500 || isDepotError(error);
  return next(
    isKnown ? error : Object.assign(new Error('Internal error', { cause: error }), { status: 500 }),
  );
}

/**
 * @param {unknown} error
 * @param {import('node:http').IncomingMessage} req
 */
function logFailure(error, req) {
  console.error(req.method, req.url, error);
}
