import type { PgCustomColumnBuilder } from 'drizzle-orm/pg-core';
import type { SQLiteCustomColumnBuilder } from 'drizzle-orm/sqlite-core';
import type { Attachment } from '../attachment.js';
import { type AttachmentOptions, Attachments } from '../attachments.js';
import type { AttachmentField, AttachmentFieldOptions } from '../field.js';
import type { IntentJournal } from '../journal/journal.js';
import { type SqlExecutor, SqlJournal } from '../journal/sql-journal.js';
import { Transactions } from '../sql/transactions.js';
import {
  AttachmentColumn,
  type ColumnTypes,
  PgAttachmentBuilder,
  SQLiteAttachmentBuilder,
} from './drizzle/columns.js';
import { observedDatabase } from './drizzle/database.js';
import { type Dialect, dialectOf, isReferenced, outsideExecutor, transactionsOf } from './drizzle/dialect.js';
import { Schema } from './drizzle/schema.js';
import type { Session } from './drizzle/session.js';

export type { AttachmentOptions, Attachments, Recovery } from '../attachments.js';

export interface DrizzleAttachmentOptions extends AttachmentOptions {
  /**
   * All tables of the application, as `import * as schema` gives them: those with attachments, and those between them and
   * others with whose rows the database deletes them (`onDelete: 'cascade'`). Whatever else is in it is ignored.
   */
  readonly tables: Readonly<Record<string, unknown>>;
  /** Or a journal of your own. */
  readonly journal?: DrizzleJournalOptions | IntentJournal<SqlExecutor> | undefined;
}

/** Where it is on record which files are owed to rows, or to deletion. */
export interface DrizzleJournalOptions {
  /** A table in the database, made where it is missing; with its schema before a dot, if need be. @default 'depot_intents' */
  readonly table?: string | undefined;
  /** SQLite needs a folder as well, on this machine and for this database alone: it has one writer at a time. */
  readonly folder?: string | undefined;
}

/** What a column for attachments does with files. */
type FieldOptions = AttachmentFieldOptions | AttachmentField;

/** What Drizzle makes a column of, with what it holds. */
export type PgAttachmentColumn<Name extends string, Data = Attachment> = PgCustomColumnBuilder<
  ColumnTypes<Name, 'PgCustomColumn', Data>
>;
export type SQLiteAttachmentColumn<Name extends string, Data = Attachment> = SQLiteCustomColumnBuilder<
  ColumnTypes<Name, 'SQLiteCustomColumn', Data>
>;

/**
 * A column of PostgreSQL (`jsonb`) for an attachment: `photo: pgAttachment('photo', uploadedImageWithThumb())`.
 * @param name of the column
 * @throws DepotError `INVALID_OPTION`
 */
export function pgAttachment<Name extends string>(
  name: Name,
  options?: FieldOptions,
): PgAttachmentColumn<Name> {
  return new PgAttachmentBuilder(name, new AttachmentColumn(name, options));
}

/** The same for a list of attachments. */
export function pgAttachmentList<Name extends string>(
  name: Name,
  options?: FieldOptions,
): PgAttachmentColumn<Name, readonly Attachment[]> {
  return new PgAttachmentBuilder(name, new AttachmentColumn(name, options, { isList: true }));
}

/**
 * A column of SQLite (`text`) for an attachment: `photo: sqliteAttachment('photo', uploadedImageWithThumb())`.
 * @param name of the column
 * @throws DepotError `INVALID_OPTION`
 */
export function sqliteAttachment<Name extends string>(
  name: Name,
  options?: FieldOptions,
): SQLiteAttachmentColumn<Name> {
  return new SQLiteAttachmentBuilder(name, new AttachmentColumn(name, options));
}

/** The same for a list of attachments. */
export function sqliteAttachmentList<Name extends string>(
  name: Name,
  options?: FieldOptions,
): SQLiteAttachmentColumn<Name, readonly Attachment[]> {
  return new SQLiteAttachmentBuilder(name, new AttachmentColumn(name, options, { isList: true }));
}

/** A database whose statements and transactions keep files and rows together. */
export type WithAttachments<Database> = Database & {
  /** To `recover()` what processes that are no more have left, and to `close()` at the end. */
  readonly $attachments: Pick<Attachments<unknown>, 'recover' | 'idle' | 'close'>;
};

/**
 * The same database, whose inserts, updates, deletes and transactions keep files and rows together: use it in place of
 * the one that it is made of. Raw SQL, and what the database does by triggers, is not seen.
 * @param db of `drizzle(…)`: PostgreSQL by a pool, or SQLite by an asynchronous driver
 * @throws DepotError `INVALID_OPTION`, `UNSUPPORTED`
 */
export function withAttachments<Database extends object>(
  db: Database,
  options: DrizzleAttachmentOptions,
): WithAttachments<Database> {
  const { tables, journal: given = {}, ...others } = options;
  const session = db as unknown as Session;
  const dialect = dialectOf(db);
  const schema = new Schema(Object.values(tables));
  const journal = 'announce' in given ? given : journalOf(session, dialect, given);
  const attachments = new Attachments({
    ...others,
    journal,
    isReferenced: (path) => isReferenced(session, dialect, schema.columns, path),
  });
  schema.bind((value) => attachments.read(value));
  const source = transactionsOf(session, dialect, journal.table);
  const transactions = new Transactions(source, attachments, dialect.takeTurn);
  const observed: unknown = observedDatabase(session, schema, transactions, { $attachments: attachments });
  return observed as WithAttachments<Database>;
}

/** A journal in the database. */
function journalOf(session: Session, dialect: Dialect, options: DrizzleJournalOptions): SqlJournal {
  const outside = outsideExecutor(dialect, session);
  return new SqlJournal({ ...options, dialect: dialect.name, outside });
}
