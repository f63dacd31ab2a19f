import pg from 'pg';
import type { Intent } from '../../../lib/attachments/journal/journal.js';
import { SqlJournal } from '../../../lib/attachments/journal/sql-journal.js';
import { executorOf } from '../../../lib/attachments/orm/prisma/dialect.js';
import { attachments } from '../../../lib/attachments/orm/prisma.js';
import type { HarnessDatabase, ProcessOptions } from '../../../lib/testing/index.js';
import type { PostgresServer } from '../servers/index.js';
import { MortalPool } from './mortal-pool.js';
import { POSTGRES_TABLES, postgresClient } from './prisma-client.js';
import { type ExtendedClient, PrismaHarness } from './prisma-orm.js';
import { postgresExecutor, readIntents } from './sql-executors.js';

const CONNECTIONS = 5;

type WrapAdapter = Parameters<typeof postgresClient>[1];

const plain: WrapAdapter = (adapter) => adapter;

/** A database of PostgreSQL for Prisma. */
export class PrismaPostgres implements HarnessDatabase {
  readonly #url: string;
  readonly #wrap: WrapAdapter;
  readonly #pool: pg.Pool;

  private constructor(url: string, wrap: WrapAdapter) {
    this.#url = url;
    this.#wrap = wrap;
    this.#pool = new pg.Pool({ connectionString: url, max: 2 });
  }

  static async create(server: PostgresServer, wrap: WrapAdapter = plain): Promise<PrismaPostgres> {
    const database = new PrismaPostgres(await server.createDatabase(), wrap);
    await database.#pool.query(POSTGRES_TABLES);
    return database;
  }

  async open(options: ProcessOptions): Promise<PrismaHarness> {
    const { depot, owner, onError, fields, watch } = options;
    const pool = new MortalPool({ connectionString: this.#url, max: CONNECTIONS }, options);
    const base = await postgresClient(pool, this.#wrap);
    const journal = watch(new SqlJournal({ dialect: 'postgres', outside: executorOf(async () => base) }));
    const { content, photo, pages } = fields;
    const models = { document: { content, photo, pages: [pages] as const } };
    const connections = CONNECTIONS;
    const client = base.$extends(attachments({ depot, owner, onError, journal, models, connections }));
    const close = async () => {
      await base.$disconnect();
      await pool.end();
    };
    return new PrismaHarness(client as ExtendedClient, () => pool.kill(), close);
  }

  async stored(): Promise<unknown[]> {
    const { rows } = await this.#pool.query('SELECT content, photo, pages FROM documents');
    return rows.flatMap(({ content, photo, pages }) => [content, photo, pages ?? []]);
  }

  intents(): Promise<Intent[]> {
    return readIntents({ dialect: 'postgres', outside: postgresExecutor(this.#pool) });
  }

  close(): Promise<void> {
    return this.#pool.end();
  }
}
