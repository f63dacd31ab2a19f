import type { SqlStatement } from '../../sql/carried-statements.js';
import type { Statements } from './internals.js';

/**
 * Statements that insert, and take others along in PostgreSQL: all are done, or none
 * (https://www.postgresql.org/docs/current/queries-with.html#QUERIES-WITH-MODIFYING).
 */
export function carrying(target: Statements, carried: readonly SqlStatement[]): Statements {
  if (carried.length === 0) return target;
  const { queryGenerator } = target;
  const subqueries = carried.map((one, index) => `depot_journal_${index} AS (${toText(target, one)})`);
  const prefix = `WITH ${subqueries.join(', ')} `;
  const generator: Partial<Statements['queryGenerator']> = {
    insertQuery(...parameters) {
      const made = queryGenerator.insertQuery(...parameters);
      return { ...made, query: prefix + made.query };
    },
    bulkInsertQuery: (...parameters) => prefix + queryGenerator.bulkInsertQuery(...parameters),
  };
  return inheriting(target, { queryGenerator: inheriting(queryGenerator, generator) });
}

/** The same, but for some of its properties. */
function inheriting<Target extends object>(target: Target, properties: Partial<Target>): Target {
  return Object.assign(Object.create(target), properties);
}

/** With the values in the text: placeholders are those of the statement that takes it along. */
function toText({ queryGenerator }: Statements, { sql, parameters }: SqlStatement): string {
  const value = (number: string) => queryGenerator.escape(parameters[Number(number) - 1]);
  // Sequelize takes a dollar for the beginning of a placeholder, also in a literal.
  return sql.replace(/\$(\d+)/g, (_place, number) => value(number).replaceAll('$', "' || chr(36) || '"));
}
