import { setTimeout as delay } from 'node:timers/promises';
import type { ClientSession, Collection, CollectionOptions, Db, MongoClient } from 'mongodb';
import { DepotError } from '../../errors.js';
import { OptionalPeer } from '../../internal/peer.js';
import type { ChunkDocument, FileDocument } from './documents.js';
import { hasLabel, serverCode, toStorageError } from './errors.js';
import type { IntentDocument } from './intents.js';

/** The driver. */
export type Driver = typeof import('mongodb');

/** Loaded when a GridFS storage is first used. */
export const driverPeer: OptionalPeer<Driver> = new OptionalPeer('mongodb', () => import('mongodb'));

/**
 * Milliseconds after which a client of ours gives up, unless its URI says otherwise. The driver itself would wait without
 * an end for a server that has gone silent, and its `timeoutMS` has no effect any more (since 7.9).
 */
const TIMEOUTS = {
  serverSelectionTimeoutMS: 10_000,
  connectTimeoutMS: 10_000,
  socketTimeoutMS: 20_000,
  waitQueueTimeoutMS: 20_000,
} as const;

/** Milliseconds for which a transaction that others disturb is tried again. */
const TRANSACTION_PATIENCE = 10_000;

/** Milliseconds between two tries, at most. */
const TRANSACTION_PAUSE = 100;

/** IndexOptionsConflict, IndexKeySpecsConflict: there is one like it already, made by an older driver. */
const INDEX_EXISTS = new Set<number | undefined>([85, 86]);

/** Where files are: a URI, or what the application has opened itself. */
export type DatabaseSource =
  | { readonly uri: string; readonly database: string | undefined }
  | { readonly client: MongoClient; readonly database: string | undefined }
  | { readonly db: Db };

/** The collections of a bucket, and what its server can do. */
export interface Bucket {
  readonly driver: Driver;
  readonly client: MongoClient;
  readonly files: Collection<FileDocument>;
  readonly chunks: Collection<ChunkDocument>;
  readonly intents: Collection<IntentDocument>;
  /** A replica set or a sharded cluster has them, a single server has not. */
  readonly hasTransactions: boolean;
}

/** Opens a bucket late, once, and again if that failed. */
export class Database {
  readonly #source: DatabaseSource;
  readonly #collection: string;
  #ownClient: MongoClient | undefined;
  #bucket: Promise<Bucket> | undefined;
  #indexes: Promise<void> | undefined;
  #closed = false;

  constructor(source: DatabaseSource, collection: string) {
    this.#source = source;
    this.#collection = collection;
  }

  /** The bucket, without a promise to make any of it. */
  open(): Promise<Bucket> {
    this.#bucket ??= this.#open().catch(async (error) => {
      await this.#forget();
      throw error;
    });
    return this.#bucket;
  }

  /** The bucket, with the indexes that readers and writers rely on. */
  async openForWriting(): Promise<Bucket> {
    const bucket = await this.open();
    this.#indexes ??= createIndexes(bucket).catch((error) => {
      this.#indexes = undefined;
      throw error;
    });
    await this.#indexes;
    return bucket;
  }

  /** Closes the client, if it is ours. */
  async close(): Promise<void> {
    this.#closed = true;
    await this.#ownClient?.close();
  }

  /** Runs an act, and gives its failures our codes. */
  async guard<Result>(act: () => Promise<Result>): Promise<Result> {
    try {
      return await act();
    } catch (error) {
      throw toStorageError(error, `GridFS collection "${this.#collection}"`);
    }
  }

  /** A client whose first connection failed does not recover. */
  async #forget(): Promise<void> {
    const client = this.#ownClient;
    this.#ownClient = undefined;
    this.#bucket = undefined;
    await client?.close().catch(() => {});
  }

  async #open(): Promise<Bucket> {
    const driver = await driverPeer.load();
    // A client that is made now would never be closed.
    if (this.#closed) throw new DepotError('STORAGE_UNAVAILABLE', 'The storage is closed');
    const db = this.#selectDatabase(driver);
    const hello = await db.command({ hello: 1 });
    const name = this.#collection;
    return {
      driver,
      client: db.client,
      files: db.collection<FileDocument>(`${name}.files`, { ...READING, ...DURABLE }),
      chunks: db.collection<ChunkDocument>(`${name}.chunks`, { ...READING, ...ACKNOWLEDGED }),
      intents: db.collection<IntentDocument>(`${name}.intents`, { ...READING, ...ACKNOWLEDGED }),
      hasTransactions: 'setName' in hello || hello.msg === 'isdbgrid',
    };
  }

  #selectDatabase(driver: Driver): Db {
    if ('db' in this.#source) return this.#source.db;
    if ('client' in this.#source) return this.#source.client.db(this.#source.database);
    const { uri, database } = this.#source;
    this.#ownClient ??= new driver.MongoClient(uri, missingTimeouts(uri));
    return this.#ownClient.db(database);
  }
}

