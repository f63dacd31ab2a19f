import { IncomingMessage } from 'node:http';
import { Http2ServerRequest } from 'node:http2';
import { DepotError } from '../errors.js';

/** Whether this is a request to a server of this process, which has to be answered, and not the answer of another server. */
export function isRequest(stream: unknown): boolean {
  if (stream instanceof IncomingMessage) return stream.statusCode === null;
  return stream instanceof Http2ServerRequest;
}

/** Whether a client has cancelled a request: over HTTP/2, what it has sent until then ends like a whole body. */
export function isCancelled(stream: unknown): boolean {
  return stream instanceof Http2ServerRequest && stream.aborted;
}

/**
 * Refuses a body that has ended because it was cancelled. Some clients end it as well (Node's), and say so in the same
 * breath, which is seen a turn of the event loop later.
 * @throws DepotError `UPLOAD_ABORTED`
 */
export async function assertNotCancelled(request: unknown): Promise<void> {
  if (request instanceof Http2ServerRequest) await new Promise(setImmediate);
  if (isCancelled(request)) throw new DepotError('UPLOAD_ABORTED', 'The client has cancelled the request');
}
