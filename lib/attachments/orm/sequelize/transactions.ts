import { AsyncLocalStorage } from 'node:async_hooks';
import { QueryTypes, type Sequelize, Transaction } from 'sequelize';
import { DepotError } from '../../../errors.js';
import { KeyedMutex } from '../../../internal/keyed-mutex.js';
import type { Attachments } from '../../attachments.js';
import type { SqlExecutor } from '../../journal/sql-journal.js';
import { CarriedStatements, type SqlStatement } from '../../sql/carried-statements.js';
import { type DatabaseAnswer, isDuplicateIn, isRefusedByPostgres } from '../../sql/refusals.js';
import type { Outcome, UnitOfWork } from '../../unit-of-work.js';
import { isInMemory, type OpenTransaction, optionsOf, type Statements } from './internals.js';
import { executorOf } from './journal.js';

type Unit = UnitOfWork<SqlExecutor>;

/** What the attachments of one statement need. */
export interface Work {
  readonly unit: Unit;
  /** The transaction of the statement, opened when it is first asked for; nothing if it is to run without one. */
  transaction(): Promise<Transaction | null>;
  /** What an insertion takes along, to be asked when it is sent. */
  takeAlong(): readonly SqlStatement[];
  /** Whether the application may go on with its transaction when the statement has failed. */
  readonly isShared: boolean;
}

/** A transaction that is open, and how it ends. */
interface Opened {
  /** Nothing where all statements are on the one connection that there is. */
  readonly transaction: Transaction | null;
  commit(): Promise<unknown>;
  rollback(): Promise<unknown>;
}

/** A transaction of our own, opened when it is first asked for. */
class OwnTransaction {
  readonly #begin: () => Promise<Opened>;
  #opened: Promise<Opened> | undefined;

  constructor(begin: () => Promise<Opened>) {
    this.#begin = begin;
  }

