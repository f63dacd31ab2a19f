import { mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { createClient } from '@libsql/client';
import pg from 'pg';
import { type KilledRow, killAtRandom, SHARED_ROWS } from '../support/attachments/killing.js';
import { libsqlExecutor, postgresExecutor, readIntents } from '../support/attachments/sql-executors.js';
import { removeFolder } from '../support/folders.js';
import { describeWith, sqliteDriver, startPostgresServer } from '../support/servers/index.js';

const TIMEOUT = 3_600_000;

let folder: string;
const closings: (() => Promise<void>)[] = [];

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'filedepot-killing-'));
});

afterEach(async () => {
  for (const close of closings.splice(0)) await close();
  await removeFolder(folder);
});

const INSERT = `INSERT INTO documents (name) VALUES ${SHARED_ROWS.map((name) => `('${name}')`).join(', ')}`;
const SELECT = 'SELECT name, content, photo FROM documents';

type StoredRow = Record<keyof KilledRow, unknown>;

function rowsOf(rows: readonly StoredRow[]): KilledRow[] {
  const read = (value: unknown) => (value === null ? null : JSON.parse(String(value)));
  return rows.map(({ name, content, photo }) => ({
    name: String(name),
    content: read(content),
    photo: read(photo),
  }));
}

await describeWith('kill -9 at random moments', [startPostgresServer], (server) => {
  test(
    'PostgreSQL: nothing is lost that was promised, and nothing is left behind',
    async () => {
      const address = await server.createDatabase();
      const pool = new pg.Pool({ connectionString: address, max: 1 });
      closings.push(() => pool.end());
      await pool.query('CREATE TABLE documents (name text PRIMARY KEY, content text, photo text)');
      await pool.query(INSERT);
      const report = await killAtRandom({
        script: 'typeorm-postgres.js',
        address,
        storagePath: join(folder, 'files'),
        rows: async () => rowsOf((await pool.query<StoredRow>(SELECT)).rows),
        intents: () => readIntents({ dialect: 'postgres', outside: postgresExecutor(pool) }),
      });
      expect(report.promises).toBeGreaterThan(report.kills);
    },
    TIMEOUT,
  );
});

await describeWith('kill -9 at random moments', [sqliteDriver], (_driver) => {
  test(
    'SQLite: nothing is lost that was promised, and nothing is left behind',
    async () => {
      const address = join(folder, 'data.db');
      const client = createClient({ url: `file:${address}` });
      closings.push(async () => client.close());
      await client.execute('PRAGMA journal_mode = WAL');
      await client.execute('CREATE TABLE documents (name text PRIMARY KEY, content text, photo text)');
      await client.execute(INSERT);
      const outside = libsqlExecutor(client);
      const intents = `${address}.depot-intents`;
      const report = await killAtRandom({
        script: 'sequelize-sqlite.js',
        address,
        storagePath: join(folder, 'files'),
        rows: async () => rowsOf((await client.execute(SELECT)).rows as unknown as StoredRow[]),
        intents: () => readIntents({ dialect: 'sqlite', outside, folder: intents }),
      });
      expect(report.promises).toBeGreaterThan(report.kills);
    },
    TIMEOUT,
  );
});
