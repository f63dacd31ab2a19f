import type { ServerResponse } from 'node:http';

/** Tells when the client of a response leaves before it has all of it. */
export class Departure {
  readonly #res: ServerResponse;
  #controller: AbortController | undefined;

  constructor(res: ServerResponse) {
    this.#res = res;
  }

  /** Responses of HTTP/2 have no `destroyed`. */
  get hasLeft(): boolean {
    return this.#res.destroyed || this.#controller?.signal.aborted === true;
  }

  /** Aborted when the client leaves. Made when it is first asked for: it costs as much as the rest of a small answer. */
  get signal(): AbortSignal {
    this.#controller ??= this.#watch();
    return this.#controller.signal;
  }

  /** Looks no more; must be called when the answer is complete. */
  end(): void {
    if (this.#controller) this.#res.off('close', this.#onClose);
  }

  #watch(): AbortController {
    const controller = new AbortController();
    if (this.hasLeft) controller.abort();
    else this.#res.once('close', this.#onClose);
    return controller;
  }

  /** A response is closed also when all of it was sent. */
  readonly #onClose = (): void => {
    if (!this.#res.writableFinished) this.#controller?.abort();
  };
}
