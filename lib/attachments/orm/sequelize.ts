import type { Sequelize } from 'sequelize';
import { type AttachmentOptions, Attachments } from '../attachments.js';
import type { IntentJournal } from '../journal/journal.js';
import { DEFAULT_TABLE, type SqlExecutor } from '../journal/sql-journal.js';
import { Places } from '../sql/places.js';
import { bindReader } from './sequelize/attribute.js';
import { isInMemory, statementsOf } from './sequelize/internals.js';
import { executorOf, type SequelizeJournalOptions, sequelizeJournal } from './sequelize/journal.js';
import { RowReader } from './sequelize/rows.js';
import { AttachmentStatements, observed } from './sequelize/statements.js';
import { Transactions } from './sequelize/transactions.js';

export { type AttachmentColumnOptions, attachment, attachmentList } from './sequelize/attribute.js';
export { type SequelizeJournalOptions, sequelizeJournal } from './sequelize/journal.js';

export interface SequelizeAttachmentsOptions extends AttachmentOptions {
  /** @default a table of the database, as `sequelizeJournal` makes it */
  readonly journal?: IntentJournal<SqlExecutor> | SequelizeJournalOptions | undefined;
}

/**
 * Has attachments follow the transactions of a database: what models write, delete, commit and roll back from now on.
 * Called once for each `Sequelize`, before or after its models are defined.
 * @returns what recovers files of processes that have died: `recover`; it is closed with `sequelize.close`
 * @throws DepotError `UNSUPPORTED` for databases other than PostgreSQL and SQLite; `INVALID_OPTION` the second time
 */
export function useAttachments(
  sequelize: Sequelize,
  { journal: given, ...options }: SequelizeAttachmentsOptions,
): Attachments<SqlExecutor> {
  const queryInterface = sequelize.getQueryInterface();
  const target = statementsOf(queryInterface);
  const reader = new RowReader(sequelize, target, (value) => attachments.read(value));
  const journal = isJournal(given) ? given : sequelizeJournal(sequelize, given);
  const places = placesOf(sequelize, journal.table);
  const attachments = new Attachments({
    ...options,
    journal,
    isReferenced: async (path) =>
      (await reader.isReferenced(path)) || ((await places?.refersTo(path)) ?? false),
  });
  bindReader(sequelize, (value) => attachments.read(value));
  const transactions = new Transactions(sequelize, attachments, journal.table);
  const statements = observed(queryInterface, new AttachmentStatements(target, transactions, reader, places));
  sequelize.getQueryInterface = () => statements;
  closeBefore(sequelize, () => attachments.close());
  // Later, it could come into a transaction of the application, and be rolled back with it.
  if (isInMemory(sequelize)) attachments.prepare().catch(() => {});
  return attachments;
}

function isJournal(journal: SequelizeAttachmentsOptions['journal']): journal is IntentJournal<SqlExecutor> {
  return journal !== undefined && 'announce' in journal;
}

/** What is in memory is gone with its process. */
function placesOf(sequelize: Sequelize, table = DEFAULT_TABLE): Places | undefined {
  if (isInMemory(sequelize)) return undefined;
  const dialect = sequelize.getDialect() === 'postgres' ? 'postgres' : 'sqlite';
  return new Places(dialect, executorOf(sequelize), `${table}_places`);
}

function closeBefore(sequelize: Sequelize, act: () => Promise<void>): void {
  const close = sequelize.close;
  sequelize.close = async () => {
    await act();
    await close.call(sequelize);
  };
}
