import type { Readable } from 'node:stream';
import type { Db, MongoClient } from 'mongodb';
import type { Capabilities } from '../contract/capabilities.js';
import { FileStorage, type ListOptions, type ReadOptions, type StagingArea } from '../contract/storage.js';
import type { FileDetails, StreamOptions } from '../contract/stored-file.js';
import { DepotError, FileNotFoundError } from '../errors.js';
import { ContentStream } from './gridfs/content-stream.js';
import { type Bucket, Database, type DatabaseSource } from './gridfs/database.js';
import { type ContentKey, contentKeyOf, type FileDocument, parseDetails } from './gridfs/documents.js';
import { Intents } from './gridfs/intents.js';
import { createObjectId, isObjectId, rangeOf } from './gridfs/object-ids.js';
import { Publication } from './gridfs/publication.js';
import { GridFSStagingArea } from './gridfs/staging-area.js';

/** As Python's filedepot calls it. */
const DEFAULT_COLLECTION = 'filedepot';

/** 255 KiB, the default of the GridFS specification. */
const DEFAULT_CHUNK_SIZE = 255 * 1024;

/** A document holds at most 16 MiB, with its keys. */
const MAX_CHUNK_SIZE = 15 * 1024 * 1024;

/**
 * Bytes that one command sends: four chunks of the default size. Larger pieces are hardly faster, and each upload holds
 * several in memory: one that is sent, one that is filled, those that wait, and the driver's copies.
 */
const PIECE_SIZE = 4 * DEFAULT_CHUNK_SIZE;

/** Ids that one command asks for. */
const PAGE_SIZE = 1000;

/** What is needed of a `MongoClient` that the application has made. */
export interface GridFSClient {
  db(name?: string): object;
}

/** What is needed of a `Db` that the application has made. */
export interface GridFSDb {
  collection(name: string): object;
  readonly databaseName: string;
}

/** One of `uri`, `client` and `db` must be given. */
export interface GridFSStorageOptions {
  /**
   * `mongodb://` or `mongodb+srv://`, with the options of the driver. Where it does not set `serverSelectionTimeoutMS`,
   * `connectTimeoutMS` (10 s), `socketTimeoutMS` and `waitQueueTimeoutMS` (20 s), they are set so that nothing waits
   * without an end.
   */
  readonly uri?: string | undefined;
  /** A `MongoClient` of the application's, with the time limits that it has; it is not closed with the storage. */
  readonly client?: GridFSClient | undefined;
  /** A `Db` of the application's; its client is not closed with the storage. */
  readonly db?: GridFSDb | undefined;
  /** Name of the database. @default the one that `uri` names after its hosts, or the client's own */
  readonly database?: string | undefined;
  /** Files are in `<collection>.files`, their content in `<collection>.chunks`. @default 'filedepot' */
  readonly collection?: string | undefined;
  /** Bytes of a chunk, from 1 KiB to 15 MiB. Files in other chunks are read all the same. @default 261120 */
  readonly chunkSizeBytes?: number | undefined;
}

/**
 * Keeps files in MongoDB's GridFS, in a format shared with Python's filedepot and with the drivers' own buckets. Ids are
 * ObjectIds, in 24 small hexadecimal digits. Several processes may use a collection at once.
 */
export class GridFSStorage extends FileStorage {
  readonly capabilities: Capabilities = new Set();
  protected override readonly pieceSize: number;
  readonly #chunkSize: number;
  readonly #database: Database;
  readonly #intents: Intents;
  readonly #publication: Publication;
  /** Contents that the details which we gave belong to. */
  readonly #contents = new WeakMap<FileDetails, ContentKey>();

  /**
   * Nothing is connected before the storage is used; what a crash has left is swept then.
   * @throws DepotError `INVALID_OPTION`
   */
  constructor(options: GridFSStorageOptions) {
    super();
    const { collection = DEFAULT_COLLECTION, chunkSizeBytes = DEFAULT_CHUNK_SIZE } = options;
    assertCollection(collection);
    assertChunkSize(chunkSizeBytes);
    this.#chunkSize = chunkSizeBytes;
    this.pieceSize = Math.max(1, Math.floor(PIECE_SIZE / chunkSizeBytes)) * chunkSizeBytes;
    this.#database = new Database(sourceOf(options), collection);
    this.#intents = new Intents(this.#database);
    this.#publication = new Publication(this.#database, this.#intents);
  }

  override newId(): string {
    return createObjectId();
  }

