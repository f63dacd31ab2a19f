import type { Connection, mongo } from 'mongoose';
import type { Intent } from '../../journal/journal.js';

/** https://www.mongodb.com/docs/manual/reference/error-codes/ */
const NAMESPACE_EXISTS = 48;

/** A document of the journal's collection. */
export interface Note {
  /** Of an intent its own; of a mark the upload's, with an ending; of places the collection's name. */
  readonly _id: string;
  /**
   * `upload` and `delete` are intents. A *mark* stands beside an upload: `kept` by the transaction that has it in a row,
   * `claimed` by who took it for abandoned. `places` says where a collection has attachments.
   */
  readonly state: Intent['state'] | 'kept' | 'claimed' | 'places';
  readonly paths: readonly string[];
  readonly owner?: string;
  readonly createdAt: Date;
}

/** The collection in which the journal is kept, beside those of the application. */
export class Notes {
  readonly #connection: Connection;
  readonly #name: string;

  constructor(connection: Connection, name: string) {
    this.#connection = connection;
    this.#name = name;
  }

  /** Waits for the connection to open, as mongoose's own methods do. */
  async open(): Promise<mongo.Collection<Note>> {
    return (await openDatabase(this.#connection)).collection<Note>(this.#name, DURABLE);
  }

  /** Transactions that create a collection hinder each other: it is made before. */
  async create(): Promise<void> {
    const database = await openDatabase(this.#connection);
    await database.createCollection(this.#name).catch((error) => {
      if (error.code !== NAMESPACE_EXISTS) throw error;
    });
  }
}

/** Notes must outlive the server that took them, and are read as they are. */
const DURABLE = { writeConcern: { w: 'majority' }, readPreference: 'primary' } as const;

/** A connection, with what mongoose keeps from the public. */
interface BufferingConnection extends Connection {
  /** As its own methods do, for `bufferTimeoutMS`; unless commands are not to be buffered. */
  _waitForConnect(): Promise<void>;
}

/** Waits for the connection to open, also where nobody has begun to connect yet. */
export async function openDatabase(connection: Connection): Promise<mongo.Db> {
  if (!connection.db) {
    await connection.asPromise();
    await (connection as BufferingConnection)._waitForConnect();
  }
  const { db } = connection;
  if (!db) throw new Error('mongoose has no connection to a database');
  return db;
}
