import { createHash } from 'node:crypto';
import { DepotError } from '../errors.js';
import { detectContentType, HEAD_BYTES } from './content-type.js';

/** Counts, hashes and looks at content on its way to a storage. */
export class ContentMeter {
  readonly #hash = createHash('sha256');
  readonly #maxSize: number;
  readonly #head: Buffer[] = [];
  #headBytes = 0;
  #size = 0;

  /**
   * @param maxSize bytes; one more is refused
   * @throws DepotError `INVALID_OPTION` for what is no number from 0: a limit that is none must not go unnoticed
   */
  constructor(maxSize = Number.POSITIVE_INFINITY) {
    if (!(typeof maxSize === 'number' && maxSize >= 0))
      throw new DepotError('INVALID_OPTION', `Not a size: ${maxSize}`);
    this.#maxSize = maxSize;
  }

  /** Bytes seen. */
  get size(): number {
    return this.#size;
  }

  /** Whether enough of the beginning is known to tell its type before the end. */
  get hasHead(): boolean {
    return this.#headBytes >= HEAD_BYTES;
  }

  /**
   * Takes note of a chunk as it arrives.
   * @throws DepotError `FILE_TOO_LARGE`
   */
  observe(chunk: Buffer): void {
    this.#size += chunk.byteLength;
    if (this.#size > this.#maxSize) {
      throw new DepotError('FILE_TOO_LARGE', `The file is larger than ${this.#maxSize} bytes`);
    }
    if (this.hasHead) return;
    const head = chunk.subarray(0, HEAD_BYTES - this.#headBytes);
    this.#head.push(head);
    this.#headBytes += head.byteLength;
  }

  /** Hashes chunks; apart from `observe`, so that it can be done while a piece is being written. */
  hash(chunks: readonly Buffer[]): void {
    for (const chunk of chunks) this.#hash.update(chunk);
  }

  /** The media type that the beginning shows by its magic bytes, if any. */
  detectType(): Promise<string | undefined> {
    return detectContentType(Buffer.concat(this.#head));
  }

  /** The hexadecimal digest of all that was hashed. Can be asked for once. */
  sha256(): string {
    return this.#hash.digest('hex');
  }
}
