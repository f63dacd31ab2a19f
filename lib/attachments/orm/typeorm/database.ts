import type { DataSource, QueryRunner } from 'typeorm';
import { DepotError } from '../../../errors.js';
import type { SqlDialect, SqlExecutor, SqlRow } from '../../journal/sql-journal.js';

/** Connections to the journal besides those of the application, at most. */
const JOURNAL_CONNECTIONS = 3;

/** Where statements go that are to be committed by themselves. */
export interface OutsideConnection extends SqlExecutor {
  close(): Promise<void>;
}

const DIALECTS: Readonly<Record<string, SqlDialect>> = { postgres: 'postgres', 'better-sqlite3': 'sqlite' };

/** @throws DepotError `INVALID_OPTION` */
export function dialectOf(dataSource: DataSource): SqlDialect {
  const { type } = dataSource.options;
  const dialect = DIALECTS[type];
  if (dialect) return dialect;
  throw new DepotError(
    'INVALID_OPTION',
    `There is no journal for databases of the type ${type}: set journal`,
  );
}

/** Runs statements on the connection of a transaction. */
export function executorOf(queryRunner: QueryRunner): SqlExecutor {
  return { run: async (sql, parameters) => rowsOf(await queryRunner.query(sql, [...parameters])) };
}

/** @param transactionEnd resolves when no transaction is open on the one connection that there is to SQLite */
export function connectOutside(
  dataSource: DataSource,
  transactionEnd: () => Promise<void>,
): Promise<OutsideConnection> {
  return dialectOf(dataSource) === 'sqlite'
    ? Promise.resolve(sqliteOutside(dataSource, transactionEnd))
    : postgresOutside(dataSource);
}

interface PostgresPool {
  query(sql: string, parameters: readonly string[]): Promise<{ rows: SqlRow[] }>;
  end(): Promise<void>;
}

interface PostgresDriver {
  createPool(options: object, credentials: object): Promise<PostgresPool>;
}

/**
 * A pool of its own: if transactions that hold all connections of the application's waited for one more, none of them
 * would ever end.
 */
async function postgresOutside(dataSource: DataSource): Promise<OutsideConnection> {
  const { options } = dataSource;
  const credentials = ('replication' in options && options.replication?.master) || options;
  const driver = dataSource.driver as unknown as PostgresDriver;
  const extra = { ...('extra' in options && options.extra), max: JOURNAL_CONNECTIONS };
  const pool = await driver.createPool({ ...options, extra }, credentials);
  return {
    run: async (sql, parameters) => (await pool.query(sql, parameters)).rows,
    close: () => pool.end(),
  };
}

interface SqliteDatabase {
  prepare(sql: string): SqliteStatement;
}

interface SqliteStatement {
  readonly reader: boolean;
  all(...parameters: readonly string[]): SqlRow[];
  run(...parameters: readonly string[]): unknown;
}

/** Past TypeORM, which has gaps between its calls in which another transaction could begin on the same connection. */
function sqliteOutside(dataSource: DataSource, transactionEnd: () => Promise<void>): OutsideConnection {
  const { databaseConnection } = dataSource.driver as unknown as { databaseConnection: SqliteDatabase };
  return {
    run: async (sql, parameters) => {
      await transactionEnd();
      const statement = databaseConnection.prepare(sql);
      if (statement.reader) return statement.all(...parameters);
      statement.run(...parameters);
      return [];
    },
    close: async () => {},
  };
}

function rowsOf(result: unknown): readonly SqlRow[] {
  return Array.isArray(result) ? result : [];
}
