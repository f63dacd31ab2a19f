import { mkdtemp } from 'node:fs/promises';
import type { Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { MikroORM } from '@mikro-orm/core';
import { MikroORM as LibSqlOrm } from '@mikro-orm/libsql';
import { MikroORM as PostgresOrm } from '@mikro-orm/postgresql';
import { removeFolder } from '../folders.js';
import type { PostgresServer } from '../servers/index.js';
import type { MikroOrmTarget } from './mikro-orm.js';

/** A file of SQLite. */
export async function sqliteFile(): Promise<MikroOrmTarget> {
  const folder = await mkdtemp(join(tmpdir(), 'filedepot-mikro-orm-'));
  return {
    open: async (options) => {
      const orm = await LibSqlOrm.init({ dbName: join(folder, 'data.db'), ...(options as object) });
      await orm.em.getConnection().execute('PRAGMA journal_mode = WAL');
      return orm as unknown as MikroORM;
    },
    cut: rollBackAndClose,
    remove: () => removeFolder(folder),
  };
}

/** A database of a PostgreSQL server. */
export async function postgresDatabase(server: PostgresServer): Promise<MikroOrmTarget> {
  const clientUrl = await server.createDatabase();
  return {
    open: async (options) =>
      (await PostgresOrm.init({ clientUrl, ...(options as object) })) as unknown as MikroORM,
    cut: cutSockets,
    remove: async () => {},
  };
}

interface Database {
  readonly inTransaction: boolean;
  exec(sql: string): void;
  close(): void;
}

/** A pool of pg, and its clients; the types hide them. */
interface Pool {
  readonly _clients: readonly { readonly connection: { readonly stream: Socket } }[];
}

async function rollBackAndClose(orm: MikroORM): Promise<void> {
  const database = (await orm.driver.getConnection('write').getNativeClient()) as Database;
  if (database.inTransaction) database.exec('ROLLBACK');
  database.close();
}

async function cutSockets(orm: MikroORM): Promise<void> {
  const pool = (await orm.driver.getConnection('write').getNativeClient()) as Pool;
  for (const { connection } of pool._clients) connection.stream.destroy();
}
