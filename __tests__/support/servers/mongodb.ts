import { join } from 'node:path';
import { MongoClient, MongoServerError } from 'mongodb';
import type { Recipe } from './server-process.js';
import { startOwn, type TestServer, useForeign } from './test-server.js';

/** What its clients need to know. */
export interface MongoDetails {
  /** E.g. `mongodb://127.0.0.1:20000/?replicaSet=rs0`. */
  readonly url: string;
  /** The same for a client that stays at this address and discovers no members: behind a proxy. */
  readonly directUrl: string;
}

export type MongoServer = TestServer & MongoDetails;

export interface MongoOptions {
  /**
   * Whether it is a replica set (`rs0`, of one member), and so has transactions.
   * @default true
   */
  readonly replicaSet?: boolean;
}

/** https://www.mongodb.com/docs/manual/reference/error-codes/ */
const ALREADY_INITIALIZED = 23;

/** How long a client looks for the server before it is asked again, in milliseconds. */
const SELECTION_TIMEOUT = 2000;

/** A MongoDB server of the tests' own (mongod), or that of `DEPOT_TEST_MONGODB_URL`. */
export async function startMongoServer({ replicaSet = true }: MongoOptions = {}): Promise<MongoServer> {
  const { DEPOT_TEST_MONGODB_URL: url } = process.env;
  if (url) return useForeign(url, { url, directUrl: directly(url) });
  return startOwn(replicaSet ? REPLICA_SET : SINGLE_SERVER, (port) => {
    const own = urlOf(port, replicaSet);
    return { url: own, directUrl: directly(own) };
  });
}

const SINGLE_SERVER: Recipe = {
  program: 'mongod',
  folders: ['data'],
  parameters: (port, folder) => [
    ...['--port', `${port}`, '--bind_ip', '127.0.0.1', '--nounixsocket', '--dbpath', join(folder, 'data')],
    ...['--wiredTigerCacheSizeGB', '0.25', '--setParameter', 'diagnosticDataCollectionEnabled=false'],
  ],
  greet: (port) => withClient(urlOf(port, false), ping),
};

const REPLICA_SET: Recipe = {
  ...SINGLE_SERVER,
  parameters: (port, folder) => [
    ...SINGLE_SERVER.parameters(port, folder),
    ...['--replSet', 'rs0', '--oplogSize', '64'],
  ],
  async greet(port) {
    await withClient(directly(urlOf(port, true)), (client) => initiate(client, port));
    await withClient(urlOf(port, true), ping);
  },
};

function urlOf(port: number, replicaSet: boolean): string {
  return `mongodb://127.0.0.1:${port}/${replicaSet ? '?replicaSet=rs0' : ''}`;
}

function directly(url: string): string {
  const direct = new URL(url);
  direct.searchParams.delete('replicaSet');
  direct.searchParams.set('directConnection', 'true');
  return direct.href;
}

async function withClient(url: string, use: (client: MongoClient) => Promise<unknown>): Promise<void> {
  const client = new MongoClient(url, { serverSelectionTimeoutMS: SELECTION_TIMEOUT });
  try {
    await use(client);
  } finally {
    await client.close();
  }
}

/** Waits for a server that can be written to. */
function ping(client: MongoClient): Promise<unknown> {
  return client.db('admin').command({ ping: 1 });
}

async function initiate(client: MongoClient, port: number): Promise<void> {
  const members = [{ _id: 0, host: `127.0.0.1:${port}` }];
  try {
    await client.db('admin').command({ replSetInitiate: { _id: 'rs0', members } });
  } catch (error) {
    if (!(error instanceof MongoServerError) || error.code !== ALREADY_INITIALIZED) throw error;
  }
}
