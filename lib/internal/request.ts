import { IncomingMessage } from 'node:http';
import { Http2ServerRequest } from 'node:http2';

/** Whether this is a request to a server of this process, which has to be answered, and not the answer of another server. */
export function isRequest(stream: unknown): boolean {
  if (stream instanceof IncomingMessage) return stream.statusCode === null;
  return stream instanceof Http2ServerRequest;
}

/**
 * Whether a client has cancelled a request before its body was whole: over HTTP/2, what it has sent until then ends as a whole
 * body does. What it cancels after the end of the body (END_STREAM, RFC 9113 section 8.1) was whole.
 */
export function isCancelled(stream: unknown): boolean {
  return stream instanceof Http2ServerRequest && stream.aborted;
}
