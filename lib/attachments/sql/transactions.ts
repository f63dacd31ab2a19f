import { DepotError } from '../../errors.js';
import type { Attachments } from '../attachments.js';
import type { SqlExecutor } from '../journal/sql-journal.js';
import type { Outcome, UnitOfWork } from '../unit-of-work.js';
import { CarriedStatements, type SqlStatement } from './carried-statements.js';
import { LazyUnit, OpenTransaction } from './open-transaction.js';
import { OwnTransaction } from './own-transaction.js';
import { Running } from './running.js';

/** Waits for a turn; what it resolves to ends the turn. */
export type TakeTurn = () => Promise<() => void>;

/** A database that runs transactions by functions, as Drizzle and Prisma do. */
export interface TransactionSource<Session> {
  /** For statements outside of transactions, each committed by itself. */
  readonly outside: Session;
  /** Whether a COMMIT after a failed statement rolls back, and succeeds nevertheless. */
  readonly hidesRollback: boolean;
  /** Whether it is not in this process, and may go on with a statement when this process is dead. */
  readonly isServer: boolean;
  /**
   * Runs a transaction, which ends as `body` does.
   * @param options of the application; nothing for a statement of its own
   */
  transaction<Result>(body: (session: Session) => Promise<Result>, options: unknown): Promise<Result>;
  /** Runs SQL in a transaction. @param session begins it, if need be */
  executor(session: () => Promise<Session>): SqlExecutor;
  /** Runs a statement outside of transactions; again, where others were in its way. */
  attempt<Result>(act: () => Promise<Result>): Promise<Result>;
  /** Where one statement can take others along: all are done, or none. */
  readonly carrier?: StatementCarrier<Session> | undefined;
}

/** What a statement's error says of its end. */
export type OutcomeOf = (error: unknown) => Exclude<Outcome, 'committed'>;

/** For one statement. */
export interface StatementCarrier<Session> {
  /** For a statement outside of transactions, which takes these along. */
  session(carried: readonly SqlStatement[]): Session;
  readonly outcomeOf: OutcomeOf;
  /** Whether a statement has failed because others have given up as abandoned what it was to keep. */
  isConflict(error: unknown): boolean;
}

/** What statements in one transaction share. */
export interface Work<Session> {
  /** Begins the transaction, if it is our own and not begun yet. */
  session(): Promise<Session>;
  readonly unit: UnitOfWork<SqlExecutor>;
  /** Runs what writes. */
  attempt<Result>(act: () => Promise<Result>): Promise<Result>;
  /** The same for what may have written a part of it when it fails. */
  attemptParts<Result>(act: () => Promise<Result>): Promise<Result>;
}

/** Runs what has to do with attachments in transactions. */
export class Transactions<Session> {
  readonly #source: TransactionSource<Session>;
  readonly #attachments: Attachments<SqlExecutor>;
  readonly #takeTurn: TakeTurn;

  /** @param takeTurn lets as many transactions be open at once as there may be */
  constructor(source: TransactionSource<Session>, attachments: Attachments<SqlExecutor>, takeTurn: TakeTurn) {
    this.#source = source;
    this.#attachments = attachments;
    this.#takeTurn = takeTurn;
  }

  /** Runs a statement that is a transaction of its own. */
  async runAlone<Result>(run: (work: Work<Session>) => Promise<Result>): Promise<Result> {
    const transaction = new OwnTransaction<Session>((body) => this.#begin(body));
    const session = () => transaction.session();
    const unit = this.#attachments.begin(this.#source.executor(session));
    let outcome: Outcome = 'rolledBack';
    try {
      const result = await run({ session, unit, attempt: once, attemptParts: once });
      outcome = 'unknown';
      await transaction.commit();
      outcome = 'committed';
      return result;
    } catch (error) {
      await transaction.rollBack();
      throw error;
    } finally {
      await unit.settle(outcome);
    }
  }

  /**
   * Runs a statement that only adds rows. With SQLite, a transaction around it would be as dear as the statement, and is
   * not needed: the rows tell whether it was done, should nobody else be able to. A server may still do it when the
   * process is dead and its files are recovered: there it needs the journal's mark, which it takes along, or a transaction.
   * @param outcomeOf asked where the statement is no transaction and takes nothing along
   */
  runInsert<Result>(run: (work: Work<Session>) => Promise<Result>, outcomeOf: OutcomeOf): Promise<Result> {
    const { outside, isServer, carrier } = this.#source;
    if (!isServer)
      return this.#runOutside(run, this.#attachments.begin(), { open: () => outside, outcomeOf });
    return carrier ? this.#runCarrying(run, carrier) : this.runAlone(run);
  }

  async #runCarrying<Result>(
    run: (work: Work<Session>) => Promise<Result>,
    carrier: StatementCarrier<Session>,
  ): Promise<Result> {
    const carried = new CarriedStatements();
    const unit = this.#attachments.begin(carried);
    try {
      const open = () => carrier.session(carried.take());
      return await this.#runOutside(run, unit, { open, outcomeOf: (error) => carrier.outcomeOf(error) });
    } catch (error) {
      throw carrier.isConflict(error)
        ? new DepotError('ATTACHMENT_CONFLICT', undefined, { cause: error })
        : error;
    }
  }

  async #runOutside<Result>(
    run: (work: Work<Session>) => Promise<Result>,
    unit: UnitOfWork<SqlExecutor>,
    { open, outcomeOf }: { readonly open: () => Session; readonly outcomeOf: OutcomeOf },
  ): Promise<Result> {
    const { attempt } = this.#source;
    let isSent = false;
    let outcome: Outcome = 'rolledBack';
    const session = async () => {
      isSent = true;
      return open();
    };
    try {
      const result = await run({ session, unit, attempt, attemptParts: attempt });
      outcome = 'committed';
      return result;
    } catch (error) {
      if (isSent) outcome = outcomeOf(error);
      throw error;
    } finally {
      await unit.settle(outcome);
    }
  }

  /** Runs a transaction of the application. */
  async run<Result>(
    body: (open: OpenTransaction<Session>) => Promise<Result>,
    options: unknown,
  ): Promise<Result> {
    let unit: LazyUnit | undefined;
    let outcome: Outcome = 'rolledBack';
    const inside = async (session: Session) => {
      const running = new Running();
      unit = this.#lazyUnit(session, running);
      const { hidesRollback } = this.#source;
      const result = await new OpenTransaction(session, running, { unit, hidesRollback }).run(body);
      outcome = 'unknown';
      return result;
    };
    try {
      const result = await this.#begin(inside, options);
      outcome = 'committed';
      return result;
    } finally {
      await unit?.settle(outcome);
    }
  }

  /** The journal, too, has nothing to say in a transaction that is over. */
  #lazyUnit(session: Session, running: Running): LazyUnit {
    const executor = this.#source.executor(async () => session);
    const run: SqlExecutor['run'] = (sql, parameters) =>
      running.add(async (send) => {
        send();
        return executor.run(sql, parameters);
      });
    return new LazyUnit(() => this.#attachments.begin({ run }));
  }

  async #begin<Result>(body: (session: Session) => Promise<Result>, options?: unknown): Promise<Result> {
    // Beside an open transaction the journal's table could not be made everywhere.
    await this.#attachments.prepare();
    const release = await this.#takeTurn();
    try {
      return await this.#source.transaction(body, options);
    } finally {
      release();
    }
  }
}

/** Where what fails has failed. */
export function once<Result>(act: () => Promise<Result>): Promise<Result> {
  return act();
}
