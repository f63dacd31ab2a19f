import { isNativeError } from 'node:util/types';
import { is, type SQL, sql, type Table } from 'drizzle-orm';
import { PgDatabase } from 'drizzle-orm/pg-core';
import { BaseSQLiteDatabase } from 'drizzle-orm/sqlite-core';
import { DepotError, isDepotError } from '../../../errors.js';
import { Semaphore } from '../../../internal/semaphore.js';
import type { SqlDialect, SqlExecutor, SqlRow } from '../../journal/sql-journal.js';
import { CARRIED } from '../../sql/carried-statements.js';
import { isDuplicateIn, isRefusedByPostgres } from '../../sql/refusals.js';
import type { OutcomeOf, StatementCarrier, TakeTurn, TransactionSource } from '../../sql/transactions.js';
import { acquireInTime, untilFree } from './busy.js';
import type { Session } from './session.js';

/** What is different from database to database. */
export interface Dialect {
  readonly name: SqlDialect;
  /** Whether a COMMIT after a failed statement rolls back, and succeeds nevertheless. */
  readonly hidesRollback: boolean;
  /** Lets as many transactions be open at once as there may be. */
  readonly takeTurn: TakeTurn;
  /** Begins a transaction. @param mayRepeat whether a try that failed has changed nothing */
  begin<Result>(act: () => Promise<Result>, mayRepeat: () => boolean): Promise<Result>;
  /** Runs one statement outside of transactions. */
  outside<Result>(act: () => Promise<Result>): Promise<Result>;
  /** Runs SQL in a session. */
  run(session: Session, query: SQL): Promise<readonly SqlRow[]>;
  /** A condition: the text of a JSON column contains this text. */
  contains(column: unknown, text: string): SQL;
}

/** Who waits for a connection while holding one waits for ever if all do: one stays free for the journal. */
function postgres(db: object): Dialect {
  const turns = new Semaphore(poolSizeOf(db) - 1);
  return {
    name: 'postgres',
    hidesRollback: true,
    takeTurn: () => turns.acquire(),
    begin: (act) => act(),
    outside: (act) => act(),
    run: async (session, query) => {
      const result = await (session as Session & Executing).execute(query);
      return Array.isArray(result) ? result : (result as { rows: SqlRow[] }).rows;
    },
    contains: (column, text) => sql`strpos(${column}::text, ${text}) > 0`,
  };
}

interface Executing {
  /** Gives rows, or an object with them: as the driver has it. */
  execute(query: SQL): Promise<unknown>;
}

/** One writes at a time: those of this process take turns, and those of others are waited for. */
function sqlite(): Dialect {
  const turns = new Semaphore(1);
  const takeTurn = () => acquireInTime(turns);
  return {
    name: 'sqlite',
    hidesRollback: false,
    takeTurn,
    begin: untilFree,
    async outside(act) {
      const release = await takeTurn();
      return untilFree(act).finally(release);
    },
    run: (session, query) => (session as Session & Asking).all(query),
    contains: (column, text) => sql`instr(${column}, ${text}) > 0`,
  };
}

interface Asking {
  all(query: SQL): Promise<SqlRow[]>;
}

/**
 * What is particular to the database behind Drizzle.
 * @throws DepotError `UNSUPPORTED` for other databases than PostgreSQL and SQLite, and for drivers that are synchronous;
 *   `INVALID_OPTION` for PostgreSQL without a pool
 */
export function dialectOf(db: object): Dialect {
  if (is(db, PgDatabase)) return postgres(db);
  if (!is(db, BaseSQLiteDatabase)) throw unsupported('is for PostgreSQL and SQLite');
  if (Reflect.get(db, 'resultKind') === 'async') return sqlite();
  throw unsupported('needs a driver that is asynchronous, e.g. drizzle-orm/libsql');
}

function unsupported(reason: string): DepotError {
  return new DepotError('UNSUPPORTED', `withAttachments ${reason}`);
}

