import { randomUUID } from 'node:crypto';
import { join } from 'node:path';
import { Client } from 'pg';
import type { Recipe } from './server-process.js';
import { startOwn, type TestServer, useForeign } from './test-server.js';

/** What its clients need to know. */
export interface PostgresDetails {
  /** E.g. `postgres://tests@127.0.0.1:20000/postgres`. */
  readonly url: string;
  /** Makes an empty database and gives its URL. It is for one test, and need not be removed. */
  createDatabase(): Promise<string>;
}

export type PostgresServer = TestServer & PostgresDetails;

/** A PostgreSQL server of the tests' own, or that of `DEPOT_TEST_POSTGRES_URL`. */
export async function startPostgresServer(): Promise<PostgresServer> {
  const { DEPOT_TEST_POSTGRES_URL: url } = process.env;
  return url ? useForeign(url, detailsOf(url)) : startOwn(RECIPE, (port) => detailsOf(urlOf(port)));
}

const RECIPE: Recipe = {
  program: 'postgres',
  launcher: join(import.meta.dirname, 'postgres.sh'),
  folders: [],
  parameters: (port, folder) => [`${port}`, folder],
  greet: (port) => withClient(urlOf(port), (client) => client.query('SELECT 1')),
};

function urlOf(port: number): string {
  return `postgres://tests@127.0.0.1:${port}/postgres`;
}

function detailsOf(url: string): PostgresDetails {
  const createDatabase = async () => {
    const name = `test_${randomUUID().replaceAll('-', '')}`;
    // Files are copied faster than a new database is logged.
    await withClient(url, (client) => client.query(`CREATE DATABASE ${name} STRATEGY file_copy`));
    return Object.assign(new URL(url), { pathname: name }).href;
  };
  return { url, createDatabase };
}

async function withClient(url: string, use: (client: Client) => Promise<unknown>): Promise<void> {
  const client = new Client({ connectionString: url });
  await client.connect();
  try {
    await use(client);
  } finally {
    await client.end();
  }
}