/** What is acknowledged is on the disks of most servers; the journal of a single one is in order, so its last entry tells for all. */
const ACKNOWLEDGED: CollectionOptions = { writeConcern: { w: 'majority' } };
const DURABLE: CollectionOptions = { writeConcern: { w: 'majority', journal: true } };

/** Readers see what was written before, and plain values, whatever the client was told. */
const READING: CollectionOptions = {
  readPreference: 'primary',
  promoteBuffers: true,
  promoteLongs: true,
  promoteValues: true,
  useBigInt64: false,
  raw: false,
};

function missingTimeouts(uri: string): Record<string, number> {
  const query = uri.slice(uri.indexOf('?') + 1);
  const given = new Set([...new URLSearchParams(query).keys()].map((name) => name.toLowerCase()));
  return Object.fromEntries(Object.entries(TIMEOUTS).filter(([name]) => !given.has(name.toLowerCase())));
}

/** Those of the GridFS specification: others make the same. */
async function createIndexes({ files, chunks }: Bucket): Promise<void> {
  await unlessThere(files.createIndex({ filename: 1, uploadDate: 1 }));
  await unlessThere(chunks.createIndex({ files_id: 1, n: 1 }, { unique: true }));
}

async function unlessThere(creating: Promise<unknown>): Promise<void> {
  try {
    await creating;
  } catch (error) {
    if (!INDEX_EXISTS.has(serverCode(error))) throw error;
  }
}

/**
 * Runs an act in a transaction: all of it or nothing. Disturbed by others, it is run again for some seconds.
 * The driver's own `withTransaction` would try for two minutes.
 */
export async function inTransaction<Result>(
  { client, driver }: Bucket,
  act: (session: ClientSession) => Promise<Result>,
): Promise<Result> {
  const patienceEnd = Date.now() + TRANSACTION_PATIENCE;
  const session = client.startSession();
  try {
    for (;;) {
      try {
        return await tryTransaction(session, driver, act);
      } catch (error) {
        if (!hasLabel(error, 'TransientTransactionError') || Date.now() > patienceEnd) throw error;
      }
      await delay(Math.random() * TRANSACTION_PAUSE);
    }
  } finally {
    await session.endSession();
  }
}

async function tryTransaction<Result>(
  session: ClientSession,
  driver: Driver,
  act: (session: ClientSession) => Promise<Result>,
): Promise<Result> {
  session.startTransaction({
    writeConcern: { w: 'majority', journal: true },
    // The client's own may be one that transactions do not take.
    readConcern: { level: 'local' },
    readPreference: 'primary',
  });
  try {
    const result = await act(session);
    await commit(session, driver);
    return result;
  } catch (error) {
    if (session.inTransaction()) await session.abortTransaction();
    throw error;
  }
}

/** The driver (7.9) stumbles over what a socket fails with, for which it looks for labels. */
async function commit(session: ClientSession, driver: Driver): Promise<void> {
  try {
    await session.commitTransaction();
  } catch (cause) {
    if (!(cause instanceof TypeError)) throw cause;
    throw new driver.MongoNetworkError('The connection failed during a commit', { cause });
  }
}
