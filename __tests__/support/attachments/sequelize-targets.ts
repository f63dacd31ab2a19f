import { mkdtemp } from 'node:fs/promises';
import type { Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import type { Sequelize } from 'sequelize';
import { removeFolder } from '../folders.js';
import type { PostgresServer } from '../servers/index.js';
import type { SequelizeTarget } from './sequelize-orm.js';

/** A file of SQLite. @param dialectModule the package `sqlite3` */
export async function sqliteFile(dialectModule: object): Promise<SequelizeTarget> {
  const folder = await mkdtemp(join(tmpdir(), 'filedepot-sequelize-'));
  return {
    options: {
      ...{ dialect: 'sqlite', storage: join(folder, 'data.db'), dialectModule },
      retry: { max: 200, match: [/SQLITE_BUSY/], backoffBase: 10, backoffExponent: 1 },
    },
    cut: closeFiles,
    remove: () => removeFolder(folder),
  };
}

/** A database of a PostgreSQL server. */
export async function postgresDatabase(server: PostgresServer): Promise<SequelizeTarget> {
  const { hostname, port, username, password, pathname } = new URL(await server.createDatabase());
  return {
    options: {
      dialect: 'postgres',
      ...{ host: hostname, port: Number(port), username, password, database: pathname.slice(1) },
    },
    cut: async (_sequelize, connections) => {
      for (const { connection } of connections as Set<PostgresConnection>) connection.stream.destroy();
    },
    remove: async () => {},
  };
}

/** A `Client` of pg, of which its types hide this. */
interface PostgresConnection {
  readonly connection: { readonly stream: Socket };
}

interface Internals {
  /** Of SQLite: connections by transaction. */
  readonly connectionManager: { readonly connections: Readonly<Record<string, SqliteConnection>> };
}

interface SqliteConnection {
  close(done: (error: Error | null) => void): void;
}

/** What is open is rolled back. */
async function closeFiles(sequelize: Sequelize): Promise<void> {
  const { connections } = (sequelize as unknown as Internals).connectionManager;
  for (const connection of Object.values(connections)) await promisify(connection.close.bind(connection))();
}
