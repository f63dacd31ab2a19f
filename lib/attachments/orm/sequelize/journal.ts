import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Options, QueryTypes, Sequelize, type Transaction } from 'sequelize';
import { DepotError } from '../../../errors.js';
import type { SqlDialect, SqlExecutor, SqlRow } from '../../journal/sql-journal.js';
import { SqlJournal } from '../../journal/sql-journal.js';
import { isInMemory, optionsOf, sqliteFileOf } from './internals.js';

export interface SequelizeJournalOptions {
  /** Name of the table, made where it is missing; with its schema before a dot, if need be. @default 'depot_intents' */
  readonly table?: string | undefined;
  /**
   * SQLite only: a folder on this machine for what must be written while the database is busy.
   * @default the name of the database file, with `.depot-intents` at its end
   */
  readonly folder?: string | undefined;
}

/** What a connection is made with; models and their hooks are not for the journal. */
const CONNECTION_HOOKS = ['beforeConnect', 'afterConnect', 'beforeDisconnect', 'afterDisconnect'];

/** Connections that the journal has for itself. */
const JOURNAL_CONNECTIONS = 2;

/**
 * The journal in the application's database.
 * @throws DepotError `UNSUPPORTED` for databases other than PostgreSQL and SQLite
 */
export function sequelizeJournal(sequelize: Sequelize, options: SequelizeJournalOptions = {}): SqlJournal {
  const dialect = dialectOf(sequelize);
  const { table, folder = dialect === 'sqlite' ? besideDatabase(sequelize) : undefined } = options;
  if (dialect === 'sqlite') return new SqlJournal({ dialect, table, folder, outside: executorOf(sequelize) });
  const connections = connectionsLike(sequelize);
  return new ClosingJournal({ dialect, table, outside: executorOf(connections) }, () => connections.close());
}

/** Runs the journal's statements, in a transaction or outside of all. */
export function executorOf(
  sequelize: Sequelize,
  transaction: () => Promise<Transaction | null> = async () => null,
): SqlExecutor {
  const isPostgres = sequelize.getDialect() === 'postgres';
  return {
    async run(sql, parameters) {
      const values = isPostgres ? { bind: [...parameters] } : { replacements: [...parameters] };
      // A replica would refuse what is written, and may be behind in what is read.
      const place = { transaction: await transaction(), useMaster: true };
      const options = { type: QueryTypes.SELECT, raw: true, ...place, ...values };
      // Sequelize takes what begins with INSERT for a statement without rows, whatever its type.
      return (await sequelize.query(`/* journal */ ${sql}`, options)) as SqlRow[];
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

function dialectOf(sequelize: Sequelize): SqlDialect {
  const dialect = sequelize.getDialect();
  if (dialect === 'postgres' || dialect === 'sqlite') return dialect;
  throw new DepotError(
    'UNSUPPORTED',
    `Attachments follow transactions of PostgreSQL and SQLite, not ${dialect}`,
  );
}

function besideDatabase(sequelize: Sequelize): string {
  if (isInMemory(sequelize)) return join(tmpdir(), `depot-intents-${process.pid}`);
  return `${sqliteFileOf(sequelize)}.depot-intents`;
}

/**
 * Connections to the same database: transactions that hold all of the application's would wait for an announcement that
 * waits for a connection.
 */
function connectionsLike(sequelize: Sequelize): Sequelize {
  const { database, username, password } = sequelize.config;
  const options = optionsOf(sequelize);
  const hooks = Object.fromEntries(CONNECTION_HOOKS.map((name) => [name, hooksOf(options.hooks?.[name])]));
  return new Sequelize({
    ...(options as Options),
    ...{ database, username, password: password ?? '' },
    hooks,
    pool: { max: JOURNAL_CONNECTIONS, min: 0 },
  });
}

/** Hooks with and without a name. */
function hooksOf(hooks: unknown): unknown[] {
  const list = Array.isArray(hooks) ? hooks : [];
  return list.map((hook) => (typeof hook === 'object' && hook !== null && 'fn' in hook ? hook.fn : hook));
}
