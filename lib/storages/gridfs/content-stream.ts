import { Readable } from 'node:stream';
import { setTimeout as delay } from 'node:timers/promises';
import type { StreamOptions } from '../../contract/stored-file.js';
import { DepotError, FileNotFoundError } from '../../errors.js';
import { chunksOf } from './contents.js';
import type { Database } from './database.js';
import { type ChunkDocument, type ContentKey, whileUnchanged } from './documents.js';

/** Bytes that are asked for at once. A stream holds twice as much. */
const BATCH_BYTES = 3 * 1024 * 1024;

/** Chunks that are just being moved are looked for so often. */
const ATTEMPTS = 5;

/** Milliseconds from one attempt to the next. */
const PAUSE = 50;

/**
 * Streams a content or a part of it: only the chunks that hold the part are read, some at a time. Content that was
 * replaced meanwhile fails it, so that nobody gets a mixture.
 */
export class ContentStream extends Readable {
  readonly #database: Database;
  readonly #content: ContentKey;
  #position: number;
  readonly #end: number;

  constructor(
    database: Database,
    content: ContentKey,
    { start = 0, end = Number.POSITIVE_INFINITY, signal }: StreamOptions,
  ) {
    super({ highWaterMark: BATCH_BYTES, ...(signal && { signal }) });
    this.#database = database;
    this.#content = content;
    this.#position = start;
    this.#end = Math.min(end, content.length - 1);
  }

  override _read(): void {
    if (this.#position > this.#end) this.push(null);
    else this.#readBatch().catch((error) => this.destroy(error));
  }

  async #readBatch(): Promise<void> {
    const { chunkSize, revision } = this.#content;
    const first = Math.floor(this.#position / chunkSize);
    const last = Math.floor(this.#end / chunkSize);
    const count = Math.min(last - first + 1, Math.max(1, Math.floor(BATCH_BYTES / chunkSize)));
    const chunks = await this.#database.guard(() => this.#fetch(first, count));
    // Others' chunks do not tell to which content they belong.
    if (revision === null && first + chunks.length > last) await this.#assertUnchanged();
    const parts = chunks.map((chunk) => this.#partOf(chunk));
    this.#position = Math.min((first + chunks.length) * chunkSize, this.#end + 1);
    for (const part of parts) this.push(part);
  }

  #partOf({ n, data }: ChunkDocument): Buffer {
    const start = n * this.#content.chunkSize;
    return data.subarray(Math.max(this.#position - start, 0), this.#end + 1 - start);
  }

  /** Chunks without a gap, at least one. */
  async #fetch(first: number, count: number): Promise<ChunkDocument[]> {
    for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
      if (attempt > 0) await delay(PAUSE);
      const chunks = this.#inSequence(await this.#find(first, count), first);
      if (chunks.length > 0) return chunks;
      await this.#assertUnchanged();
    }
    const id = this.#content.fileId.toHexString();
    if (await this.#hasChunks())
      throw new DepotError('STORAGE_FAILED', `Chunk ${first} of the file ${id} is missing or damaged`);
    const cause = new DepotError('FILE_DAMAGED', `The file ${id} has no chunks`);
    throw new FileNotFoundError(id, { cause });
  }

  async #hasChunks(): Promise<boolean> {
    const { chunks } = await this.#database.open();
    return (await chunks.findOne(chunksOf(this.#content), { projection: { _id: 1 } })) !== null;
  }

  async #find(first: number, count: number): Promise<ChunkDocument[]> {
    const { chunks } = await this.#database.open();
    const wanted = { ...chunksOf(this.#content), n: { $gte: first, $lt: first + count } };
    return chunks.find(wanted, { sort: { n: 1 }, limit: count, singleBatch: true }).toArray();
  }

  /** A chunk that is moved meanwhile may come twice or not at all; one of a wrong size is not what was stored. */
  #inSequence(chunks: readonly ChunkDocument[], first: number): ChunkDocument[] {
    const { length, chunkSize } = this.#content;
    const sequence: ChunkDocument[] = [];
    for (const chunk of chunks) {
      const n = first + sequence.length;
      if (chunk.n < n) continue;
      if (chunk.n > n || chunk.data.byteLength !== Math.min(chunkSize, length - n * chunkSize)) break;
      sequence.push(chunk);
    }
    return sequence;
  }

  async #assertUnchanged(): Promise<void> {
    await this.#database.guard(async () => {
      const { files } = await this.#database.open();
      const { fileId } = this.#content;
      const projection = { _id: 1 } as const;
      if (await files.findOne(whileUnchanged(this.#content), { projection })) return;
      if (await files.findOne({ _id: fileId }, { projection })) {
        throw new DepotError('CONFLICT', 'The file was replaced since it was looked up');
      }
      throw new FileNotFoundError(fileId.toHexString());
    });
  }
}
