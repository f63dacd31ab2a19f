import type { IncomingMessage } from 'node:http';
import { parse } from 'content-disposition';
import { DepotError } from '../errors.js';

/**
 * Refuses a body of which nothing is left: a fault of the application, not of the client.
 * @throws DepotError `INVALID_CONTENT`
 */
export function assertUnread(req: IncomingMessage): void {
  if (req.readableEnded)
    throw new DepotError(
      'INVALID_CONTENT',
      'The body was already read by a handler before, such as express.json() or multer',
    );
}

/**
 * Refuses a body that says of itself that it is too large, before it is read (RFC 9110 section 8.6).
 * @throws DepotError `FILE_TOO_LARGE`
 */
export function assertContentLength(req: IncomingMessage, maxBytes: number): void {
  if (Number(req.headers['content-length']) > maxBytes) {
    throw new DepotError('FILE_TOO_LARGE', `The request is larger than ${maxBytes} bytes`);
  }
}

/**
 * Refuses a body that is not the file as it is: stored as it comes, it would be another one.
 * @throws DepotError `PARTIAL_UPLOAD` (RFC 9110 section 14.5), `CONTENT_CODING_NOT_ACCEPTED` (section 8.4, and RFC 9112
 *   section 7 for what compresses a body on its way)
 */
export function assertWholeBody({ headers }: IncomingMessage): void {
  if (headers['content-range'] !== undefined) throw new DepotError('PARTIAL_UPLOAD');
  assertCoding('Content-Encoding', headers['content-encoding'], 'identity');
  assertCoding('Transfer-Encoding', headers['transfer-encoding'], 'chunked');
}

function assertCoding(header: string, coding: string | undefined, accepted: string): void {
  if (coding === undefined || coding.trim().toLowerCase() === accepted) return;
  throw new DepotError('CONTENT_CODING_NOT_ACCEPTED', `${header}: ${coding} is not accepted`);
}

/** The name in `Content-Disposition` (RFC 6266 section 4.3), if there is one; a malformed header has none. */
export function dispositionFileName({ headers }: IncomingMessage): string | undefined {
  const header = headers['content-disposition'];
  if (header === undefined) return undefined;
  try {
    return parse(header).parameters.filename;
  } catch {
    return undefined;
  }
}
