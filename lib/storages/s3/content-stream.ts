import { addAbortSignal, Readable } from 'node:stream';
import type { StreamOptions } from '../../contract/stored-file.js';
import { DepotError, isDepotError } from '../../errors.js';

/** Opens the content from the first to the last position, both included. The signal gives up. */
export type OpenBody = (start: number, end: number, signal: AbortSignal) => Promise<Readable>;

/** How often a body that breaks off is opened anew where it gave nothing in between. */
const MAX_BARREN_ATTEMPTS = 3;

/** Bytes that wait for a slow reader. */
const HIGH_WATER_MARK = 256 * 1024;

/**
 * A part of an object's content. The body is opened when the stream is first read; one that breaks off, or that S3
 * closes while the reader rests, is opened again at the position that was reached.
 */
export class ObjectStream extends Readable {
  readonly #openBody: OpenBody;
  readonly #end: number;
  readonly #abort = new AbortController();
  #position: number;
  #body: Readable | undefined;
  #isOpening = false;
  #barrenAttempts = 0;

  /**
   * @param size bytes of the whole content
   * @param body the part's content, if it is open already
   */
  constructor(
    openBody: OpenBody,
    size: number,
    { start = 0, end = size, signal }: StreamOptions,
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
    if (this.#body) this.#body.resume();
    else if (!this.#isOpening) this.#open();
  }

  override _destroy(error: Error | null, callback: (error?: Error | null) => void): void {
    this.#abort.abort();
    this.#detach()?.destroy();
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

  #attach(body: Readable): Readable {
    this.#body = body.pause();
    return body
      .on('data', this.#onData)
      .on('end', this.#onEnd)
      .on('error', this.#onFailure)
      .on('close', this.#onFailure);
  }

  /** One listener stays: an error that comes later must not end the process. */
  #detach(): Readable | undefined {
    const body = this.#body;
    this.#body = undefined;
    body?.off('data', this.#onData).off('end', this.#onEnd).off('close', this.#onFailure);
    return body;
  }

  readonly #onData = (chunk: Buffer): void => {
    this.#barrenAttempts = 0;
    this.#position += chunk.byteLength;
    if (!this.push(chunk)) this.#body?.pause();
  };

  readonly #onEnd = (): void => {
    if (this.#position <= this.#end) {
      this.#onFailure();
      return;
    }
    this.#detach();
    this.push(null);
  };

  readonly #onFailure = (error?: Error): void => {
    const body = this.#detach();
    if (!body || this.destroyed) return;
    body.destroy();
    this.#barrenAttempts++;
    if (isDepotError(error)) this.destroy(error);
    else if (this.#barrenAttempts >= MAX_BARREN_ATTEMPTS) this.destroy(brokenOff(error));
    else this.#open();
  };
}

function brokenOff(cause: unknown): DepotError {
  return new DepotError('STORAGE_UNAVAILABLE', 'The content keeps breaking off', { cause });
}
