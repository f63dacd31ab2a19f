import * as fs from 'node:fs';
import { addAbortSignal, Readable } from 'node:stream';
import type { StreamOptions } from '../../contract/stored-file.js';
import { DepotError } from '../../errors.js';
import * as files from './files.js';

/** Bytes that a stream reads at once. */
const STREAM_CHUNK = 256 * 1024;

/** An open file, closed once, and never while it is being read: its descriptor could be another file's by then. */
export class ContentHandle {
  readonly stats: fs.Stats;
  readonly #descriptor: number;
  #reads = 0;
  #closing: Promise<void> | undefined;
  #onIdle: (() => void) | undefined;

  private constructor(descriptor: number, stats: fs.Stats) {
    this.#descriptor = descriptor;
    this.stats = stats;
  }

  /** @param isWarm whether the system knows the file from a moment ago: a thread's hop would cost more than the call */
  static async open(path: string, isWarm: boolean): Promise<ContentHandle> {
    const descriptor = isWarm ? fs.openSync(path, 'r') : await files.open(path, 'r');
    try {
      return new ContentHandle(descriptor, fs.fstatSync(descriptor));
    } catch (error) {
      await files.close(descriptor);
      throw error;
    }
  }

  /** Resolves to the number of bytes read; 0 at the end. */
  read(buffer: Buffer, length: number, position: number): Promise<number> {
    if (this.#closing) return Promise.reject(new Error('The file is closed'));
    this.#reads++;
    return new Promise((resolve, reject) => {
      fs.read(this.#descriptor, buffer, 0, length, position, (error, bytesRead) => {
        this.#reads--;
        if (this.#reads === 0) this.#onIdle?.();
        if (error) reject(error);
        else resolve(bytesRead);
      });
    });
  }

  close(): Promise<void> {
    this.#closing ??= this.#idle().then(() => this.#closeNow());
    return this.#closing;
  }

  /** To close a file that was deleted meanwhile frees it, which takes time; otherwise a thread's hop would take longer. */
  #closeNow(): Promise<void> | undefined {
    if (this.#isDeleted()) return files.close(this.#descriptor);
    fs.closeSync(this.#descriptor);
    return undefined;
  }

  #isDeleted(): boolean {
    try {
      return fs.fstatSync(this.#descriptor).nlink === 0;
    } catch {
      return true;
    }
  }

  async #idle(): Promise<void> {
    if (this.#reads === 0) return;
    await new Promise<void>((resolve) => {
      this.#onIdle = resolve;
    });
  }
}

/** Opens a handle when the stream is first read, and says how to leave it. */
export type OpenHandle = () => Promise<{ handle: ContentHandle; release: () => Promise<void> }>;

/**
 * Streams a part of a file through a handle that is opened late and released on every path. Fails with `STORAGE_FAILED`
 * where the file on the disk is shorter than its details say: nobody may take that for the whole.
 */
export class ContentStream extends Readable {
  readonly #openHandle: OpenHandle;
  #opened: { handle: ContentHandle; release: () => Promise<void> } | undefined;
  #position: number;
  readonly #end: number;

  /** @param size bytes of the whole file */
  constructor(openHandle: OpenHandle, size: number, { start = 0, end = size, signal }: StreamOptions) {
    super({ highWaterMark: STREAM_CHUNK });
    this.#openHandle = openHandle;
    this.#position = start;
    this.#end = Math.min(end, size - 1);
    if (signal) addAbortSignal(signal, this);
  }

  override _construct(callback: (error?: Error | null) => void): void {
    this.#openHandle().then((opened) => {
      this.#opened = opened;
      callback();
    }, callback);
  }

  override _read(): void {
    const length = Math.min(STREAM_CHUNK, this.#end - this.#position + 1);
    if (length <= 0) this.push(null);
    else this.#readChunk(length).catch((error) => this.destroy(error));
  }

  override _destroy(error: Error | null, callback: (error?: Error | null) => void): void {
    const released = this.#opened?.release() ?? Promise.resolve();
    released.then(
      () => callback(error),
      (failure) => callback(error ?? failure),
    );
  }

  async #readChunk(length: number): Promise<void> {
    const buffer = Buffer.allocUnsafeSlow(length);
    const bytesRead = (await this.#opened?.handle.read(buffer, length, this.#position)) ?? 0;
    if (bytesRead === 0) throw new DepotError('STORAGE_FAILED', 'The content ended before its size');
    this.#position += bytesRead;
    this.push(buffer.subarray(0, bytesRead));
  }
}