/** Of node-postgres, postgres.js and those that are made like them. */
function poolSizeOf(db: object): number {
  const { $client } = db as { $client?: { options?: { max?: unknown } } };
  const size = Number($client?.options?.max);
  if (size >= 2) return size;
  throw new DepotError('INVALID_OPTION', 'withAttachments needs a pool of at least 2 connections');
}

/** The transactions of a database. @param journalTable if the journal is in a table */
export function transactionsOf(
  db: Session,
  dialect: Dialect,
  journalTable: string | undefined,
): TransactionSource<Session> {
  const isServer = dialect.name === 'postgres';
  return {
    outside: db,
    hidesRollback: dialect.hidesRollback,
    isServer,
    carrier: isServer && journalTable !== undefined ? carrierOf(db.$primary ?? db, journalTable) : undefined,
    executor: (session) => executorOf(dialect, session),
    attempt: (act) => dialect.outside(act),
    transaction(body, options) {
      let hasBegun = false;
      const inside = (session: Session) => {
        hasBegun = true;
        return body(session);
      };
      return dialect.begin(
        () => db.transaction(inside, options),
        () => !hasBegun,
      );
    },
  };
}

/** https://www.postgresql.org/docs/current/queries-with.html#QUERIES-WITH-MODIFYING */
function carrierOf(db: Session, journalTable: string): StatementCarrier<Session> {
  return {
    session(carried) {
      if (carried.length === 0) return db;
      const statements = carried.map(({ sql, parameters }, index) =>
        db.$with(`${CARRIED}_${index}`).as(toSql(sql, parameters)),
      );
      const withMore = (...subqueries: readonly unknown[]) => db.with(...statements, ...subqueries);
      return { ...withMore(), with: withMore };
    },
    outcomeOf,
    isConflict: (error) => isDuplicateIn(journalTable, error),
  };
}

/** How a statement has ended. */
export function outcomeOf(error: unknown): ReturnType<OutcomeOf> {
  return isRefusal(error) ? 'rolledBack' : 'unknown';
}

/** What we refuse is not sent. Drizzle wraps what the database says: a severity in PostgreSQL, and a code that tells its origin in SQLite. */
function isRefusal(error: unknown): boolean {
  if (isDepotError(error)) return true;
  if (!isNativeError(error)) return false;
  const isAnswer = 'severity' in error && isRefusedByPostgres(error);
  const { code, cause } = error as Error & { code?: unknown };
  return isAnswer || String(code).startsWith('SQLITE_') || isRefusal(cause);
}

/** Runs the journal's SQL in a transaction. @param session begins it, if need be */
export function executorOf(dialect: Dialect, session: () => Promise<Session>): SqlExecutor {
  return { run: async (text, parameters) => dialect.run(await session(), toSql(text, parameters)) };
}

/** The same, outside of transactions. */
export function outsideExecutor(dialect: Dialect, db: Session): SqlExecutor {
  const run = (text: string, parameters: readonly string[]) => dialect.run(db, toSql(text, parameters));
  return { run: (text, parameters) => dialect.outside(() => run(text, parameters)) };
}

/** The journal's placeholders stand in the order of their parameters. */
function toSql(text: string, parameters: readonly string[]): SQL {
  const parts = text.split(/\$\d+|\?/).map((part) => sql.raw(part));
  const values = parameters.map((parameter) => sql`${parameter}`);
  return sql.join(parts.flatMap((part, index) => [part, values[index] ?? sql``]));
}

/** Whether a row of one of the tables refers to a file. */
export async function isReferenced(
  db: Session,
  dialect: Dialect,
  tables: readonly { readonly table: Table; readonly columns: readonly unknown[] }[],
  path: string,
): Promise<boolean> {
  const quoted = JSON.stringify(path);
  for (const { table, columns } of tables) {
    const found = columns.map((column) => dialect.contains(column, quoted));
    const query = db.select({ found: sql`1` }).from(table);
    if ((await query.where(sql.join(found, sql` or `)).limit(1)).length > 0) return true;
  }
  return false;
}