  readonly transaction = async (): Promise<Transaction | null> => {
    this.#opened ??= this.#begin();
    return (await this.#opened).transaction;
  };

  async commit(): Promise<void> {
    await (await this.#opened)?.commit();
  }

  /** However it fails, nothing is committed; the reason is known to who wants the rollback. */
  async rollBack(): Promise<void> {
    await this.#opened?.then((opened) => opened.rollback()).catch(() => {});
  }
}

/** Our own transactions with SQLite take turns. */
const TURN = 'turn';

const SAVEPOINT = 'depot_attachments';

/** Follows transactions, the application's and our own, to their ends. */
export class Transactions {
  readonly #sequelize: Sequelize;
  readonly #attachments: Attachments<SqlExecutor>;
  readonly #isInMemory: boolean;
  readonly #isSqlite: boolean;
  readonly #journalTable: string | undefined;
  readonly #turns = new KeyedMutex();
  readonly #current = new AsyncLocalStorage<Work>();
  /** Units of work by the outermost transaction. */
  readonly #units = new WeakMap<OpenTransaction, Unit>();
  /** How commits went. */
  readonly #outcomes = new WeakMap<OpenTransaction, Outcome>();
  readonly #followed = new WeakSet<OpenTransaction>();

  /** @param journalTable if the journal is in a table */
  constructor(sequelize: Sequelize, attachments: Attachments<SqlExecutor>, journalTable: string | undefined) {
    this.#sequelize = sequelize;
    this.#attachments = attachments;
    this.#isInMemory = isInMemory(sequelize);
    this.#isSqlite = sequelize.getDialect() === 'sqlite';
    this.#journalTable = journalTable;
  }

  /** With SQLite, the journal could not make its table while a transaction is open. */
  async prepare(): Promise<void> {
    if (this.#isSqlite) await this.#attachments.prepare();
  }

  /**
   * Runs a statement that brings files or lets some go.
   * @param given the transaction that the application has given
   */
  run<Result>(given: Transaction | null | undefined, act: (work: Work) => Promise<Result>): Promise<Result> {
    if (given) return act({ ...ownWork(this.#unitOf(given), async () => given), isShared: true });
    return this.#isInMemory ? this.#runInMemory(act) : this.#runInOwn((unit) => this.#begin(unit), act);
  }

  /**
   * Runs a statement that does nothing but add rows: without a transaction, where it was given none and needs none.
   * PostgreSQL may still do it when this process is dead and its files are recovered: it has to take the journal's mark
   * along, if that is in a table. With SQLite the rows will tell whether it was done.
   * @param table quoted
   */
  runInsert<Result>(
    given: Transaction | null | undefined,
    table: string,
    act: (work: Work) => Promise<Result>,
  ): Promise<Result> {
    if (given) return this.run(given, act);
    if (this.#isSqlite) return this.#runAlone(this.#attachments.begin(), table, act);
    return this.#journalTable === undefined
      ? this.run(given, act)
      : this.#runCarrying(this.#journalTable, table, act);
  }

  /** PostgreSQL answers the COMMIT of a transaction in which a statement has failed with a rollback, and no error. */
  async commit(transaction: OpenTransaction, options: object, target: Statements): Promise<unknown> {
    // The type is that of the transaction, not of a query, which answers with what was done if it is raw.
    const answer = await target.commitTransaction(transaction, { ...options, type: QueryTypes.RAW });
    const isRolledBack = commandOf(answer) === 'ROLLBACK';
    this.#outcomes.set(transaction, isRolledBack ? 'rolledBack' : 'committed');
    return answer;
  }

  async #runCarrying<Result>(
    journalTable: string,
    table: string,
    act: (work: Work) => Promise<Result>,
  ): Promise<Result> {
    const carried = new CarriedStatements();
    const unit = this.#attachments.begin(carried);
    const takeAlong = () => carried.take();
    try {
      return await this.#runAlone(unit, table, (work) => act({ ...work, takeAlong }));
    } catch (error) {
      if (!isDuplicateIn(journalTable, error)) throw error;
      throw new DepotError('ATTACHMENT_CONFLICT', undefined, { cause: error });
    }
  }

  /** The statement is the transaction. */
  async #runAlone<Result>(unit: Unit, table: string, act: (work: Work) => Promise<Result>): Promise<Result> {
    let outcome: Outcome = 'rolledBack';
    const transaction = async () => {
      outcome = 'unknown';
      return null;
    };
    try {
      const result = await act(ownWork(unit, transaction));
      outcome = 'committed';
      return result;
    } catch (error) {
      if (isRefusal(error, table)) outcome = 'rolledBack';
      throw error;
    } finally {
      await unit.settle(outcome);
    }
  }

  /** What is done within such an act is part of it. */
  #runInMemory<Result>(act: (work: Work) => Promise<Result>): Promise<Result> {
    const current = this.#current.getStore();
    if (current) return act({ ...current, isShared: true });
    return this.#runInOwn(
      () => this.#beginInMemory(),
      (work) => this.#current.run(work, () => act(work)),
    );
  }

  /** Content is stored before the transaction is opened: uploads take their time. */
  async #runInOwn<Result>(
    begin: (unit: Unit) => Promise<Opened>,
    act: (work: Work) => Promise<Result>,
  ): Promise<Result> {
    const own: OwnTransaction = new OwnTransaction(() => this.#inTurn(() => begin(unit)));
    const unit = this.#attachments.begin(executorOf(this.#sequelize, own.transaction));
    let outcome: Outcome = 'rolledBack';
    try {
      const result = await act(ownWork(unit, own.transaction));
      await own.commit();
      outcome = 'committed';
      return result;
    } catch (error) {
      await own.rollBack();
      throw error;
    } finally {
      // It is settled already where it has ended as the application's do.
      await unit.settle(outcome);
    }
  }

  /** SQLite has one writer: who has to wait for it would block the threads that the writer needs. */
  #inTurn(begin: () => Promise<Opened>): Promise<Opened> {
    if (!this.#isSqlite) return begin();
    return new Promise<Opened>((resolve, reject) => {
      const untilEnd = async () => {
        const opened = await begin();
        await new Promise<void>((end) => resolve(endingWith(opened, end)));
      };
      this.#turns.run(TURN, untilEnd).catch(reject);
    });
  }

  async #begin(unit: Unit): Promise<Opened> {
    const { isolationLevel } = optionsOf(this.#sequelize);
    const transaction = await this.#sequelize.transaction({
      type: Transaction.TYPES.IMMEDIATE,
      // A stricter one would fail where a plain statement waits.
      ...(isolationLevel && { isolationLevel: Transaction.ISOLATION_LEVELS.READ_COMMITTED }),
    });
    this.#units.set(transaction, unit);
    this.#unitOf(transaction);
    return { transaction, commit: () => transaction.commit(), rollback: () => transaction.rollback() };
  }

  /** A savepoint can be set whether or not the application has a transaction open on this connection. */
  async #beginInMemory(): Promise<Opened> {
    const run = (sql: string) => this.#sequelize.query(sql, { transaction: null });
    await run(`SAVEPOINT ${SAVEPOINT}`);
    return {
      transaction: null,
      commit: () => run(`RELEASE ${SAVEPOINT}`),
      async rollback() {
        await run(`ROLLBACK TO ${SAVEPOINT}`);
        await run(`RELEASE ${SAVEPOINT}`);
      },
    };
  }

