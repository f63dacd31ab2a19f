// @ts-check
// Products: what a database keeps of them, what a form says of them, and what a browser is told.

import { attach } from 'filedepot';

/** @typedef {import('filedepot').Attachment} Attachment */

/**
 * A product as the database gives it.
 * @typedef {object} Product
 * @property {unknown} id its text orders products by their age
 * @property {string} name
 * @property {string} description
 * @property {number} price cents
 * @property {Attachment | null} [photo]
 * @property {Attachment | null} [sheet] a data sheet
 */

/**
 * What a form says. A file that is left out stays as it is; null removes it.
 * @typedef {object} ProductValues
 * @property {string} name
 * @property {string} description
 * @property {number} price cents
 * @property {Attachment | null} [photo]
 * @property {Attachment | null} [sheet]
 */

/**
 * All that the routes want of a database. An id that cannot be one is that of no product.
 * @typedef {object} ProductRepository
 * @property {(page: { before?: string, limit: number }) => Promise<Product[]>} list the newest first: those older than
 *   the product with the id `before`, `limit` at most
 * @property {(values: ProductValues) => Promise<Product>} create
 * @property {(id: string, values: ProductValues) => Promise<Product | null | undefined>} update nothing where there is none
 * @property {(id: string) => Promise<unknown>} remove
 * @property {() => Promise<void>} close
 */

/** @typedef {'photo' | 'sheet'} FileField */

/** @type {FileField[]} */
export const FILE_FIELDS = ['photo', 'sheet'];

const MAX_NAME = 100;
const MAX_DESCRIPTION = 1000;
const PRICE = /^(\d{1,7})(?:[.,](\d{1,2}))?$/;

/**
 * What a form says of a product, checked. Its files are stored when the product is saved, and not before.
 * @param {import('express').Request} req with what multer has read
 * @returns {ProductValues}
 */
export function valuesOf(req) {
  const { name, description, price } = textsOf(req.body);
  if (name === '' || name.length > MAX_NAME) throw refusal(`A name has 1 to ${MAX_NAME} characters`);
  if (description.length > MAX_DESCRIPTION)
    throw refusal(`A description has at most ${MAX_DESCRIPTION} characters`);
  return { name, description, price: centsOf(price), ...filesOf(req) };
}

/** @param {Record<string, unknown>} [body] */
function textsOf(body = {}) {
  // Forms have CR LF for line breaks (https://html.spec.whatwg.org/#constructing-the-form-data-set).
  const textOf = (/** @type {unknown} */ value) =>
    typeof value === 'string' ? value.replaceAll('\r\n', '\n').trim() : '';
  return { name: textOf(body.name), description: textOf(body.description), price: textOf(body.price) };
}

/** @param {string} price such as `12.50` */
function centsOf(price) {
  const [, whole, part = ''] = PRICE.exec(price) ?? [];
  if (whole === undefined) throw refusal('A price is a number such as 12.50');
  return Number(whole) * 100 + Number(part.padEnd(2, '0'));
}

/**
 * @param {import('express').Request} req
 * @returns {Partial<Record<FileField, Attachment | null>>}
 */
function filesOf({ body, files }) {
  const uploads = /** @type {Record<string, Express.Multer.File[]>} */ (files ?? {});
  const removed = [body?.remove].flat().filter((name) => FILE_FIELDS.includes(name));
  const added = Object.entries(uploads).flatMap(([name, [upload]]) =>
    upload ? [[name, attach(upload)]] : [],
  );
  return Object.fromEntries([...removed.map((name) => [name, null]), ...added]);
}

/**
 * An error whose message is for the client.
 * @param {string} message
 */
function refusal(message) {
  return Object.assign(new Error(message), { status: 400, expose: true });
}

/**
 * What a browser is told of a product.
 * @param {Product} product
 */
export function toJson({ id, name, description, price, photo, sheet }) {
  return {
    ...{ id: String(id), name, description, price },
    photo: photo ? photoOf(photo) : null,
    sheet: sheet ? fileOf(sheet) : null,
  };
}

/** @param {Attachment} attachment */
function fileOf(attachment) {
  const { filename, contentType, size } = attachment;
  return { url: attachment.url(), filename, contentType, size };
}

/** @param {Attachment} photo */
function photoOf(photo) {
  const details = photo.derivative('thumb');
  const thumb = { url: photo.thumbUrl(), width: details?.width, height: details?.height };
  return { ...fileOf(photo), thumb, placeholder: photo.metadata.placeholder };
}
