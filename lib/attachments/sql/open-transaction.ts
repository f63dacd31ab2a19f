import type { SqlExecutor } from '../journal/sql-journal.js';
import type { Outcome, UnitOfWork } from '../unit-of-work.js';
import { Running } from './running.js';
import type { Work } from './transactions.js';

/** The unit of work of a transaction, made when the first attachment comes up. */
export class LazyUnit {
  readonly #begin: () => UnitOfWork<SqlExecutor>;
  #unit: UnitOfWork<SqlExecutor> | undefined;
  #isInDoubt = false;

  constructor(begin: () => UnitOfWork<SqlExecutor>) {
    this.#begin = begin;
  }

  get(): UnitOfWork<SqlExecutor> {
    this.#unit ??= this.#begin();
    return this.#unit;
  }

  /** The transaction may be rolled back unseen. */
  doubt(): void {
    this.#isInDoubt = true;
  }

  rolledBackInPart(): void {
    this.#unit?.rolledBackInPart();
  }

  async settle(outcome: Outcome): Promise<void> {
    if (this.#isInDoubt) this.rolledBackInPart();
    await this.#unit?.settle(outcome);
  }
}

/** How a transaction and its savepoints are run. */
export interface Conduct {
  readonly unit: LazyUnit;
  /** Whether a COMMIT that succeeds may be a rollback. */
  readonly hidesRollback: boolean;
}

/** Runs a savepoint, as `Transactions` do a transaction. */
type BeginNested<Session> = <Result>(body: (session: Session) => Promise<Result>) => Promise<Result>;

/** A transaction of the application, or a savepoint in it, from its beginning to its end. */
export class OpenTransaction<Session> {
  readonly session: Session;
  readonly #running: Running;
  readonly #conduct: Conduct;
  #failure: { readonly error: unknown } | undefined;

  constructor(session: Session, running: Running, conduct: Conduct) {
    this.session = session;
    this.#running = running;
    this.#conduct = conduct;
  }

  /**
   * Runs what the application does in it. When this ends, nothing of it runs on: the transaction can be committed, or
   * rolled back.
   */
  async run<Result>(body: (open: this) => Promise<Result>): Promise<Result> {
    try {
      const result = await body(this);
      await this.#running.finish();
      if (this.#failure) throw this.#failure.error;
      return result;
    } catch (error) {
      await this.#running.stop();
      throw error;
    }
  }

  /**
   * Runs a statement. The application may go on after it has failed; but not commit, if the statement had written by
   * then: its rows would have files that are taken back.
   */
  statement<Result>(run: (work: Work<Session>) => Promise<Result>): Promise<Result> {
    return this.#running.add(async (send) => {
      let hasWritten = false;
      const session = async () => {
        send();
        return this.session;
      };
      const attempt = async <Written>(act: () => Promise<Written>) => {
        const written = await act();
        hasWritten = true;
        return written;
      };
      const attemptParts = <Written>(act: () => Promise<Written>) => {
        hasWritten = true;
        return act();
      };
      try {
        return await run({ session, unit: this.#conduct.unit.get(), attempt, attemptParts });
      } catch (error) {
        if (hasWritten) this.#failure ??= { error };
        this.doubt();
        throw error;
      }
    });
  }

  /** A statement may have failed unseen. */
  doubt(): void {
    if (this.#conduct.hidesRollback) this.#conduct.unit.doubt();
  }

  /** Runs a transaction in the transaction: a savepoint. */
  nested<Result>(
    begin: BeginNested<Session>,
    body: (open: OpenTransaction<Session>) => Promise<Result>,
  ): Promise<Result> {
    return this.#running.add(async (send) => {
      send();
      try {
        return await begin((session) => this.#inner(session).run(body));
      } catch (error) {
        this.#conduct.unit.rolledBackInPart();
        throw error;
      }
    });
  }

  #inner(session: Session): OpenTransaction<Session> {
    return new OpenTransaction(session, new Running(this.#running), this.#conduct);
  }
}
