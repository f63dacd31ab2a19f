import { asSubqueries, type SqlStatement } from '../../sql/carried-statements.js';
import type { Statements } from './internals.js';

/** Statements that insert, and take others along in PostgreSQL: all are done, or none. */
export function carrying(target: Statements, carried: readonly SqlStatement[]): Statements {
  if (carried.length === 0) return target;
  const { queryGenerator } = target;
  // The text has the values: placeholders are those of the statement. Sequelize takes a dollar for one, also in a literal.
  const literal = (value: string) => queryGenerator.escape(value).replaceAll('$', "' || chr(36) || '");
  const prefix = asSubqueries(carried, (value) => `(${literal(value)})`);
  const generator: Partial<Statements['queryGenerator']> = {
    insertQuery(...parameters) {
      const made = queryGenerator.insertQuery(...parameters);
      return { ...made, query: prefix + made.query };
    },
    bulkInsertQuery: (...parameters) => prefix + queryGenerator.bulkInsertQuery(...parameters),
  };
  const own = inheriting(target, { queryGenerator: inheriting(queryGenerator, generator) });
  return inheriting(own, {
    insert: (instance, table, values, options) =>
      own.insert(instance, table, values, { ...options, retry: ONCE }),
    bulkInsert: (table, rows, options, attributes) =>
      own.bulkInsert(table, rows, { ...options, retry: ONCE }, attributes),
  });
}

/** A second try would fail on what the first one has done, if only its answer was lost. */
const ONCE = { max: 1 };

/** The same, but for some of its properties. */
function inheriting<Target extends object>(target: Target, properties: Partial<Target>): Target {
  return Object.assign(Object.create(target), properties);
}
