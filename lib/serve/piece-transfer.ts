import type { ServerResponse } from 'node:http';
import type { Departure } from './departure.js';
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
  readonly #departure: Departure;
  readonly #buffers = new PieceBuffers();
  readonly #end: number;
  #position: number;

  constructor(res: ServerResponse, read: ReadAt, { start, end }: ResolvedRange, departure: Departure) {
    this.#res = res;
    this.#read = read;
    this.#departure = departure;
    this.#position = start;
    this.#end = end;
  }

  /**
   * Resolves when the last piece is on its way, or when the client has left; no read is under way any more by then.
   * @param sendHead called when the first piece is there
   */
  async run(sendHead: () => void): Promise<void> {
    try {
      let piece = await this.#readNext();
      if (!this.#departure.hasLeft) sendHead();
      while (piece && !this.#departure.hasLeft) {
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
    const missing = this.#end - this.#position + 1;
    const buffer = this.#buffers.take(missing);
    const length = Math.min(buffer.byteLength, missing);
    await readFully(this.#read, buffer, length, this.#position);
    this.#position += length;
    return { buffer, length, isLast: this.#position > this.#end };
  }

  /** Resolves when the response takes more; nobody has to wait for the last piece. */
  async #write(piece: Piece): Promise<void> {
    if (!piece.isLast) return this.#writeAndWait(piece);
    this.#writeThen(piece, ignore);
    this.#res.end();
  }

  #writeAndWait(piece: Piece): Promise<void> {
    const { signal } = this.#departure;
    return new Promise((resolve) => {
      const proceed = () => {
        signal.removeEventListener('abort', proceed);
        resolve();
      };
      signal.addEventListener('abort', proceed);
      this.#writeThen(piece, proceed);
    });
  }

  /** Only the callback tells that a buffer is free: a client that has left may leave a write under way. */
  #writeThen({ buffer, length }: Piece, proceed: () => void): void {
    this.#res.write(buffer.subarray(0, length), () => {
      this.#buffers.give(buffer);
      proceed();
    });
  }
}

function ignore(): void {}
