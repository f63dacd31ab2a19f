import type { DataSource } from 'typeorm';
import { DepotError } from '../../errors.js';
import { type AttachmentOptions, Attachments, type Recovery } from '../attachments.js';
import type { IntentJournal } from '../journal/journal.js';
import { DEFAULT_TABLE, type SqlExecutor, SqlJournal } from '../journal/sql-journal.js';
import { registerBuilders } from './typeorm/builders.js';
import { connectOutside, dialectOf, type OutsideConnection } from './typeorm/database.js';
import { FieldMap } from './typeorm/fields.js';
import { Following, followingOf } from './typeorm/following.js';
import { tableOf } from './typeorm/rows.js';

export { Attachment, type AttachmentInput, attach } from '../attachment.js';
export { AttachmentColumn, type AttachmentColumnOptions, attachmentColumn } from './typeorm/column.js';

export interface TypeOrmAttachmentOptions extends AttachmentOptions {
  /**
   * Name of the journal's table, as SQL has it; it is made where it is missing. @default 'depot_intents', in the data
   * source's schema
   */
  readonly table?: string | undefined;
  /**
   * With SQLite: a folder on this machine, for this database alone, for what must be noted down while a transaction is
   * open. @default the name of the database file, with `.depot-intents` at its end; `./var/depot-intents` in memory
   */
  readonly journalPath?: string | undefined;
  /** A journal in place of the one in the database. */
  readonly journal?: ((outside: SqlExecutor) => IntentJournal<SqlExecutor>) | undefined;
}

/** What an application does with the attachments of a data source. */
export interface TypeOrmAttachments {
  /** Settles what processes that are no more have left. Call it when the application starts. */
  recover(): Promise<Recovery>;
  /** Resolves when nothing is done in the background any more. */
  idle(): Promise<void>;
  /** Waits for what is under way, and closes what was opened. Call it before `dataSource.destroy()`. */
  close(): Promise<void>;
}

/**
 * Lets the files of `AttachmentColumn`s follow the transactions of a data source.
 * ```ts
 * await dataSource.initialize();
 * const attachments = await useAttachments(dataSource, { depot });
 * await attachments.recover();
 * ```
 * @param dataSource initialized, of the type `postgres` or `better-sqlite3`
 * @throws DepotError `INVALID_OPTION`
 */
export async function useAttachments(
  dataSource: DataSource,
  options: TypeOrmAttachmentOptions,
): Promise<TypeOrmAttachments> {
  if (!dataSource.isInitialized)
    throw new DepotError('INVALID_OPTION', 'useAttachments comes after dataSource.initialize()');
  const earlier = followingOf(dataSource);
  if (earlier && !earlier.isClosed)
    throw new DepotError(
      'INVALID_OPTION',
      'The attachments of this data source are followed already: close them first',
    );
  const ends = new TransactionEnds(dataSource);
  const outside = await connectOutside(dataSource, () => ends.next());
  const journal = options.journal?.(outside) ?? journalOf(dataSource, outside, options);
  const isReferenced = (path: string) => isReferencedIn(dataSource, fields, outside, path);
  const attachments = new Attachments({ ...options, journal, isReferenced });
  const fields = new FieldMap(dataSource, (value) => attachments.read(value));
  // Not within the first transaction, which the only connection of SQLite would have to wait for.
  await attachments.prepare();
  registerBuilders();
  earlier?.unsubscribe();
  const following = new Following(dataSource, attachments, fields);
  return {
    recover: () => attachments.recover(),
    idle: () => attachments.idle(),
    async close() {
      following.isClosed = true;
      await attachments.close().finally(() => outside.close());
    },
  };
}

function journalOf(
  dataSource: DataSource,
  outside: SqlExecutor,
  { table = defaultTable(dataSource), journalPath = besideDatabase(dataSource) }: TypeOrmAttachmentOptions,
): SqlJournal {
  return new SqlJournal({ dialect: dialectOf(dataSource), outside, table, folder: journalPath });
}

function defaultTable({ options, driver }: DataSource): string | undefined {
  return 'schema' in options && options.schema
    ? `${driver.escape(options.schema)}.${DEFAULT_TABLE}`
    : undefined;
}

function besideDatabase({ options: { database } }: DataSource): string {
  const isFile = typeof database === 'string' && database !== ':memory:' && database !== '';
  return isFile ? `${database}.depot-intents` : './var/depot-intents';
}

/** Rows that are deleted softly refer to their files too. */
async function isReferencedIn(
  dataSource: DataSource,
  fields: FieldMap,
  outside: OutsideConnection,
  path: string,
): Promise<boolean> {
  const { driver } = dataSource;
  for (const { column } of fields.all()) {
    const table = tableOf(column.entityMetadata);
    const text = `CAST(${driver.escape(column.databaseName)} AS text)`;
    const sql = `SELECT 1 AS found FROM ${table} WHERE ${text} LIKE ${driver.createParameter('path', 0)} LIMIT 1`;
    if ((await outside.run(sql, [`%${path}%`])).length > 0) return true;
  }
  return false;
}

/** Tells when no transaction is open on the one connection that there is to SQLite. */
class TransactionEnds {
  readonly #dataSource: DataSource;
  #waiting: (() => void)[] = [];

  constructor(dataSource: DataSource) {
    this.#dataSource = dataSource;
    const tell = () => {
      const waiting = this.#waiting;
      this.#waiting = [];
      for (const go of waiting) go();
    };
    // One that throws keeps those behind it from hearing of it.
    dataSource.subscribers.unshift({ afterTransactionCommit: tell, afterTransactionRollback: tell });
  }

  async next(): Promise<void> {
    while (this.#dataSource.createQueryRunner().isTransactionActive)
      await new Promise<void>((resolve) => this.#waiting.push(resolve));
  }
}
