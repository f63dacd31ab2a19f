import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import type { MikroORM } from '@mikro-orm/core';
import { DepotError } from '../../../errors.js';
import { type SqlDialect, type SqlExecutor, SqlJournal } from '../../journal/sql-journal.js';
import { type Context, driverOf, type SqlConnection } from './internals.js';

export interface MikroOrmJournalOptions {
  /** Name of the table, made where it is missing; with its schema before a dot, if need be. @default 'depot_intents' */
  readonly table?: string | undefined;
  /**
   * SQLite only: a folder on this machine for what must be written while the database is busy.
   * @default the name of the database file, with `.depot-intents` at its end
   */
  readonly folder?: string | undefined;
}

const DEFAULT_TABLE = 'depot_intents';

/** Connections that the journal has for itself. */
const JOURNAL_CONNECTIONS = 2;

/**
 * The journal in the application's database. Its table is left alone when the schema is updated.
 * @throws DepotError `UNSUPPORTED` for databases other than PostgreSQL and SQLite
 */
export function mikroOrmJournal(orm: MikroORM, options: MikroOrmJournalOptions = {}): SqlJournal {
  const dialect = dialectOf(orm);
  const { table = DEFAULT_TABLE, folder = besideDatabase(orm) } = options;
  hideFromSchema(orm, table);
  const connection = driverOf(orm).getConnection('write');
  if (dialect === 'sqlite')
    return new SqlJournal({ dialect, table, folder, outside: executorOf(async () => ({ connection })) });
  const own = connectionLike(orm, connection);
  return new ClosingJournal({ dialect, table, outside: executorOf(async () => ({ connection: own })) }, () =>
    own.close(true),
  );
}

/** Where a statement is to run. */
export interface Place {
  readonly connection: SqlConnection;
  readonly ctx?: Context | undefined;
}

/** Runs the journal's statements. MikroORM writes parameters into the text, and knows question marks only. */
export function executorOf(place: () => Promise<Place>): SqlExecutor {
  return {
    async run(sql, parameters) {
      const values: string[] = [];
      const text = sql.replace(/\$(\d+)|\?/g, (_mark, number) => {
        values.push(parameters[number === undefined ? values.length : Number(number) - 1] ?? '');
        return '?';
      });
      const { connection, ctx } = await place();
      return connection.execute(text, values, 'all', ctx);
    },
  };
}

/** Releases connections of its own, too. */
class ClosingJournal extends SqlJournal {
  readonly #release: () => Promise<void>;

  constructor(options: ConstructorParameters<typeof SqlJournal>[0], release: () => Promise<void>) {
    super(options);
    this.#release = release;
  }

  override async close(): Promise<void> {
    await super.close();
    await this.#release();
  }
}

export function dialectOf(orm: MikroORM): SqlDialect {
  const name = orm.driver.getPlatform().constructor.name;
  if (/Postgre/.test(name)) return 'postgres';
  if (/Sqlite|LibSql/i.test(name)) return 'sqlite';
  throw new DepotError(
    'UNSUPPORTED',
    `Attachments follow transactions of PostgreSQL and SQLite, not of ${name}`,
  );
}

function besideDatabase(orm: MikroORM): string {
  const name = orm.config.get('dbName') ?? ':memory:';
  if (name === ':memory:' || name === '') return join(tmpdir(), `depot-intents-${process.pid}`);
  return `${resolve(orm.config.get('baseDir'), name)}.depot-intents`;
}

/**
 * A connection to the same database: transactions that hold all of the application's would wait for an announcement that
 * waits for a connection.
 */
function connectionLike(orm: MikroORM, connection: SqlConnection): SqlConnection {
  const { options } = connection as unknown as { readonly options: object };
  const Connection = connection.constructor as new (...parameters: unknown[]) => SqlConnection;
  return new Connection(orm.config, { ...options, pool: { min: 0, max: JOURNAL_CONNECTIONS } }, 'write');
}

function hideFromSchema(orm: MikroORM, table: string): void {
  const options = orm.config.get('schemaGenerator');
  const { skipTables = [] } = options;
  if (!skipTables.includes(table)) options.skipTables = [...skipTables, table];
}
