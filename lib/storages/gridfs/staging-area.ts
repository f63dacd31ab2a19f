import type { ObjectId } from 'mongodb';
import type { NewFileDetails, StagingArea } from '../../contract/storage.js';
import { DepotError, FileNotFoundError } from '../../errors.js';
import { insertChunks } from './contents.js';
import type { Database } from './database.js';
import type { Intents } from './intents.js';
import { isObjectId } from './object-ids.js';
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
  /** Bytes that are not at the server: all, or those after the last whole chunk. */
  #rest: Buffer = NOTHING;
  #chunksSent = 0;
  /** What may be at the server is not known. */
  #isUncertain = false;
  /** The file that this should become. */
  #fileId: ObjectId | undefined;
  #isNewFile = false;

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

  write(chunks: readonly Buffer[]): Promise<void> {
    return this.#guard(async () => {
      const { chunkSize, pieceSize } = this.#sizes;
      const isFirst = this.#chunksSent === 0 && this.#rest.byteLength === 0;
      this.#rest = Buffer.concat([this.#rest, ...chunks]);
      const { byteLength } = this.#rest;
      if (!isFirst || byteLength > 2 * pieceSize) await this.#send(byteLength - (byteLength % chunkSize));
    });
  }

  finish(): Promise<void> {
    return this.#guard(async () => {
      await this.#database.openForWriting();
      await this.#begin();
      if (this.#chunksSent > 0) await this.#send(this.#rest.byteLength);
    });
  }

  commit(details: NewFileDetails): Promise<void> {
    return this.#guard(async () => {
      if (!isObjectId(details.id)) {
        throw new DepotError('UNSUPPORTED', `Ids of GridFS are ObjectIds, not ${JSON.stringify(details.id)}`);
      }
      this.#isNewFile = true;
      const staged = await this.#stagedFor(details.id);
      await this.#publication.create(staged, details);
    });
  }

  replace(details: NewFileDetails): Promise<void> {
    return this.#guard(async () => {
      const staged = await this.#stagedFor(details.id);
      await this.#publication.replace(staged, details);
    });
  }

  /** What cannot be removed now is left to the sweep. */
  async discard(): Promise<void> {
    this.#rest = NOTHING;
    const revision = this.#revision;
    if (!revision || (this.#chunksSent === 0 && !this.#fileId)) return;
    try {
      await this.#remove(revision);
    } catch {
      this.#intents.abandon(revision);
    }
  }

  async #remove(revision: ObjectId): Promise<void> {
    const fileId = this.#fileId ?? revision;
    if (this.#isNewFile) await this.#publication.retract(fileId, revision);
    const isSettled = await settle(await this.#database.open(), { fileId, contents: [revision] });
    // A write of which nobody knows how it went may still arrive: the sweep looks again.
    if (isSettled && !this.#isUncertain) await this.#intents.end(revision);
    else this.#intents.abandon(revision);
  }

  async #begin(): Promise<ObjectId> {
    const { driver } = await this.#database.open();
    this.#revision ??= new driver.ObjectId();
    return this.#revision;
  }

  /** Sends whole chunks, or all that is left. */
  async #send(byteLength: number): Promise<void> {
    if (byteLength === 0) return;
    const { pieceSize } = this.#sizes;
    for (let start = 0; start < byteLength; start += pieceSize) {
      await this.#sendPiece(this.#rest.subarray(start, Math.min(start + pieceSize, byteLength)));
    }
    // A copy: the whole piece would stay in memory behind its last bytes.
    this.#rest = Buffer.from(this.#rest.subarray(byteLength));
  }

  async #sendPiece(piece: Buffer): Promise<void> {
    const { chunkSize } = this.#sizes;
    const bucket = await this.#database.openForWriting();
    const revision = await this.#begin();
    const first = this.#chunksSent;
    this.#chunksSent += Math.ceil(piece.byteLength / chunkSize);
    if (first === 0) await this.#intents.begin(revision, { fileId: revision, contents: [revision] });
    this.#isUncertain = true;
    await insertChunks(bucket, { fileId: revision, revision }, piece, { chunkSize, first });
    this.#isUncertain = false;
  }

  async #stagedFor(id: string) {
    if (!isObjectId(id)) throw new FileNotFoundError(id);
    const { driver } = await this.#database.open();
    const revision = await this.#begin();
    this.#fileId = driver.ObjectId.createFromHexString(id);
    const held = this.#chunksSent === 0 ? this.#rest : undefined;
    return { revision, held, chunkSize: this.#sizes.chunkSize };
  }

  #guard<Result>(act: () => Promise<Result>): Promise<Result> {
    return this.#database.guard(act);
  }
}
