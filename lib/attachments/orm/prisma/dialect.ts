import { DepotError } from '../../../errors.js';
import { partsOf } from '../../../internal/parts.js';
import { Semaphore } from '../../../internal/semaphore.js';
import type { SqlDialect, SqlExecutor } from '../../journal/sql-journal.js';
import { type OutcomeOf, once, type TakeTurn, type TransactionSource } from '../../sql/transactions.js';
import type { Carrier } from './carrier.js';
import type { Client, Row } from './client.js';
import { type ModelShape, nameOf, quote } from './data-model.js';

/** Rows that are asked for one by one in a condition: of those, Prisma and SQLite take some hundred. */
export const ROWS_AT_ONCE = 200;

/** What is different from database to database. */
export interface Dialect {
  readonly name: SqlDialect;
  /**
   * The positions of those rows among these that are there, as `position`: asked in SQL, from which no extension hides any.
   * @param isLocking whether they are locked until the end of the transaction
   */
  find(client: Client, shape: ModelShape, rows: readonly Row[], isLocking: boolean): Promise<Row[]>;
  /** A condition: the text of a JSON column contains the parameter. */
  contains(column: string): string;
}

const DIALECTS: Readonly<Record<string, Dialect>> = {
  postgresql: {
    name: 'postgres',
    find: findInPostgres,
    contains: (column) => `strpos(${column}::text, $1) > 0`,
  },
  sqlite: {
    name: 'sqlite',
    find: findInSqlite,
    contains: (column) => `instr(${column}, ?) > 0`,
  },
};

/** @param provider of the data source, as Prisma names it @throws DepotError `UNSUPPORTED` */
export function dialectOf(provider: unknown): Dialect {
  const dialect = DIALECTS[String(provider)];
  if (dialect) return dialect;
  throw new DepotError('UNSUPPORTED', `Attachments are for PostgreSQL and SQLite, not for ${provider}`);
}

/** Keys are given as JSON, since the table knows of what types they are. */
async function findInPostgres(
  client: Client,
  shape: ModelShape,
  rows: readonly Row[],
  isLocking: boolean,
): Promise<Row[]> {
  const { table, key, column } = shape;
  const conditions = key.map((field) => {
    const [own, given] = [`own.${quote(column(field))}`, `given.${quote(column(field))}`];
    const isWithin = `${own} >= ${given} AND ${own} < ${given} + interval '1 millisecond'`;
    return shape.isFiner(field) ? isWithin : `${own} = ${given}`;
  });
  const given = `jsonb_populate_recordset(null::${table}, $1::jsonb) WITH ORDINALITY AS given`;
  const selection = `SELECT given.ordinality::int - 1 AS position FROM ${table} AS own`;
  const lock = isLocking ? ' FOR UPDATE OF own' : '';
  const text = `${selection} JOIN ${given} ON ${conditions.join(' AND ')}${lock}`;
  const keys = rows.map((row) =>
    Object.fromEntries(key.map((field) => [column(field), asJson(shape, field, row)])),
  );
  return client.$queryRawUnsafe(text, JSON.stringify(keys));
}

function asJson(shape: ModelShape, field: string, row: Row): unknown {
  const value = shape.inDatabase(field, row[field]);
  if (value instanceof Uint8Array) return `\\x${Buffer.from(value).toString('hex')}`;
  return typeof value === 'bigint' ? `${value}` : value;
}

/** The adapter knows how it has stored dates. Nothing is locked: there is one transaction that writes. */
async function findInSqlite(client: Client, shape: ModelShape, rows: readonly Row[]): Promise<Row[]> {
  const { table, key, column } = shape;
  const found: Row[][] = [];
  for (const { first, part } of partsOf(rows, ROWS_AT_ONCE)) {
    const given = part.map((_row, index) => `(${[first + index, ...key.map(() => '?')].join(', ')})`);
    const names = key.map((_field, index) => `key${index}`);
    const conditions = key.map((field, index) => `own.${quote(column(field))} = given.key${index}`);
    const text = `WITH given (position, ${names.join(', ')}) AS (VALUES ${given.join(', ')})
      SELECT position FROM given WHERE EXISTS (SELECT 1 FROM ${table} AS own WHERE ${conditions.join(' AND ')})`;
    const values = part.flatMap((row) => key.map((field) => shape.inDatabase(field, row[field])));
    found.push(await client.$queryRawUnsafe(text, ...values));
  }
  return found.flat();
}

