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

/**
 * What comes before a statement of PostgreSQL that takes others along
 * (https://www.postgresql.org/docs/current/queries-with.html#QUERIES-WITH-MODIFYING).
 * @param place what stands for a parameter in the text
 */
export function asSubqueries(
  statements: readonly SqlStatement[],
  place: (parameter: string) => string,
): string {
  const subqueries = statements.map(({ sql, parameters }, index) => {
    const text = sql.replace(/\$(\d+)/g, (_place, number) => place(parameters[Number(number) - 1] ?? ''));
    return `${CARRIED}_${index} AS (${text})`;
  });
  return `WITH ${subqueries.join(', ')} `;
}

/** Begins the names of the subqueries. */
export const CARRIED = 'depot_journal';