  async check(): Promise<void> {
    await this.#guard(async () => {
      const { files } = await this.#database.openForWriting();
      await files.findOne({}, { projection: { _id: 1 } });
    });
  }

  override async close(): Promise<void> {
    this.#intents.stop();
    await this.#database.close();
  }

  protected openStaging(): StagingArea {
    this.#intents.startSweeping();
    void this.#intents.catchUp();
    const sizes = { chunkSize: this.#chunkSize, pieceSize: this.pieceSize };
    return new GridFSStagingArea(this.#database, this.#intents, this.#publication, sizes);
  }

  protected async readDetails(id: string, { signal }: ReadOptions): Promise<FileDetails> {
    const document = await this.#guard(() => this.#find(id, signal));
    if (!document) throw new FileNotFoundError(id);
    const details = parseDetails(document);
    this.#contents.set(details, contentKeyOf(document));
    return details;
  }

  protected openStream(details: FileDetails, options: StreamOptions): Readable {
    const content = this.#contents.get(details);
    if (!content) throw new FileNotFoundError(details.id);
    return new ContentStream(this.#database, content, options);
  }

  protected async remove(id: string): Promise<void> {
    if (!isObjectId(id)) return;
    await this.#guard(async () => {
      const { driver } = await this.#database.open();
      await this.#publication.remove(driver.ObjectId.createFromHexString(id));
    });
  }

  /** By pages: no cursor waits at the server for whoever reads slowly. */
  protected async *listIds(options: ListOptions): AsyncIterable<string> {
    let { after } = options;
    for (;;) {
      options.signal?.throwIfAborted();
      const page = await this.#guard(() => this.#listPage({ ...options, after }));
      yield* page;
      if (page.length < PAGE_SIZE) return;
      after = page.at(-1);
    }
  }

  async #listPage(options: ListOptions): Promise<string[]> {
    const range = rangeOf(options);
    if (!range) return [];
    const { driver, files } = await this.#database.open();
    const bounds = Object.fromEntries(
      Object.entries(range).map(([name, id]) => [name, driver.ObjectId.createFromHexString(id)]),
    );
    const order = {
      sort: { _id: 1 },
      projection: { _id: 1 },
      limit: PAGE_SIZE,
      batchSize: PAGE_SIZE + 1,
    } as const;
    const documents = await files.find({ _id: bounds }, order).toArray();
    return documents.map(({ _id }) => _id.toHexString());
  }

  async #find(id: string, signal: AbortSignal | undefined): Promise<FileDocument | null> {
    if (!isObjectId(id)) return null;
    const { driver, files }: Bucket = await this.#database.open();
    const _id = driver.ObjectId.createFromHexString(id);
    return files.findOne({ _id }, signal ? { signal } : {});
  }

  #guard<Result>(act: () => Promise<Result>): Promise<Result> {
    return this.#database.guard(act);
  }
}

/** A collection of MongoDB, whose names are prefixes of ours. */
function assertCollection(collection: string): void {
  if (/^(?!system\.)[^\0$.][^\0$]{0,99}$/.test(collection)) return;
  throw new DepotError('INVALID_OPTION', `Not the name of a collection: ${JSON.stringify(collection)}`);
}

function assertChunkSize(chunkSizeBytes: number): void {
  if (Number.isInteger(chunkSizeBytes) && chunkSizeBytes >= 1024 && chunkSizeBytes <= MAX_CHUNK_SIZE) return;
  throw new DepotError(
    'INVALID_OPTION',
    `chunkSizeBytes must be from 1024 to ${MAX_CHUNK_SIZE}, not ${chunkSizeBytes}`,
  );
}

function sourceOf({ uri, client, db, database }: GridFSStorageOptions): DatabaseSource {
  if ([uri, client, db].filter((given) => given !== undefined).length !== 1) {
    throw new DepotError('INVALID_OPTION', 'One of uri, client and db must be given');
  }
  if (db) return { db: db as Db };
  if (client) return { client: client as MongoClient, database };
  return { uri: checkedUri(uri ?? '', database), database };
}

/** Its text is kept out of the errors: it may hold a password. */
function checkedUri(uri: string, database: string | undefined): string {
  const parts = /^mongodb(?:\+srv)?:\/\/[^/?#]+(?:\/(?<path>[^?#]*))?/.exec(uri);
  if (!parts)
    throw new DepotError('INVALID_OPTION', 'uri must begin with mongodb:// or mongodb+srv://, and a host');
  if (database || parts.groups?.path) return uri;
  throw new DepotError('INVALID_OPTION', 'uri must name a database, as in mongodb://localhost/files');
}
