import { randomUUID } from 'node:crypto';
import { type Db, MongoClient } from 'mongodb';
import { GridFSStorage, type GridFSStorageOptions } from '../../lib/storages/gridfs.js';
import type { StorageUnderTest } from '../../lib/testing/index.js';
import { type MongoServer, startMongoServer } from './servers/index.js';

/** A database of a test's own, on a server that it starts. */
export interface TestDatabase {
  readonly server: MongoServer;
  readonly client: MongoClient;
  readonly db: Db;
  /** Leaves nothing, also where the server is not the tests' own. */
  stop(): Promise<void>;
}

export async function startMongoDatabase(options: { replicaSet?: boolean } = {}): Promise<TestDatabase> {
  const server = await startMongoServer(options);
  const client = new MongoClient(server.url, { monitorCommands: true });
  const db = client.db(`filedepot-${randomUUID()}`);
  const stop = async () => {
    await db.dropDatabase();
    await client.close();
    await server.stop();
  };
  return { server, client, db, stop };
}

/** A storage in the database, as the conformance suite wants it. */
export function openGridFS(db: Db, options: GridFSStorageOptions = { db }): StorageUnderTest {
  const storage = new GridFSStorage(options);
  return { storage, leftovers: () => leftoversOf(db), cleanup: () => storage.close() };
}

/** Chunks without a file, and notes of what is not finished. */
export async function leftoversOf(db: Db): Promise<string[]> {
  const ids = await db.collection('filedepot.files').distinct('_id');
  const orphans = await db
    .collection('filedepot.chunks')
    .find({ files_id: { $nin: ids } }, { projection: { files_id: 1, n: 1 } })
    .toArray();
  const intents = await db.collection('filedepot.intents').find().toArray();
  return [
    ...orphans.map(({ files_id, n }) => `chunk ${n} of ${files_id}`),
    ...intents.map(({ _id }) => `intent ${_id}`),
  ];
}
