import { createReadStream } from 'node:fs';
import { type FileHandle, open, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import type { Readable } from 'node:stream';
import { DepotError } from '../errors.js';
import { ContentMeter } from '../internal/content-meter.js';
import { writeInPieces } from '../internal/piece-writer.js';
import { acceptedFormat } from './formats.js';
import { newHeldPath } from './held-files.js';
import type { ImageInput } from './image-processor.js';

/** Bytes; what is larger is held in a file, so that many images at once do not fill the memory. */
export const MAX_IN_MEMORY = 1024 * 1024;

const PIECE_SIZE = 512 * 1024;

export interface HoldOptions {
  /** Bytes; one more fails with `FILE_TOO_LARGE`. @default no limit */
  readonly maxSize?: number | undefined;
  readonly signal?: AbortSignal | undefined;
}

/**
 * Reads a stream to its end, because decoders go back and forth in an image. What is none is noticed by its first bytes,
 * and not read any further.
 * @throws DepotError `IMAGE_NOT_ACCEPTED`, `FILE_TOO_LARGE`, `UPLOAD_ABORTED`, `INVALID_CONTENT`; `STORAGE_FULL` and
 *   `IMAGE_FAILED` where it cannot be held; what the stream fails with; the signal's reason. The stream is destroyed then
 */
export async function holdContent(
  stream: Readable,
  { maxSize, signal }: HoldOptions = {},
): Promise<HeldContent> {
  const held = new HeldContent();
  const typing = new FormatCheck(new ContentMeter(maxSize));
  const write = (chunks: readonly Buffer[]) => held.write(chunks);
  try {
    await writeInPieces(stream, write, { pieceSize: PIECE_SIZE, signal, inspect: typing.observe });
    await typing.result();
    await held.finish();
    return held;
  } catch (error) {
    stream.destroy();
    await held.release();
    throw error;
  }
}

/** Looks at the first bytes as they arrive. */
class FormatCheck {
  readonly #meter: ContentMeter;
  #result: Promise<unknown> | undefined;

  constructor(meter: ContentMeter) {
    this.#meter = meter;
  }

  readonly observe = (chunk: Buffer): Promise<unknown> | undefined => {
    this.#meter.observe(chunk);
    return !this.#result && this.#meter.hasHead ? this.result() : undefined;
  };

  result(): Promise<unknown> {
    this.#result ??= this.#meter.detectType().then(acceptedFormat);
    return this.#result;
  }
}

/** An image that is here as a whole: in memory, or in a temporary file. Must be released, or handed over. */
export class HeldContent {
  #chunks: Buffer[] = [];
  #size = 0;
  #path: string | undefined;
  #file: FileHandle | undefined;

  /** Appends chunks; copies them, since they are the stream's. */
  async write(chunks: readonly Buffer[]): Promise<void> {
    const piece = Buffer.concat(chunks);
    this.#size += piece.byteLength;
    this.#chunks.push(piece);
    if (this.#size > MAX_IN_MEMORY) await this.#moveToFile().catch(failToHold);
  }

  /** To be called after the last chunk. */
  async finish(): Promise<void> {
    if (this.#file) await this.#file.close().catch(failToHold);
    else this.#chunks = [Buffer.concat(this.#chunks)];
  }

  /** What a decoder reads. */
  get input(): ImageInput {
    return this.#path === undefined ? this.#bytes : { path: this.#path };
  }

  /** Gives the content on; it is released when the stream ends, however it ends. */
  handOver(): Buffer | Readable {
    if (this.#path === undefined) return this.#bytes;
    const stream = createReadStream(this.#path, { highWaterMark: PIECE_SIZE });
    return stream.once('close', () => this.release());
  }

  /** Removes what was held. Never fails; more than once does no harm. */
  async release(): Promise<void> {
    this.#chunks = [];
    await this.#file?.close().catch(() => {});
    if (this.#path !== undefined) await rm(this.#path, { force: true }).catch(() => {});
  }

  get #bytes(): Buffer {
    return this.#chunks[0] ?? Buffer.alloc(0);
  }

  async #moveToFile(): Promise<void> {
    this.#path ??= newHeldPath();
    this.#file ??= await open(this.#path, 'wx', 0o600);
    for (const chunk of this.#chunks) await this.#file.writeFile(chunk);
    this.#chunks = [];
  }
}

function failToHold(cause: NodeJS.ErrnoException): never {
  const code = cause.code === 'ENOSPC' || cause.code === 'EDQUOT' ? 'STORAGE_FULL' : 'IMAGE_FAILED';
  throw new DepotError(
    code,
    `The image cannot be kept in ${tmpdir()} while it is processed: ${cause.message}`,
    {
      cause,
    },
  );
}
