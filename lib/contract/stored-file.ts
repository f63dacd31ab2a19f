import type { Readable } from 'node:stream';
import { buffer as collectBuffer } from 'node:stream/consumers';
import type { Metadata } from './metadata.js';

/** All that a storage keeps of a file, besides its content. */
export interface FileDetails {
  readonly id: string;
  /** Name for people; `unnamed` where none was given. */
  readonly filename: string;
  /** Media type (RFC 9110 section 8.3.1), e.g. `image/png`. */
  readonly contentType: string;
  /** Bytes. */
  readonly size: number;
  /** When the content was stored, in whole seconds (as HTTP dates are). */
  readonly lastModified: Date;
  /** Hexadecimal digest of the content; absent for files that others wrote. */
  readonly sha256?: string | undefined;
  readonly metadata: Metadata;
  /** Strong validator (RFC 9110 section 8.8.3), with its quotes. */
  readonly etag: string;
  /** Where anybody can fetch the file without us; absent if it is not public. */
  readonly publicUrl?: string | undefined;
}

/**
 * A part of a file: positions of the first and the last byte, both included, as in `fs.createReadStream`.
 * What lies past the end of the file is left out: a part that begins there is empty.
 */
export interface ByteRange {
  /** @default 0 */
  readonly start?: number | undefined;
  /** @default the last byte */
  readonly end?: number | undefined;
}

export interface StreamOptions extends ByteRange {
  /** Gives up: the stream fails with an `AbortError`. */
  readonly signal?: AbortSignal | undefined;
}

/** Opens the content of a file; errors arrive on the stream. */
export type OpenStream = (options: StreamOptions) => Readable;

/** A file that a storage has: details at once, content only when it is asked for. */
export class StoredFile implements FileDetails {
  readonly id!: string;
  readonly filename!: string;
  readonly contentType!: string;
  readonly size!: number;
  readonly lastModified!: Date;
  readonly sha256?: string | undefined;
  readonly metadata!: Metadata;
  readonly etag!: string;
  readonly publicUrl?: string | undefined;
  readonly #openStream: OpenStream;

  constructor(details: FileDetails, openStream: OpenStream) {
    Object.assign(this, details);
    this.#openStream = openStream;
  }

  /**
   * The content, or a part of it. A file that has gone since fails the stream with `FILE_NOT_FOUND`; one
   * that was replaced gives the old content whole, or fails it with `CONFLICT`.
   * @param options `start` and `end` in bytes, both included; `signal` to give up
   * @throws DepotError `INVALID_OPTION`, at once, for positions that are not whole numbers from 0, or in wrong order
   */
  stream(options: StreamOptions = {}): Readable {
    return this.#openStream(options);
  }

  /**
   * The whole content, in memory.
   * @throws DepotError `FILE_NOT_FOUND`, `CONFLICT`: what fails the stream, as do all that read the whole
   */
  buffer(): Promise<Buffer> {
    return collectBuffer(this.stream());
  }

  /** The whole content, decoded as UTF-8. */
  async text(): Promise<string> {
    return (await this.buffer()).toString('utf8');
  }

  /** The whole content as a `Blob` with the file's type, in memory. */
  async blob(): Promise<Blob> {
    return new Blob([await this.buffer()], { type: this.contentType });
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<Buffer> {
    yield* this.stream();
  }
}
