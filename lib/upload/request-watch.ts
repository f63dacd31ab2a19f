import type { IncomingMessage } from 'node:http';
import { DepotError } from '../errors.js';

/** Tells when a client has left, or takes too long. Must be stopped. */
export class RequestWatch {
  readonly #request: IncomingMessage;
  readonly #onFailure: (error: DepotError) => void;
  readonly #timer: NodeJS.Timeout | undefined;

  /**
   * @param timeout milliseconds in which the request must have been read; 0 for no limit
   * @param onFailure called with `UPLOAD_ABORTED` or `UPLOAD_TIMEOUT`
   */
  constructor(request: IncomingMessage, timeout: number, onFailure: (error: DepotError) => void) {
    this.#request = request;
    this.#onFailure = onFailure;
    request.socket.once('close', this.#onClose);
    if (request.socket.destroyed) this.#onClose();
    if (timeout > 0) this.#timer = setTimeout(this.#onTimeout, timeout, timeout);
  }

  /** The request was read: now only the client's leaving matters. */
  bodyRead(): void {
    clearTimeout(this.#timer);
  }

  stop(): void {
    this.bodyRead();
    this.#request.socket.off('close', this.#onClose);
  }

  readonly #onClose = (): void => {
    this.#onFailure(new DepotError('UPLOAD_ABORTED', 'The client closed the connection'));
  };

  readonly #onTimeout = (timeout: number): void => {
    this.#onFailure(new DepotError('UPLOAD_TIMEOUT', `The upload took longer than ${timeout} ms`));
  };
}
