import type { MikroORM } from '@mikro-orm/core';
import { type AttachmentOptions, Attachments } from '../attachments.js';
import type { IntentJournal } from '../journal/journal.js';
import type { SqlExecutor } from '../journal/sql-journal.js';
import { CacheSubscriber } from './mikro-orm/cache.js';
import { Flushes } from './mikro-orm/flush.js';
import { driverOf, refuseHiddenAttachments } from './mikro-orm/internals.js';
import { dialectOf, type MikroOrmJournalOptions, mikroOrmJournal } from './mikro-orm/journal.js';
import { RowReader } from './mikro-orm/rows.js';
import { AttachmentStatements } from './mikro-orm/statements.js';
import { Transactions } from './mikro-orm/transactions.js';
import { bindReader } from './mikro-orm/type.js';

export { type MikroOrmJournalOptions, mikroOrmJournal } from './mikro-orm/journal.js';
export { AttachmentListType, AttachmentType, attachment, attachmentList } from './mikro-orm/type.js';

export interface MikroOrmAttachmentsOptions extends AttachmentOptions {
  /** @default a table of the database, as `mikroOrmJournal` makes it */
  readonly journal?: IntentJournal<SqlExecutor> | MikroOrmJournalOptions | undefined;
}

/**
 * Has attachments follow the transactions of a database: what its entity managers flush, insert, update, delete, commit
 * and roll back from now on. Called once for each `MikroORM`, when it is initialized.
 * @returns what recovers files of processes that have died: `recover`; it is closed with `orm.close`
 * @throws DepotError `UNSUPPORTED` for databases other than PostgreSQL and SQLite; `ATTACHMENT_UNSUPPORTED` where
 *   attachments are in several tables of one entity, or in an embedded object that is JSON; `INVALID_OPTION` the second time
 */
export function useAttachments(
  orm: MikroORM,
  { journal, ...options }: MikroOrmAttachmentsOptions,
): Attachments<SqlExecutor> {
  refuseHiddenAttachments(orm);
  const driver = driverOf(orm);
  const isSqlite = dialectOf(orm) === 'sqlite';
  const reader = new RowReader(orm, driver, isSqlite, (value) => attachments.read(value));
  const attachments = new Attachments({
    ...options,
    journal: isJournal(journal) ? journal : mikroOrmJournal(orm, journal),
    isReferenced: (path) => reader.isReferenced(path),
  });
  bindReader(orm.driver.getPlatform(), (value) => attachments.read(value));
  const transactions = new Transactions(attachments, driver.getConnection('write'), isSqlite);
  transactions.observe();
  new AttachmentStatements(driver, transactions, reader).observe();
  new Flushes(orm, transactions).observe();
  orm.em.getEventManager().registerSubscriber(new CacheSubscriber(orm));
  closeBefore(orm, () => attachments.close());
  return attachments;
}

function isJournal(journal: MikroOrmAttachmentsOptions['journal']): journal is IntentJournal<SqlExecutor> {
  return journal !== undefined && 'announce' in journal;
}

function closeBefore(orm: MikroORM, act: () => Promise<void>): void {
  const close = orm.close;
  orm.close = async (force) => {
    await act();
    await close.call(orm, force);
  };
}
