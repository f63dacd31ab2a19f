import type { ObjectId } from 'mongodb';
import type { NewFileDetails, StagingArea } from '../../contract/storage.js';
import { DepotError, FileNotFoundError } from '../../errors.js';
import { insertChunks } from './contents.js';
import type { Database } from './database.js';
import type { Intents } from './intents.js';
import { createObjectId, isObjectId } from './object-ids.js';
import type { Publication } from './publication.js';
import { settle } from './settlement.js';

const NOTHING = Buffer.alloc(0);

/** In bytes. */
export interface StagingSizes {
  readonly chunkSize: number;
  /** What is sent at once: a number of chunks. Content of up to two pieces is held back. */
  readonly pieceSize: number;
}

/**
 * Chunks without a files document: no reader sees them. Small content is held back until its file is made, so that both
 * are sent together.
 */
export class GridFSStagingArea implements StagingArea {
  readonly #database: Database;
  readonly #intents: Intents;
  readonly #publication: Publication;
  readonly #sizes: StagingSizes;
  #revision: ObjectId | undefined;
  /** Small content, as long as nothing was sent. */
  #held: Buffer = NOTHING;
  /** The piece that is being filled, and one to be filled next: new ones each time would keep the collector busy. */
  #piece: Buffer | undefined;
  #spare: Buffer | undefined;
  #filled = 0;
  /** The piece that is on its way while the next one is filled. */
  #sending: Promise<void> | undefined;
  #chunksSent = 0;
  /** What may be at the server is not known. */
  #isUncertain = false;
  /** The file that this should become. */
  #fileId: ObjectId | undefined;
  #act: 'create' | 'replace' | undefined;

  constructor(database: Database, intents: Intents, publication: Publication, sizes: StagingSizes) {
    this.#database = database;
    this.#intents = intents;
    this.#publication = publication;
    this.#sizes = sizes;
  }

  /** The id under which the chunks are already. */
  get newId(): string | undefined {
    return this.#revision?.toHexString();
  }

  write(chunks: readonly Buffer[], byteLength: number): Promise<void> {
    return this.#guard(async () => {
      if (this.#canHold(byteLength)) {
        this.#held = Buffer.concat([this.#held, ...chunks]);
        return;
      }
      const held = this.#held;
      this.#held = NOTHING;
      for (const chunk of [held, ...chunks]) await this.#append(chunk);
    });
  }

  finish(): Promise<void> {
    return this.#guard(async () => {
      await this.#database.openForWriting();
      await this.#begin();
      if (this.#filled > 0) await this.#send();
      await this.#sending;
      this.#releasePieces();
    });
  }

  commit(details: NewFileDetails): Promise<void> {
    return this.#guard(async () => {
      if (!isObjectId(details.id)) {
        throw new DepotError('UNSUPPORTED', `Ids of GridFS are ObjectIds, not ${JSON.stringify(details.id)}`);
      }
      const staged = await this.#stagedFor(details.id);
      await this.#publish('create', () => this.#publication.create(staged, details));
    });
  }

  replace(details: NewFileDetails): Promise<void> {
    return this.#guard(async () => {
      const staged = await this.#stagedFor(details.id);
      await this.#publish('replace', () => this.#publication.replace(staged, details));
    });
  }

  async #publish(act: 'create' | 'replace', publish: () => Promise<void>): Promise<void> {
    this.#act = act;
    try {
      await publish();
    } catch (error) {
      this.#isUncertain = !(error instanceof DepotError);
      throw error;
    }
  }

  /** What cannot be removed now is left to the sweep, which needs a note to know that a new file must go. */
  async discard(): Promise<void> {
    this.#held = NOTHING;
    await this.#sending?.catch(() => {});
    this.#releasePieces();
    const revision = this.#revision;
    if (!revision || (this.#chunksSent === 0 && !this.#fileId)) return;
    try {
      await this.#remove(revision);
    } catch {
      if (this.#act === 'create' && this.#isUncertain)
        this.#intents.tryAgain(revision, () => this.#remove(revision));
      else this.#intents.abandon(revision);
    }
  }

  /** A write of which nobody knows how it went may still arrive: the sweep looks again. */
  async #remove(revision: ObjectId): Promise<void> {
    // The new content may be the file's by now, or become that: whatever is deleted would be missing.
    if (this.#act === 'replace' && this.#isUncertain) return this.#intents.abandon(revision);
    const isRetracted = this.#act === 'create';
    const intent = { fileId: this.#fileId ?? revision, contents: [revision], isRetracted };
    if (isRetracted && this.#isUncertain) await this.#intents.begin(revision, intent);
    const isSettled = await settle(await this.#database.open(), intent);
    if (isSettled && !this.#isUncertain) await this.#intents.end(revision);
    else this.#intents.abandon(revision);
  }

  async #begin(): Promise<ObjectId> {
    const { driver } = await this.#database.open();
    // Those that the driver makes follow one another: whoever knows one could guess the next.
    this.#revision ??= driver.ObjectId.createFromHexString(createObjectId());
    return this.#revision;
  }

  #canHold(byteLength: number): boolean {
    return this.#piece === undefined && this.#held.byteLength + byteLength <= 2 * this.#sizes.pieceSize;
  }

  async #append(bytes: Buffer): Promise<void> {
    this.#piece ??= Buffer.allocUnsafeSlow(this.#sizes.pieceSize);
    for (let start = 0; start < bytes.byteLength; ) {
      const copied = bytes.copy(this.#piece, this.#filled, start);
      start += copied;
      this.#filled += copied;
      if (this.#filled === this.#piece.byteLength) await this.#send();
    }
  }

  /** Sends the piece as far as it is filled, when the one before has arrived. */
  async #send(): Promise<void> {
    await this.#sending;
    const piece = this.#piece ?? NOTHING;
    this.#sending = this.#insert(piece.subarray(0, this.#filled));
    // Whoever awaits it next sees its failure.
    this.#sending.catch(() => {});
    this.#piece = this.#spare ?? Buffer.allocUnsafeSlow(piece.byteLength);
    this.#spare = piece;
    this.#filled = 0;
  }

  /** Whole chunks, but for the last one of all. */
  async #insert(bytes: Buffer): Promise<void> {
    const { chunkSize } = this.#sizes;
    const bucket = await this.#database.openForWriting();
    const revision = await this.#begin();
    const first = this.#chunksSent;
    this.#chunksSent += Math.ceil(bytes.byteLength / chunkSize);
    if (first === 0) await this.#intents.begin(revision, { fileId: revision, contents: [revision] });
    this.#isUncertain = true;
    await insertChunks(bucket, { fileId: revision, revision }, bytes, { chunkSize, first });
    this.#isUncertain = false;
  }

  #releasePieces(): void {
    this.#piece = undefined;
    this.#spare = undefined;
  }

  async #stagedFor(id: string) {
    if (!isObjectId(id)) throw new FileNotFoundError(id);
    const { driver } = await this.#database.open();
    const revision = await this.#begin();
    this.#fileId = driver.ObjectId.createFromHexString(id);
    const held = this.#chunksSent === 0 ? this.#held : undefined;
    return { revision, held, chunkSize: this.#sizes.chunkSize };
  }

  #guard<Result>(act: () => Promise<Result>): Promise<Result> {
    return this.#database.guard(act);
  }
}
