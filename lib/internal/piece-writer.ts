import type { Readable } from 'node:stream';
import { DepotError } from '../errors.js';
import { deferred } from './deferred.js';
import { isCancelled } from './request.js';

/** Takes one piece of content; called with one piece at a time. */
export type WritePiece = (chunks: readonly Buffer[], byteLength: number) => Promise<void>;

export interface PieceOptions {
  /**
   * Bytes after which a piece is written, where nothing else is being written; the last one may be smaller, and a chunk is
   * never cut. What runs at once shares them, down to 128 KiB each, so that many transfers take little more memory than one.
   */
  readonly pieceSize: number;
  readonly signal?: AbortSignal | undefined;
  /** Sees each chunk as it arrives; what it throws or rejects with ends the transfer. */
  // biome-ignore lint/suspicious/noConfusingVoidType: most inspections have nothing to wait for
  readonly inspect?: ((chunk: Buffer) => Promise<unknown> | undefined | void) | undefined;
}

/** In bytes: smaller pieces cost more than their memory is worth. */
const MIN_PIECE_SIZE = 128 * 1024;

/** Pieces that may wait while one is being written; beyond that the source is paused. */
const WAITING_PIECES = 2;

/** Chunks that wait as they came. So many become one: a small one takes more memory than its bytes. */
const MAX_LOOSE_CHUNKS = 1024;

/** Bytes of a chunk whose memory is worth the collector's attention. */
const LARGE_CHUNK = 16 * 1024;

/** Slots of the array that is made and dropped for each large chunk: 48 KB. More of it takes more time, less more memory. */
const GARBAGE_LENGTH = 6144;

/** Transfers that are under way in this process. */
let running = 0;

/**
 * Reads a stream to its end and hands it on in large pieces, one at a time, while the next one is collected.
 * One event, one write and one hash call for each small chunk is what makes Node's uploads slow.
 * @throws what the stream, `inspect` or `write` fail with, or the signal's reason; DepotError `UPLOAD_ABORTED` for a
 *   stream that is closed before its end, `INVALID_CONTENT` for one that was read before or does not give bytes or text.
 *   No write is under way any more by then
 */
export function writeInPieces(stream: Readable, write: WritePiece, options: PieceOptions): Promise<void> {
  return new PieceWriter(stream, write, options).run();
}

class PieceWriter {
  readonly #stream: Readable;
  readonly #write: WritePiece;
  readonly #options: PieceOptions;
  #chunks: Buffer[] = [];
  #looseChunks = 0;
  #waitingBytes = 0;
  /**
   * V8 does not count the memory of chunks as young: with little else to collect, it would run dozens of full collections
   * a gigabyte to get it back. An array for each large chunk makes it run its cheap young collections instead, which free
   * the chunks as well, while their memory is still in the processor's cache; a third of an upload's time.
   */
  protected youngGarbage: unknown[] = [];
  #writing: Promise<void> | undefined;
  #ended = false;
  #failed = false;
  readonly #done = deferred<void>();

  constructor(stream: Readable, write: WritePiece, options: PieceOptions) {
    this.#stream = stream;
    this.#write = write;
    this.#options = options;
  }

  run(): Promise<void> {
    running += 1;
    const { signal } = this.#options;
    if (signal?.aborted) this.#fail(signal.reason);
    else if (isOver(this.#stream)) this.#fail(endOf(this.#stream));
    signal?.addEventListener('abort', this.#onAbort);
    this.#stream
      .on('data', this.#onData)
      .on('end', this.#onEnd)
      .on('error', this.#fail)
      .on('close', this.#onClose);
    this.#stream.resume();
    return this.#done.promise.finally(() => this.#detach());
  }

  readonly #onData = (data: Buffer | Uint8Array | string): void => {
    if (this.#failed) return;
    let chunk: Buffer;
    try {
      chunk = toBuffer(data);
      this.#options.inspect?.(chunk)?.catch(this.#fail);
    } catch (error) {
      this.#fail(error);
      return;
    }
    this.#chunks.push(chunk);
    if (++this.#looseChunks === MAX_LOOSE_CHUNKS) this.#merge();
    if (chunk.byteLength >= LARGE_CHUNK) this.youngGarbage = new Array(GARBAGE_LENGTH);
    this.#waitingBytes += chunk.byteLength;
    const pieceSize = this.#pieceSize();
    if (this.#waitingBytes >= pieceSize) this.#writeNext();
    if (this.#waitingBytes >= pieceSize * WAITING_PIECES) this.#stream.pause();
  };

  readonly #onEnd = (): void => {
    if (isCancelled(this.#stream)) this.#fail(closedEarly());
    this.#ended = true;
    this.#writeNext();
  };

  readonly #onClose = (): void => {
    if (!this.#ended) this.#fail(closedEarly());
  };

  readonly #onAbort = (): void => {
    this.#fail(this.#options.signal?.reason);
  };

  /** Never settles while a write is under way: its buffers and its file are still in use. */
  readonly #fail = (error: unknown): void => {
    if (this.#failed) return;
    this.#failed = true;
    this.#chunks = [];
    const reject = () => this.#done.reject(error);
    if (this.#writing) this.#writing.then(reject, reject);
    else reject();
  };

  #pieceSize(): number {
    const { pieceSize } = this.#options;
    return Math.max(pieceSize / running, Math.min(pieceSize, MIN_PIECE_SIZE));
  }

  #merge(): void {
    this.#chunks.push(Buffer.concat(this.#chunks.splice(-this.#looseChunks)));
    this.#looseChunks = 0;
  }

  #writeNext(): void {
    if (this.#writing || this.#failed) return;
    if (this.#waitingBytes >= this.#pieceSize() || (this.#ended && this.#waitingBytes > 0)) {
      const [chunks, byteLength] = [this.#chunks, this.#waitingBytes];
      this.#chunks = [];
      this.#looseChunks = 0;
      this.#waitingBytes = 0;
      this.#writing = this.#write(chunks, byteLength);
      this.#writing.then(this.#onWritten, this.#fail);
    } else if (this.#ended) {
      this.#done.resolve();
    }
  }

  readonly #onWritten = (): void => {
    this.#writing = undefined;
    if (this.#failed) return;
    if (this.#stream.isPaused()) this.#stream.resume();
    this.#writeNext();
  };

  /** One listener stays: an error that comes later must not end the process. */
  #detach(): void {
    running -= 1;
    this.#stream.on('error', ignore);
    this.#options.signal?.removeEventListener('abort', this.#onAbort);
    this.#stream
      .off('data', this.#onData)
      .off('end', this.#onEnd)
      .off('error', this.#fail)
      .off('close', this.#onClose);
  }
}

function ignore(): void {}

/** No event would come from it any more. */
function isOver(stream: Readable): boolean {
  return stream.readableEnded || stream.destroyed;
}

function endOf(stream: Readable): Error {
  if (stream.errored) return stream.errored;
  return stream.readableEnded
    ? new DepotError('INVALID_CONTENT', 'The stream was already read')
    : closedEarly();
}

function closedEarly(): DepotError {
  return new DepotError('UPLOAD_ABORTED', 'The stream was closed before its end');
}

function toBuffer(data: Buffer | Uint8Array | string): Buffer {
  if (Buffer.isBuffer(data)) return data;
  if (typeof data === 'string') return Buffer.from(data);
  if (ArrayBuffer.isView(data)) return Buffer.from(data.buffer, data.byteOffset, data.byteLength);
  throw new DepotError(
    'INVALID_CONTENT',
    `The stream gives neither bytes nor text, but a value of type ${typeof data}`,
  );
}
