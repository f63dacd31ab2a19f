import { addAbortSignal, Readable } from 'node:stream';
import { DepotError } from '../errors.js';

/** Opens the content from the first to the last position, both included, and hears its errors. The signal gives up. */
export type OpenBody = (start: number, end: number, signal: AbortSignal) => Promise<Readable>;

/** Which part of a content, by positions as of `ByteRange`. */
export interface ResumingStreamOptions {
  readonly start?: number | undefined;
  readonly end?: number | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** How often a body that breaks off is opened anew where it gave nothing in between. */
const MAX_BARREN_ATTEMPTS = 3;

/** Bytes that wait for a slow reader. */
const HIGH_WATER_MARK = 256 * 1024;

/**
 * A part of a content that a server has. The body is opened when the stream is first read; one that breaks off, or that
 * the server closes while the reader rests, is opened again at the position that was reached.
 */
export class ResumingStream extends Readable {
  readonly #openBody: OpenBody;
  readonly #end: number;
  readonly #abort = new AbortController();
  #position: number;
  #body: Readable | undefined;
  #isOpening = false;
  /** Whether the reader waits for more. */
  #isWanted = false;
  #barrenAttempts = 0;

  /**
   * @param size bytes of the whole content
   * @param body the part's content, if it is open already
   */
  constructor(
    openBody: OpenBody,
    size: number,
    { start = 0, end = size, signal }: ResumingStreamOptions,
    body?: Readable,
  ) {
    super({ highWaterMark: HIGH_WATER_MARK });
    this.#openBody = openBody;
    this.#position = start;
    this.#end = Math.min(end, size - 1);
    if (body) this.#attach(body);
    if (signal) addAbortSignal(signal, this);
  }

  override _read(): void {
    this.#isWanted = true;
    if (this.#body) this.#body.resume();
    else if (!this.#isOpening) this.#open();
  }

  override _destroy(error: Error | null, callback: (error?: Error | null) => void): void {
    this.#abort.abort();
    this.#body?.destroy();
    this.#body = undefined;
    callback(error);
  }

  /** Of an empty file, too: it may be gone. */
  #open(): void {
    if (this.#position > this.#end && this.#end >= 0) {
      this.push(null);
      return;
    }
    this.#isOpening = true;
    this.#openBody(this.#position, this.#end, this.#abort.signal).then(
      (body) => {
        this.#isOpening = false;
        if (this.destroyed) body.destroy();
        else this.#attach(body).resume();
      },
      (error) => this.destroy(error),
    );
  }

  /** Listens to the body as long as it is the current one. Its errors are heard afterwards too: by who opened it. */
  #attach(body: Readable): Readable {
    const whileCurrent =
      <Event>(act: (event: Event) => void) =>
      (event: Event) => {
        if (this.#body === body) act(event);
      };
    this.#body = body.pause();
    return body
      .on('data', whileCurrent(this.#take))
      .on('end', whileCurrent(this.#finish))
      .on('error', whileCurrent(this.#resume))
      .on('close', whileCurrent(this.#resume));
  }

  readonly #take = (chunk: Buffer): void => {
    this.#barrenAttempts = 0;
    this.#position += chunk.byteLength;
    this.#isWanted = this.push(chunk);
    if (!this.#isWanted) this.#body?.pause();
  };

  readonly #finish = (): void => {
    if (this.#position <= this.#end) {
      this.#resume();
      return;
    }
    this.#body = undefined;
    this.push(null);
  };

  /** A body that breaks off while the reader rests is opened again when more is wanted. */
  readonly #resume = (error?: Error): void => {
    this.#body?.destroy();
    this.#body = undefined;
    if (this.#position > this.#end && this.#end >= 0) this.push(null);
    else if (!this.#isWanted) return;
    else if (++this.#barrenAttempts < MAX_BARREN_ATTEMPTS) this.#open();
    else this.destroy(brokenOff(error));
  };
}

function brokenOff(cause: unknown): DepotError {
  return new DepotError('STORAGE_UNAVAILABLE', 'The content keeps breaking off', { cause });
}
