import { DepotError } from '../../../errors.js';
import { Semaphore } from '../../../internal/semaphore.js';
import type { SqlDialect, SqlExecutor } from '../../journal/sql-journal.js';
import { type OutcomeOf, once, type TakeTurn, type TransactionSource } from '../../sql/transactions.js';
import type { Carrier } from './carrier.js';
import type { Client, Row } from './client.js';
import { type ModelShape, nameOf, quote } from './data-model.js';

/** What is different from database to database. */
export interface Dialect {
  readonly name: SqlDialect;
  /** Locks these rows until the end of the transaction. */
  lock(client: Client, shape: ModelShape, rows: readonly Row[]): Promise<void>;
  /** A query for rows that have the keys in its parameter, a list as JSON. @param columns of the key, quoted */
  keysIn(shape: ModelShape, columns: string): string;
  /** A condition: the text of a JSON column contains the parameter. */
  contains(column: string): string;
}

const DIALECTS: Readonly<Record<string, Dialect>> = {
  postgresql: {
    name: 'postgres',
    lock: lockInPostgres,
    keysIn: ({ table }, columns) =>
      `SELECT ${columns} FROM jsonb_populate_recordset(null::${table}, $1::jsonb)`,
    contains: (column) => `strpos(${column}::text, $1) > 0`,
  },
  sqlite: {
    name: 'sqlite',
    // There is one transaction that writes.
    lock: async () => {},
    keysIn: ({ key, column }) => {
      const values = key.map((field) => `json_extract(value, '$."${column(field)}"')`);
      return `SELECT ${values.join(', ')} FROM json_each(?)`;
    },
    contains: (column) => `instr(${column}, ?) > 0`,
  },
};

/** @param provider of the data source, as Prisma names it @throws DepotError `UNSUPPORTED` */
export function dialectOf(provider: unknown): Dialect {
  const dialect = DIALECTS[String(provider)];
  if (dialect) return dialect;
  throw new DepotError('UNSUPPORTED', `Attachments are for PostgreSQL and SQLite, not for ${provider}`);
}

/** Prisma has no words for it. */
async function lockInPostgres(client: Client, shape: ModelShape, rows: readonly Row[]): Promise<void> {
  await keysFound(client, DIALECTS.postgresql as Dialect, shape, rows, ' FOR UPDATE');
}

/** The keys of those rows that are there, by the names of columns: asked in SQL, from which no extension hides any. */
export async function keysFound(
  client: Client,
  dialect: Dialect,
  shape: ModelShape,
  rows: readonly Row[],
  suffix = '',
): Promise<Row[]> {
  if (rows.length === 0) return [];
  const { table, key, column } = shape;
  const columns = key.map((field) => quote(column(field))).join(', ');
  const text = `SELECT ${columns} FROM ${table} WHERE (${columns}) IN (${dialect.keysIn(shape, columns)})${suffix}`;
  // As JSON, since the database knows of what type they are.
  const keys = rows.map((row) => Object.fromEntries(key.map((field) => [column(field), row[field]])));
  return client.$queryRawUnsafe(text, JSON.stringify(keys, withBigInts));
}

function withBigInts(_key: string, value: unknown): unknown {
  return typeof value === 'bigint' ? `${value}` : value;
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
