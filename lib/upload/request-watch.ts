import { EventEmitter } from 'node:events';
import type { IncomingMessage } from 'node:http';
import { Http2ServerRequest } from 'node:http2';
import type { Duplex } from 'node:stream';
import { DepotError } from '../errors.js';

/** Tells when a client has left, or takes too long. Must be stopped. */
export class RequestWatch {
  readonly #request: IncomingMessage;
  readonly #carrier: Duplex | IncomingMessage;
  readonly #onFailure: (error: DepotError) => void;
  readonly #timer: NodeJS.Timeout | undefined;

  /**
   * @param timeout milliseconds in which the request must have been read; 0 for no limit
   * @param onFailure called with `UPLOAD_ABORTED` or `UPLOAD_TIMEOUT`
   */
  constructor(request: IncomingMessage, timeout: number, onFailure: (error: DepotError) => void) {
    this.#request = request;
    this.#carrier = carrierOf(request);
    this.#onFailure = onFailure;
    this.#carrier.once('close', this.#onClose);
    if (this.#carrier.destroyed) this.#onClose();
    if (timeout > 0) this.#timer = setTimeout(this.#onTimeout, timeout, timeout);
  }

  /** The request was read: now only the client's leaving matters. */
  bodyRead(): void {
    clearTimeout(this.#timer);
  }

  stop(): void {
    this.bodyRead();
    this.#carrier.off('close', this.#onClose);
  }

  readonly #onClose = (): void => {
    // A request closes also when it was read.
    if (this.#carrier === this.#request && this.#request.readableEnded) return;
    this.#onFailure(new DepotError('UPLOAD_ABORTED', 'The client closed the connection'));
  };

  readonly #onTimeout = (timeout: number): void => {
    this.#onFailure(new DepotError('UPLOAD_TIMEOUT', `The upload took longer than ${timeout} ms`));
  };
}

/**
 * What closes when the client leaves: the connection, or the stream in it (HTTP/2). Where an adapter for cloud functions
 * makes up the request, there is no connection.
 */
function carrierOf(request: IncomingMessage): Duplex | IncomingMessage {
  const given: unknown = request;
  if (given instanceof Http2ServerRequest) return given.stream;
  return request.socket instanceof EventEmitter ? request.socket : request;
}
