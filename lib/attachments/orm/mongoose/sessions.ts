import { types } from 'node:util';
import type { ClientSession } from 'mongoose';
import type { Attachment } from '../../attachment.js';
import type { Outcome, UnitOfWork } from '../../unit-of-work.js';
import { exchange } from './assignments.js';
import { MongoTransaction } from './transaction.js';

/** The files of one transaction, and the values that documents show since. */
export class Work {
  readonly unit: UnitOfWork<MongoTransaction>;
  readonly transaction: MongoTransaction | undefined;
  /** Whether something was sent of which nobody knows what it has done, until its answer comes. */
  isInDoubt = false;
  /** Whether a bulk has failed, and what of it is done is seen to. */
  isDoneInPart = false;
  /** Why the transaction cannot be committed. */
  failure: unknown;
  readonly #shown: (readonly [given: Attachment, stored: Attachment])[] = [];

  constructor(unit: UnitOfWork<MongoTransaction>, transaction?: MongoTransaction) {
    this.unit = unit;
    this.transaction = transaction;
  }

  /** Lets documents show what rows have, in place of what they were given. */
  show(stored: Iterable<readonly [given: Attachment, stored: Attachment]>): void {
    for (const [given, value] of stored) {
      exchange(given, value);
      this.#shown.push([given, value]);
    }
  }

  /**
   * A call of the transaction has failed: what was stored for it goes, should the transaction be committed after all. One
   * of whose statements the server has refused cannot be, and the driver would try it again for ever.
   */
  async fail(error: unknown, stored: Iterable<Attachment>): Promise<void> {
    if (isRefusedForGood(error)) this.failure = error;
    // If it has ended meanwhile, its end has seen to all.
    await this.unit.remove([...stored]).catch(() => {});
  }

  /** Documents have again what they were given, for another try: the files that were stored of it go. */
  takeBack(): void {
    for (const [given, value] of this.#shown) exchange(value, given);
  }
}

type BeginUnit = (transaction: MongoTransaction) => UnitOfWork<MongoTransaction>;

/** The transactions of the application: each session tells us how its transactions end. */
export class Sessions {
  readonly #begin: BeginUnit;
  readonly #works = new WeakMap<ClientSession, Work>();
  readonly #watched = new WeakSet<ClientSession>();

  constructor(begin: BeginUnit) {
    this.#begin = begin;
  }

  /** The work of the transaction that the session is in. */
  workOf(session: ClientSession): Work {
    const known = this.#works.get(session);
    if (known) return known;
    const transaction = new MongoTransaction(session);
    const work = new Work(this.#begin(transaction), transaction);
    this.#works.set(session, work);
    this.#watch(session);
    return work;
  }

  /**
   * The driver has no event for the end of a transaction: its methods are wrapped, on this session only. They are what
   * `withTransaction` calls, and mongoose's `connection.transaction`.
   */
  #watch(session: ClientSession): void {
    if (this.#watched.has(session)) return;
    this.#watched.add(session);
    const start = session.startTransaction.bind(session);
    const commit = session.commitTransaction.bind(session);
    const abort = session.abortTransaction.bind(session);
    session.startTransaction = (options) => {
      void this.#end(session, 'unknown');
      start(options);
    };
    session.commitTransaction = (options) => this.#commit(session, () => commit(options), abort);
    session.abortTransaction = (options) => this.#abort(session, () => abort(options));
    session.once('ended', () => void this.#end(session, 'unknown'));
  }

  async #commit(
    session: ClientSession,
    commit: () => Promise<void>,
    abort: () => Promise<void>,
  ): Promise<void> {
    await this.#record(session, abort);
    try {
      await commit();
    } catch (error) {
      if (hasLabel(error, TRANSIENT)) this.#works.get(session)?.takeBack();
      // It may be tried again otherwise. What is still open when the session ends, is settled then.
      if (!hasLabel(error, UNKNOWN_RESULT)) await this.#end(session, 'unknown');
      throw error;
    }
    await this.#end(session, 'committed');
  }

  /** What was sent to be committed cannot be undone any more, and the driver says so: how it ended is asked in the end. */
  async #abort(session: ClientSession, abort: () => Promise<void>): Promise<void> {
    const isOpen = session.inTransaction();
    try {
      await abort();
    } finally {
      if (isOpen) await this.#end(session, 'rolledBack');
    }
  }

  async #record(session: ClientSession, abort: () => Promise<void>): Promise<void> {
    if (!session.inTransaction()) return;
    try {
      const work = this.#works.get(session);
      if (work?.failure) throw work.failure;
      await work?.transaction?.write();
    } catch (error) {
      await abort();
      await this.#end(session, 'rolledBack');
      throw error;
    }
  }

  async #end(session: ClientSession, outcome: Outcome): Promise<void> {
    const work = this.#works.get(session);
    this.#works.delete(session);
    if (work?.transaction) work.transaction.isCommitted = outcome === 'committed';
    if (outcome === 'rolledBack') work?.takeBack();
    await work?.unit.settle(outcome);
  }
}

/** Labels of errors: https://www.mongodb.com/docs/manual/core/transactions-in-applications/#transaction-error-handling */
const TRANSIENT = 'TransientTransactionError';
const UNKNOWN_RESULT = 'UnknownTransactionCommitResult';

/** Errors of the server, by name: there may be several drivers in a process. */
function isRefusedForGood(error: unknown): boolean {
  const isOfServer = types.isNativeError(error) && /^Mongo(?:Server|BulkWrite)Error$/.test(error.name);
  return isOfServer && !hasLabel(error, TRANSIENT);
}

function hasLabel(error: unknown, label: string): boolean {
  const isLabelled = typeof error === 'object' && error !== null && 'hasErrorLabel' in error;
  return isLabelled && typeof error.hasErrorLabel === 'function' && error.hasErrorLabel(label);
}
