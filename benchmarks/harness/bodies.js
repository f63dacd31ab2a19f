// @ts-check
import { randomFillSync } from 'node:crypto';

/** Larger contents repeat a block of this size. */
const BLOCK_SIZE = 256 * 1024 * 1024;

/** Bytes of one write of the load generator; see README.md for why. */
const WRITE_SIZE = Number(process.env.BENCHMARK_WRITE_SIZE ?? 64 * 1024);

/** As long as those of Chrome (40 characters), and never part of random data. */
const BOUNDARY = '------WebKitFormBoundary7MA4YWxkTrZu0gWq';

/** @type {Buffer | undefined} */
let randomBlock;

/** The random bytes of a content, in pieces of one write. @param {number} size @returns {Buffer[]} */
export function contentPieces(size) {
  const pieces = [];
  for (let position = 0; position < size; position += WRITE_SIZE) {
    const start = position % BLOCK_SIZE;
    pieces.push(block(size).subarray(start, start + Math.min(WRITE_SIZE, size - position)));
  }
  return pieces;
}

/** @param {number} size */
function block(size) {
  const needed = Math.min(size, BLOCK_SIZE);
  if (!randomBlock || randomBlock.byteLength < needed) randomBlock = randomFillSync(Buffer.alloc(needed));
  return randomBlock;
}

/**
 * The bytes of a request.
 * @param {import('./types.js').RequestPlan} plan
 * @param {Record<string, string>} [fields] further header fields
 * @returns {Buffer[]}
 */
export function requestPieces(plan, fields = {}) {
  const body = plan.bodySize === undefined ? [] : bodyPieces(plan.bodySize, plan.form ?? false);
  const header = Buffer.from(headerText(plan, fields, byteLength(body)));
  const pieces = [header, ...body];
  return byteLength(pieces) <= 2 * WRITE_SIZE ? [Buffer.concat(pieces)] : pieces;
}

/** @param {number} size @param {boolean} form */
function bodyPieces(size, form) {
  const content = contentPieces(size);
  if (!form) return content;
  const disposition = 'Content-Disposition: form-data; name="file"; filename="holiday.bin"';
  const head = `--${BOUNDARY}\r\n${disposition}\r\nContent-Type: application/octet-stream\r\n\r\n`;
  return [Buffer.from(head), ...content, Buffer.from(`\r\n--${BOUNDARY}--\r\n`)];
}

/**
 * @param {import('./types.js').RequestPlan} plan
 * @param {Record<string, string>} fields
 * @param {number} bodySize
 */
function headerText(plan, fields, bodySize) {
  const all = {
    Host: 'localhost',
    Connection: 'keep-alive',
    Accept: '*/*',
    ...bodyFields(plan, bodySize),
    ...fields,
  };
  const lines = Object.entries(all).map(([name, value]) => `${name}: ${value}\r\n`);
  return `${plan.method} ${plan.path} HTTP/1.1\r\n${lines.join('')}\r\n`;
}

/** @param {import('./types.js').RequestPlan} plan @param {number} bodySize */
function bodyFields(plan, bodySize) {
  if (plan.bodySize === undefined) return plan.range ? { Range: plan.range } : {};
  const type = plan.form ? `multipart/form-data; boundary=${BOUNDARY}` : 'application/octet-stream';
  return { 'Content-Type': type, 'Content-Length': String(bodySize) };
}

/** @param {readonly Buffer[]} pieces */
function byteLength(pieces) {
  return pieces.reduce((sum, piece) => sum + piece.byteLength, 0);
}