/** Those of the rows that are there. */
export async function rowsFound(
  client: Client,
  dialect: Dialect,
  shape: ModelShape,
  rows: readonly Row[],
): Promise<Row[]> {
  if (rows.length === 0) return [];
  const positions = new Set(
    (await dialect.find(client, shape, rows, false)).map(({ position }) => Number(position)),
  );
  return rows.filter((_row, position) => positions.has(position));
}

/** Whether a row of one of the models refers to a file. */
export async function isReferenced(
  client: Client,
  dialect: Dialect,
  models: readonly ModelShape[],
  path: string,
): Promise<boolean> {
  for (const { attachments, table, column } of models) {
    for (const field of attachments.keys()) {
      const text = `SELECT 1 AS found FROM ${table} WHERE ${dialect.contains(quote(column(field)))} LIMIT 1`;
      if ((await client.$queryRawUnsafe(text, JSON.stringify(path))).length > 0) return true;
    }
  }
  return false;
}

/** Runs the journal's SQL. @param client where; its transaction is begun when it is needed */
export function executorOf(client: () => Promise<Client>): SqlExecutor {
  return { run: async (text, parameters) => (await client()).$queryRawUnsafe(text, ...parameters) };
}

/**
 * A transaction of our own takes as long as its statement, and waits for its turn as long as it must: without us there
 * would be no limits either. Milliseconds.
 */
const OWN_LIMITS = { maxWait: 60_000, timeout: 600_000 };

/** Answers of a database that has written nothing (https://www.prisma.io/docs/orm/reference/error-reference). */
const REFUSALS: ReadonlySet<unknown> = new Set(['P2000', 'P2002', 'P2003', 'P2004', 'P2011', 'P2020']);

/** How an operation on a model has ended. Other extensions may have done more, and have failed with that: the rows are asked. */
export function outcomeOf(model: ModelShape, error: unknown): ReturnType<OutcomeOf> {
  const { code, meta } = (error ?? {}) as {
    readonly code?: unknown;
    readonly meta?: { modelName?: unknown };
  };
  const isRefusal = REFUSALS.has(code) && isWithin(model, nameOf(String(meta?.modelName)));
  return isRefusal ? 'refused' : 'unknown';
}

/** Whether it is the model, or one whose rows may be created with its own. */
function isWithin(model: ModelShape, name: string, seen: Set<ModelShape> = new Set()): boolean {
  if (seen.has(model)) return false;
  seen.add(model);
  return model.name === name || [...model.relations.values()].some((other) => isWithin(other, name, seen));
}

/** The transactions of a client. */
export function transactionsOf(
  client: Client,
  dialect: Dialect,
  carrier: Carrier | undefined,
): TransactionSource<Client> {
  return {
    get carrier() {
      return carrier?.of(client);
    },
    outside: client,
    hidesRollback: dialect.name === 'postgres',
    isServer: dialect.name === 'postgres',
    executor: executorOf,
    attempt: once,
    transaction: (body, options = OWN_LIMITS) =>
      client.$transaction(body, options as object) as ReturnType<typeof body>,
  };
}

/**
 * As many turns as transactions may be open at once. Who waits for a connection while holding one waits in vain if all
 * do: one stays free for the journal. With SQLite, where announcements are files, Prisma has transactions wait by itself.
 * @param connections of the adapter's pool
 */
export function turnsOf(dialect: Dialect, connections: number): TakeTurn {
  const turns = new Semaphore(dialect.name === 'postgres' ? connections - 1 : Number.POSITIVE_INFINITY);
  return () => turns.acquire();
}
