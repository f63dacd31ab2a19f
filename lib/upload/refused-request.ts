import type { IncomingMessage, ServerResponse } from 'node:http';
import { isDepotError } from '../errors.js';

/** How much of a refused request is read after its answer: many clients do not listen before they have sent all. */
export const MAX_REST_BYTES = 256 * 1024 * 1024;

/** How long (milliseconds) it is read. */
export const MAX_REST_TIME = 30_000;

/** How long (milliseconds) a client that was too slow has to take its answer. */
export const SLOW_CLIENT_TIME = 5_000;

/**
 * Takes care of what is left of a request that is refused before it was read: a connection that is closed while the
 * client still sends is reset, and the answer is lost with it. So the rest is read and dropped, up to a limit.
 * Resolves when the request can be answered.
 * @param res the answer to be, where it is known
 */
export async function settleRest(
  req: IncomingMessage,
  res: ServerResponse | undefined,
  error: unknown,
): Promise<void> {
  req.resume();
  if (req.complete || req.socket.destroyed) return;
  if (isDepotError(error, 'UPLOAD_TIMEOUT')) {
    if (res && !res.headersSent) res.setHeader('Connection', 'close');
    closeUnlessRead(req, SLOW_CLIENT_TIME);
  } else if (isClosedByAnswer(req)) {
    await readRest(req, MAX_REST_TIME);
  } else {
    onceAnswered(res, () => closeUnlessRead(req, MAX_REST_TIME));
  }
}

/** Node closes the connection together with the answer if the client wants it closed (RFC 9112 section 9.6). */
function isClosedByAnswer({ headers, httpVersion }: IncomingMessage): boolean {
  const wish = headers.connection ?? (httpVersion === '1.0' ? 'close' : '');
  return /(?:^|,)\s*close\s*(?:,|$)/i.test(wish);
}

/** An application may take its time; Express' own last handler reads the whole request before it answers. */
function onceAnswered(res: ServerResponse | undefined, act: () => void): void {
  if (!res || res.writableFinished) act();
  else res.once('finish', act);
}

function closeUnlessRead(req: IncomingMessage, time: number): void {
  readRest(req, time).then((isRead) => {
    if (!isRead) req.socket.destroy();
  });
}

/** Reads and drops what is left. Resolves to whether that was all, or the client has left. */
function readRest(req: IncomingMessage, time: number): Promise<boolean> {
  if (req.complete || req.destroyed) return Promise.resolve(true);
  return new Promise((resolve) => {
    let bytesLeft = MAX_REST_BYTES;
    const finish = (isRead: boolean) => {
      clearTimeout(timer);
      req.off('data', onData).off('end', onEnd).off('close', onEnd);
      resolve(isRead);
    };
    const onEnd = () => finish(true);
    const onData = (chunk: Buffer) => {
      bytesLeft -= chunk.byteLength;
      if (bytesLeft < 0) finish(false);
    };
    const timer = setTimeout(finish, time, false).unref();
    req.on('data', onData).on('end', onEnd).on('close', onEnd);
  });
}
