import type { ServerResponse } from 'node:http';
import { PieceBuffers } from './piece-buffers.js';
import type { ResolvedRange } from './range.js';
import { type ReadAt, readFully } from './read.js';

/** Bytes of the content, in the buffer that they were read into. */
interface Piece {
  readonly buffer: Buffer;
  readonly length: number;
  readonly isLast: boolean;
}

/**
 * Sends a part of a file in large pieces, through buffers that are used again: while one piece is on its way to the
 * client the next is read, and no more than that.
 */
export class PieceTransfer {
  readonly #res: ServerResponse;
  readonly #read: ReadAt;
  readonly #signal: AbortSignal;
  readonly #buffers = new PieceBuffers();
  readonly #end: number;
  #position: number;

  /** @param signal aborted when the client leaves */
  constructor(res: ServerResponse, read: ReadAt, { start, end }: ResolvedRange, signal: AbortSignal) {
    this.#res = res;
    this.#read = read;
    this.#signal = signal;
    this.#position = start;
    this.#end = end;
  }

  /**
   * Resolves when all is sent, or when the client has left; no read is under way any more by then.
   * @param sendHead called when the first piece is there
   */
  async run(sendHead: () => void): Promise<void> {
    try {
      let piece = await this.#readNext();
      if (!this.#signal.aborted) sendHead();
      while (piece && !this.#signal.aborted) {
        [piece] = await Promise.all([this.#readNext(), this.#write(piece)]);
      }
      if (piece) this.#buffers.give(piece.buffer);
    } finally {
      this.#buffers.end();
    }
  }

  /** The next piece; nothing at the end. */
  async #readNext(): Promise<Piece | undefined> {
    if (this.#position > this.#end) return undefined;
    const buffer = this.#buffers.take();
    const length = Math.min(buffer.byteLength, this.#end - this.#position + 1);
    await readFully(this.#read, buffer, length, this.#position);
    this.#position += length;
    return { buffer, length, isLast: this.#position > this.#end };
  }

  /** Only the callback tells that a buffer is free: a client that has left may leave a write under way. */
  #write({ buffer, length, isLast }: Piece): Promise<void> {
    return new Promise((resolve) => {
      const onAbort = () => resolve();
      this.#signal.addEventListener('abort', onAbort);
      this.#res.write(buffer.subarray(0, length), () => {
        this.#signal.removeEventListener('abort', onAbort);
        this.#buffers.give(buffer);
        resolve();
      });
      if (isLast) this.#res.end();
    });
  }
}