  #unitOf(transaction: OpenTransaction): Unit {
    const { parent } = transaction;
    const unit = parent ? this.#unitOf(parent) : this.#outermostUnit(transaction);
    if (this.#followed.has(transaction)) return unit;
    this.#followed.add(transaction);
    if (parent) this.#followSavepoint(transaction, unit);
    else this.#follow(transaction, unit);
    return unit;
  }

  #outermostUnit(transaction: OpenTransaction): Unit {
    const known = this.#units.get(transaction);
    if (known) return known;
    const unit = this.#attachments.begin(executorOf(this.#sequelize, async () => transaction));
    this.#units.set(transaction, unit);
    return unit;
  }

  /** There is no event for a rollback, nor one that is waited for after both. */
  #follow(transaction: OpenTransaction, unit: Unit): void {
    const { commit, rollback } = transaction;
    transaction.commit = () => this.#end(transaction, unit, 'unknown', commit);
    transaction.rollback = () => this.#end(transaction, unit, 'rolledBack', rollback);
  }

  async #end(
    transaction: OpenTransaction,
    unit: Unit,
    otherwise: Outcome,
    end: () => Promise<void>,
  ): Promise<void> {
    // Sequelize refuses to end it twice.
    if (transaction.finished) return end.call(transaction);
    try {
      await end.call(transaction);
    } finally {
      await unit.settle(this.#outcomes.get(transaction) ?? otherwise);
    }
  }

  #followSavepoint(transaction: OpenTransaction, unit: Unit): void {
    const { rollback } = transaction;
    transaction.rollback = async () => {
      unit.rolledBackInPart();
      await rollback.call(transaction);
    };
  }
}

/** Tells when it has ended, in whatever way. */
function endingWith({ transaction, commit, rollback }: Opened, end: () => void): Opened {
  return {
    transaction,
    commit: () => commit().finally(end),
    rollback: () => rollback().finally(end),
  };
}

/** What PostgreSQL says that it has done. */
function commandOf(answer: unknown): unknown {
  const [, result] = Array.isArray(answer) ? answer : [];
  return typeof result === 'object' && result !== null && 'command' in result ? result.command : undefined;
}

/** Whether the database has answered that it did not insert; what hooks have failed with says nothing of that. */
function isRefusal(error: unknown, table: string): boolean {
  const { original } = (error ?? {}) as { readonly original?: DatabaseAnswer & { readonly sql?: unknown } };
  if (!original || !String(original.sql).includes(`INSERT INTO ${table} `)) return false;
  const isSqlite = String(original.code).startsWith('SQLITE');
  return isSqlite || ('severity' in original && isRefusedByPostgres(original));
}

function ownWork(unit: Unit, transaction: Work['transaction']): Work {
  return { unit, transaction, takeAlong: () => [], isShared: false };
}
