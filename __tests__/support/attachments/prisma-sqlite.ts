import { mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Client, createClient } from '@libsql/client';
import type { Intent } from '../../../lib/attachments/journal/journal.js';
import { SqlJournal } from '../../../lib/attachments/journal/sql-journal.js';
import { executorOf } from '../../../lib/attachments/orm/prisma/dialect.js';
import { attachments } from '../../../lib/attachments/orm/prisma.js';
import type { HarnessDatabase, ProcessOptions } from '../../../lib/testing/index.js';
import { removeFolder } from '../folders.js';
import { makeMortal } from './mortal-libsql.js';
import { SQLITE_TABLES, sqliteClient } from './prisma-client.js';
import { type ExtendedClient, PrismaHarness } from './prisma-orm.js';
import { libsqlExecutor, readIntents } from './sql-executors.js';

/** A file of SQLite for Prisma, and a folder for what is announced. */
export class PrismaSqlite implements HarnessDatabase {
  readonly #folder: string;
  readonly #client: Client;

  private constructor(folder: string) {
    this.#folder = folder;
    this.#client = createClient({ url: this.#url });
  }

  static async create(): Promise<PrismaSqlite> {
    const database = new PrismaSqlite(await mkdtemp(join(tmpdir(), 'filedepot-prisma-')));
    for (const statement of ['PRAGMA journal_mode = WAL', ...SQLITE_TABLES])
      await database.#client.execute(statement);
    return database;
  }

  async open(options: ProcessOptions): Promise<PrismaHarness> {
    const { depot, owner, onError, fields, watch } = options;
    let cut = async () => {};
    const base = await sqliteClient(this.#url, (client) => {
      cut = makeMortal(client, options);
    });
    const outside = executorOf(async () => base);
    const folder = this.#intentFolder;
    const own = new SqlJournal({ dialect: 'sqlite', outside, folder });
    const journal = watch(own);
    const kill = async () => {
      await cut();
      await own.close();
    };
    const { content, photo, pages } = fields;
    const models = { document: { content, photo, pages: [pages] as const } };
    const client = base.$extends(attachments({ depot, owner, onError, journal, models }));
    return new PrismaHarness(
      client as ExtendedClient,
      () => kill(),
      () => base.$disconnect(),
    );
  }

  async stored(): Promise<unknown[]> {
    const { rows } = await this.#client.execute('SELECT content, photo, pages FROM documents');
    return rows.flatMap(({ content, photo, pages }) => [content, photo, JSON.parse(`${pages ?? '[]'}`)]);
  }

  intents(): Promise<Intent[]> {
    const outside = libsqlExecutor(this.#client);
    return readIntents({ dialect: 'sqlite', outside, folder: this.#intentFolder });
  }

  async close(): Promise<void> {
    this.#client.close();
    await removeFolder(this.#folder);
  }

  get #url(): string {
    return `file:${join(this.#folder, 'data.db')}`;
  }

  get #intentFolder(): string {
    return join(this.#folder, 'intents');
  }
}
