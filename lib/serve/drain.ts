import type { ServerResponse } from 'node:http';

/**
 * Waits for a response to take more. It listens once for all times: responses that a middleware compresses hand their
 * listeners on to another stream, from which nobody can remove them.
 *
 * Not `pipeline`, which destroys the response before it tells of a failure: that would look like a client that leaves.
 */
export class Drain {
  readonly #signal: AbortSignal;
  #resolve: () => void = () => {};

  /** @param signal aborted when the client leaves */
  constructor(res: ServerResponse, signal: AbortSignal) {
    this.#signal = signal;
    const flow = () => this.#resolve();
    res.on('drain', flow);
    signal.addEventListener('abort', flow);
  }

  /**
   * Resolves when the response takes more.
   * @throws the signal's reason if the client has left
   */
  async next(): Promise<void> {
    this.#signal.throwIfAborted();
    await new Promise<void>((resolve) => {
      this.#resolve = resolve;
    });
    this.#signal.throwIfAborted();
  }
}
