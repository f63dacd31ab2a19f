import type { SqlExecutor, SqlRow } from '../journal/sql-journal.js';

/** SQL with its parameters, as `SqlExecutor.run` takes it. */
export interface SqlStatement {
  readonly sql: string;
  readonly parameters: readonly string[];
}

/**
 * What the journal has to say in the transaction of a statement that is sent alone: the statement takes it along, so that
 * all is done or nothing, in one round trip.
 */
export class CarriedStatements implements SqlExecutor {
  readonly isLate = true;
  readonly #statements: SqlStatement[] = [];
  #isTaken = false;

  /** @returns no rows: it is not run yet */
  async run(sql: string, parameters: readonly string[]): Promise<readonly SqlRow[]> {
    if (this.#isTaken) throw new Error('The statement was sent already');
    this.#statements.push({ sql, parameters });
    return [];
  }

  /** For the statement that takes them along. */
  take(): readonly SqlStatement[] {
    this.#isTaken = true;
    return this.#statements;
  }
}
