import { drizzle } from 'drizzle-orm/node-postgres';
import { integer, pgTable, serial, text } from 'drizzle-orm/pg-core';
import pg from 'pg';
import type { Intent } from '../../../lib/attachments/journal/journal.js';
import { SqlJournal } from '../../../lib/attachments/journal/sql-journal.js';
import { dialectOf, outsideExecutor } from '../../../lib/attachments/orm/drizzle/dialect.js';
import type { Session } from '../../../lib/attachments/orm/drizzle/session.js';
import { pgAttachment, pgAttachmentList, withAttachments } from '../../../lib/attachments/orm/drizzle.js';
import type { DocumentFields, HarnessDatabase, ProcessOptions } from '../../../lib/testing/index.js';
import type { PostgresServer } from '../servers/index.js';
import { type Database, DrizzleHarness, sharedOptions, type Tables } from './drizzle-orm.js';
import { MortalPool } from './mortal-pool.js';
import { postgresExecutor, readIntents } from './sql-executors.js';

const TABLES = `
  CREATE TABLE folders (id serial PRIMARY KEY, name text NOT NULL);
  CREATE TABLE documents (
    id serial PRIMARY KEY, name text NOT NULL UNIQUE, content jsonb, photo jsonb, pages jsonb,
    folder_id integer REFERENCES folders (id) ON DELETE CASCADE
  );
`;

function declareTables(fields: DocumentFields) {
  const folders = pgTable('folders', { id: serial('id').primaryKey(), name: text('name').notNull() });
  const documents = pgTable('documents', {
    id: serial('id').primaryKey(),
    name: text('name').notNull().unique(),
    content: pgAttachment('content', fields.content),
    photo: pgAttachment('photo', fields.photo),
    pages: pgAttachmentList('pages', fields.pages),
    folderId: integer('folder_id').references(() => folders.id, { onDelete: 'cascade' }),
  });
  return { folders, documents };
}

/** A database of PostgreSQL for Drizzle. */
export class DrizzlePostgres implements HarnessDatabase {
  readonly #url: string;
  readonly #pool: pg.Pool;

  private constructor(url: string) {
    this.#url = url;
    this.#pool = new pg.Pool({ connectionString: url, max: 2 });
  }

  static async create(server: PostgresServer): Promise<DrizzlePostgres> {
    const database = new DrizzlePostgres(await server.createDatabase());
    await database.#pool.query(TABLES);
    return database;
  }

  async open(options: ProcessOptions): Promise<DrizzleHarness> {
    const pool = new MortalPool({ connectionString: this.#url, max: 5 }, options);
    const tables = declareTables(options.fields);
    const plain = drizzle(pool);
    const db = withAttachments(plain as never as Database, {
      ...sharedOptions(options, journalOf(pool)),
      tables,
    });
    const [kill, close] = [() => pool.kill(), () => pool.end()];
    return new DrizzleHarness({ db, tables: tables as never as Tables, kill, close });
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

function journalOf(pool: pg.Pool): SqlJournal {
  const db = drizzle(pool);
  const outside = outsideExecutor(dialectOf(db), db as never as Session);
  return new SqlJournal({ dialect: 'postgres', outside });
}
