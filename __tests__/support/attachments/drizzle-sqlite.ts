import { mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Client, createClient } from '@libsql/client';
import { drizzle } from 'drizzle-orm/libsql';
import { integer, sqliteTable, text } from 'drizzle-orm/sqlite-core';
import type { Intent } from '../../../lib/attachments/journal/journal.js';
import { SqlJournal } from '../../../lib/attachments/journal/sql-journal.js';
import { dialectOf, outsideExecutor } from '../../../lib/attachments/orm/drizzle/dialect.js';
import type { Session } from '../../../lib/attachments/orm/drizzle/session.js';
import {
  sqliteAttachment,
  sqliteAttachmentList,
  withAttachments,
} from '../../../lib/attachments/orm/drizzle.js';
import type { DocumentFields, HarnessDatabase, ProcessOptions } from '../../../lib/testing/index.js';
import { removeFolder } from '../folders.js';
import { type Database, DrizzleHarness, sharedOptions, type Tables } from './drizzle-orm.js';
import { makeMortal } from './mortal-libsql.js';
import { libsqlExecutor, readIntents } from './sql-executors.js';

const TABLES = [
  'CREATE TABLE folders (id integer PRIMARY KEY AUTOINCREMENT, name text NOT NULL)',
  `CREATE TABLE documents (
    id integer PRIMARY KEY AUTOINCREMENT, name text NOT NULL UNIQUE, content text, photo text, pages text,
    folder_id integer REFERENCES folders (id) ON DELETE CASCADE
  )`,
];

function declareTables(fields: DocumentFields) {
  const folders = sqliteTable('folders', {
    id: integer('id').primaryKey(),
    name: text('name').notNull(),
  });
  const documents = sqliteTable('documents', {
    id: integer('id').primaryKey(),
    name: text('name').notNull().unique(),
    content: sqliteAttachment('content', fields.content),
    photo: sqliteAttachment('photo', fields.photo),
    pages: sqliteAttachmentList('pages', fields.pages),
    folderId: integer('folder_id').references(() => folders.id, { onDelete: 'cascade' }),
  });
  return { folders, documents };
}

/** A file of SQLite for Drizzle, and a folder for what is announced. */
export class DrizzleSqlite implements HarnessDatabase {
  readonly #folder: string;
  readonly #client: Client;

  private constructor(folder: string) {
    this.#folder = folder;
    this.#client = this.#connect();
  }

  static async create(): Promise<DrizzleSqlite> {
    const database = new DrizzleSqlite(await mkdtemp(join(tmpdir(), 'filedepot-drizzle-')));
    for (const statement of ['PRAGMA journal_mode = WAL', ...TABLES])
      await database.#client.execute(statement);
    return database;
  }

  async open(options: ProcessOptions): Promise<DrizzleHarness> {
    const client = this.#connect();
    const tables = declareTables(options.fields);
    const cut = makeMortal(client, options);
    const journal = this.#journal(client);
    const kill = async () => {
      await cut();
      await journal.close();
    };
    const plain = drizzle(client);
    const db = withAttachments(plain as never as Database, {
      ...sharedOptions(options, journal),
      tables,
    });
    const close = async () => client.close();
    return new DrizzleHarness({ db, tables: tables as never as Tables, kill, close });
  }

  async stored(): Promise<unknown[]> {
    const { rows } = await this.#client.execute('SELECT content, photo, pages FROM documents');
    return rows.flatMap(({ content, photo, pages }) => [content, photo, JSON.parse(`${pages ?? '[]'}`)]);
  }

  intents(): Promise<Intent[]> {
    const outside = libsqlExecutor(this.#client);
    return readIntents({ dialect: 'sqlite', outside, folder: join(this.#folder, 'intents') });
  }

  async close(): Promise<void> {
    this.#client.close();
    await removeFolder(this.#folder);
  }

  #connect(): Client {
    return createClient({ url: `file:${join(this.#folder, 'data.db')}` });
  }

  #journal(client: Client): SqlJournal {
    const db = drizzle(client);
    const outside = outsideExecutor(dialectOf(db), db as never as Session);
    return new SqlJournal({ dialect: 'sqlite', outside, folder: join(this.#folder, 'intents') });
  }
}
