import { DepotError } from '../../errors.js';
import { partsOf } from '../../internal/parts.js';
import { FileJournal } from './file-journal.js';
import type { Decisions, Intent, IntentJournal } from './journal.js';

/** A row by the names of its columns. */
export type SqlRow = Readonly<Record<string, unknown>>;

/** Runs one statement, in a transaction or outside of all. */
export interface SqlExecutor {
  /**
   * Whether statements are run later, so that they give no rows, within another statement of PostgreSQL: each must fail
   * unless all of it can be done.
   */
  readonly isLate?: boolean;
  /**
   * @param sql with placeholders as the dialect has them: `$1`, `$2`, … or `?`
   * @param parameters texts only
   * @returns the rows, also those of `RETURNING`; none for other statements
   */
  run(sql: string, parameters: readonly string[]): Promise<readonly SqlRow[]>;
}

/** SQL that is the same everywhere, but for what is named here. */
export type SqlDialect = 'postgres' | 'sqlite';

export interface SqlJournalOptions {
  readonly dialect: SqlDialect;
  /**
   * Runs statements outside of every transaction, each committed by itself. It must not take its connections from a pool
   * that the application's transactions take theirs from: if all of them are in transactions that wait for one more, none
   * ever ends. With `sqlite`, it must wait for a transaction that is under way on the same connection.
   */
  readonly outside: SqlExecutor;
  /**
   * Name of the table, made where it is missing; with its schema before a dot, if need be, and in double quotes what SQL
   * would not take as it is. @default 'depot_intents'
   */
  readonly table?: string | undefined;
  /**
   * A folder on this machine: only one connection can write to SQLite at a time, so that what must be written before a
   * transaction is over has to be elsewhere. Needed for `sqlite`, of no use for others.
   */
  readonly folder?: string | undefined;
}

type Announcements = Pick<IntentJournal<unknown>, 'prepare' | 'announce' | 'forget' | 'entries' | 'close'>;

/** The table of the journal, where it is given no other name. */
export const DEFAULT_TABLE = 'depot_intents';

/** As it is written in SQL, quoted if need be. */
const TABLE_NAME = /^(?:(?:[A-Za-z_]\w*|"(?:[^"]|"")+")(?:\.(?!$)|$)){1,2}$/;

/** Rows that one statement writes or asks for: five parameters each, and SQLite has had room for 999. */
const ROWS_AT_ONCE = 150;

const COLUMNS = 'id, state, paths, owner, created_at';

/** Ends the key of the row that decides about an upload: kept by its transaction, or claimed by whoever cleans up. */
const MARK = ':mark';

type RowState = Intent['state'] | 'kept' | 'claimed';

/**
 * A journal in a table of the application's database. In PostgreSQL all of it is there. In SQLite, where nothing can be
 * written beside an open transaction, announcements are files in a folder; what transactions decide is in the table.
 */
export class SqlJournal implements IntentJournal<SqlExecutor> {
  readonly table: string;
  readonly #rows: IntentTable;
  readonly #announcements: Announcements;
  /** Marks that transactions of this process have written, for uploads that are not forgotten yet. */
  readonly #marks = new Set<string>();
  /** Marks to be removed by the next transaction: one of its own for them would be as dear as the save. */
  readonly #idleMarks = new Set<string>();
  readonly #isSqlite: boolean;

  /** @throws DepotError `INVALID_OPTION` */
  constructor({ dialect, outside, table = DEFAULT_TABLE, folder }: SqlJournalOptions) {
    if (!TABLE_NAME.test(table)) throw new DepotError('INVALID_OPTION', `Not a name for a table: ${table}`);
    this.table = table;
    this.#isSqlite = dialect === 'sqlite';
    this.#rows = new IntentTable(dialect, outside, table);
    this.#announcements = this.#isSqlite ? openFolder(folder) : this.#rows;
  }

  async prepare(): Promise<void> {
    await this.#rows.prepare();
    if (this.#isSqlite) await this.#announcements.prepare();
  }

  announce(intents: readonly Intent[]): Promise<void> {
    return this.#announcements.announce(intents);
  }

  async record({ keep, condemn }: Decisions, transaction: SqlExecutor): Promise<void> {
    const marks = keep.map((intent) => toMark(intent, 'kept'));
    const rows = [...marks, ...condemn.map(toRow)];
    if (transaction.isLate) return this.#rows.insertLate(rows, transaction);
    const written = await this.#rows.insert(rows, transaction);
    if (marks.some(({ id }) => !written.has(id))) throw new DepotError('ATTACHMENT_CONFLICT');
    if (this.#isSqlite) for (const { id } of marks) this.#marks.add(id);
    await this.#removeIdleMarks(transaction);
  }

  async retract({ keep, condemn }: Decisions, transaction: SqlExecutor): Promise<void> {
    await this.#rows.remove([...keep.map(markOf), ...condemn.map(({ id }) => id)], transaction);
  }

  async standing(intents: readonly Intent[]): Promise<readonly Intent[]> {
    const uploads = intents.filter(isUpload);
    await this.#rows.insert(uploads.map((intent) => toMark(intent, 'claimed')));
    const states = await this.#rows.statesOf(intents.map(decisiveId));
    const owed: RowState[] = ['claimed', 'delete'];
    const standing = intents.filter((intent) =>
      owed.some((state) => states.get(decisiveId(intent)) === state),
    );
    const announced = await this.#announcedOf(standing.filter(isUpload));
    return standing.filter((intent) => !isUpload(intent) || announced.has(intent.id));
  }

  /** Who settles them at the same time forgets them, and then the marks: a claim that comes later says nothing. */
  async #announcedOf(uploads: readonly Intent[]): Promise<Set<string>> {
    const ids = uploads.map(({ id }) => id);
    if (!this.#isSqlite) return new Set((await this.#rows.statesOf(ids)).keys());
    const announced = new Set<string>();
    if (ids.length === 0) return announced;
    for await (const { id } of this.#announcements.entries()) announced.add(id);
    return announced;
  }

  /** Announcements first: a mark without one says nothing, one without its mark would have to be asked about. */
  async forget(intents: readonly Intent[]): Promise<void> {
    if (!this.#isSqlite) {
      await this.#rows.forget(intents);
      return;
    }
    const uploads = intents.filter(isUpload);
    await this.#announcements.forget(uploads);
    for (const mark of uploads.map(markOf)) if (this.#marks.delete(mark)) this.#idleMarks.add(mark);
    await this.#rows.forget(intents.filter((intent) => !isUpload(intent)));
  }

  async *entries(): AsyncIterable<Intent> {
    if (this.#isSqlite) yield* this.#announcements.entries();
    yield* this.#rows.entries();
  }

  async purge(before: Date): Promise<void> {
    const standing = new Set<string>();
    for await (const intent of this.entries()) standing.add(markOf(intent));
    await this.#rows.purge(before, standing);
  }

  /** Marks that cannot be removed now, since others write, are found by `purge`. */
  async close(): Promise<void> {
    while (this.#idleMarks.size > 0) await this.#removeIdleMarks().catch(() => {});
    await this.#announcements.close();
  }

  /** A rollback brings them back; `purge` finds them then. */
  async #removeIdleMarks(executor?: SqlExecutor): Promise<void> {
    const marks = [...this.#idleMarks].slice(0, ROWS_AT_ONCE);
    if (marks.length === 0) return;
    for (const mark of marks) this.#idleMarks.delete(mark);
    await this.#rows.removeMarks(marks, executor);
  }
}

/** The table, statement by statement. */
class IntentTable implements Announcements {
  readonly #dialect: SqlDialect;
  readonly #outside: SqlExecutor;
  readonly #table: string;

  constructor(dialect: SqlDialect, outside: SqlExecutor, table: string) {
    this.#dialect = dialect;
    this.#outside = outside;
    this.#table = table;
  }

  /** Two processes that make the table at once get in each other's way in PostgreSQL, so it is tried again. */
  async prepare(): Promise<void> {
    const columns = 'id text PRIMARY KEY, state text NOT NULL, paths text NOT NULL, owner text NOT NULL';
    const sql = `CREATE TABLE IF NOT EXISTS ${this.#table} (${columns}, created_at text NOT NULL)`;
    const exists = () => this.#outside.run(`SELECT id FROM ${this.#table} WHERE id = ''`, []);
    await this.#outside.run(sql, []).catch(exists);
  }

  async announce(intents: readonly Intent[]): Promise<void> {
    await this.insert(intents.map(toRow));
  }

  /** Ids of the rows that were not there yet, and are now. */
  async insert(rows: readonly IntentRow[], executor = this.#outside): Promise<Set<string>> {
    const written = new Set<string>();
    for (const { part } of partsOf(rows, ROWS_AT_ONCE)) {
      const places = part.map((_row, index) => `(${this.#places(5, index * 5)})`).join(', ');
      const insertion = `INSERT INTO ${this.#table} (${COLUMNS}) VALUES ${places}`;
      const sql = `${insertion} ON CONFLICT (id) DO NOTHING RETURNING id`;
      for (const { id } of await executor.run(sql, valuesOf(part))) written.add(String(id));
    }
    return written;
  }

  /** Rows that must not be there yet, in PostgreSQL: as one parameter, since a statement has room for so many. */
  async insertLate(rows: readonly IntentRow[], executor: SqlExecutor): Promise<void> {
    const types = 'id text, state text, paths text, owner text, created_at text';
    const given = `SELECT ${COLUMNS} FROM jsonb_to_recordset($1::jsonb) AS given (${types})`;
    await executor.run(`INSERT INTO ${this.#table} (${COLUMNS}) ${given}`, [JSON.stringify(rows)]);
  }

  async statesOf(ids: readonly string[]): Promise<Map<string, string>> {
    const states = new Map<string, string>();
    for (const { part } of partsOf(ids, ROWS_AT_ONCE)) {
      const sql = `SELECT id, state FROM ${this.#table} WHERE id IN (${this.#places(part.length)})`;
      for (const { id, state } of await this.#outside.run(sql, part)) states.set(String(id), String(state));
    }
    return states;
  }

  /** What was claimed stays so for a while: its transaction might still come. */
  async forget(intents: readonly Intent[]): Promise<void> {
    const ids = intents.flatMap((intent) => [intent.id, markOf(intent)]);
    for (const { part } of partsOf(ids, ROWS_AT_ONCE)) {
      const isOver = `id IN (${this.#places(part.length)}) AND state <> 'claimed'`;
      await this.#outside.run(`DELETE FROM ${this.#table} WHERE ${isOver}${this.#unhurried}`, part);
    }
  }

  async remove(ids: readonly string[], executor: SqlExecutor): Promise<void> {
    for (const { part } of partsOf(ids, ROWS_AT_ONCE))
      await executor.run(`DELETE FROM ${this.#table} WHERE id IN (${this.#places(part.length)})`, part);
  }

  async removeMarks(marks: readonly string[], executor = this.#outside): Promise<void> {
    const isOver = `id IN (${this.#places(marks.length)}) AND state = 'kept'`;
    await executor.run(`DELETE FROM ${this.#table} WHERE ${isOver}`, marks);
  }

  /**
   * Nobody waits for the disk: what comes back when the server crashes is asked about once more. The setting is for the
   * transaction of this statement (https://www.postgresql.org/docs/current/wal-async-commit.html).
   */
  get #unhurried(): string {
    return this.#dialect === 'postgres' ? ` AND set_config('synchronous_commit', 'off', true) = 'off'` : '';
  }

  async *entries(): AsyncIterable<Intent> {
    let after = '';
    for (;;) {
      const isNext = `state IN ('upload', 'delete') AND id > ${this.#places(1)}`;
      const sql = `SELECT * FROM ${this.#table} WHERE ${isNext} ORDER BY id LIMIT ${ROWS_AT_ONCE}`;
      const rows = await this.#outside.run(sql, [after]);
      yield* rows.map(toIntent);
      after = String(rows.at(-1)?.id);
      if (rows.length < ROWS_AT_ONCE) return;
    }
  }

  async purge(before: Date, except: ReadonlySet<string>): Promise<void> {
    const isOld = `state IN ('kept', 'claimed') AND created_at < ${this.#places(1)}`;
    const sql = `SELECT id FROM ${this.#table} WHERE ${isOld}`;
    const old = (await this.#outside.run(sql, [before.toISOString()])).map(({ id }) => String(id));
    await this.remove(
      old.filter((id) => !except.has(id)),
      this.#outside,
    );
  }

  async close(): Promise<void> {}

  #places(count: number, offset = 0): string {
    const place = (index: number) => (this.#dialect === 'postgres' ? `$${offset + index + 1}` : '?');
    return Array.from({ length: count }, (_value, index) => place(index)).join(', ');
  }
}

interface IntentRow {
  readonly id: string;
  readonly state: RowState;
  /** JSON. */
  readonly paths: string;
  readonly owner: string;
  /** ISO 8601, in UTC: sorts as text. */
  readonly created_at: string;
}

function valuesOf(rows: readonly IntentRow[]): string[] {
  return rows.flatMap((row) => [row.id, row.state, row.paths, row.owner, row.created_at]);
}

function toRow({ id, state, paths, owner, createdAt }: Intent): IntentRow {
  return { id, state, paths: JSON.stringify(paths), owner, created_at: createdAt.toISOString() };
}

function toIntent(row: SqlRow): Intent {
  return {
    id: String(row.id),
    state: row.state === 'upload' ? 'upload' : 'delete',
    paths: JSON.parse(String(row.paths)),
    owner: String(row.owner),
    createdAt: new Date(String(row.created_at)),
  };
}

function toMark(intent: Intent, state: 'kept' | 'claimed'): IntentRow {
  return { ...toRow(intent), id: markOf(intent), state, paths: '[]', created_at: new Date().toISOString() };
}

function markOf({ id }: Intent): string {
  return id + MARK;
}

/** The key of the row that tells whether an intent stands. */
function decisiveId(intent: Intent): string {
  return isUpload(intent) ? markOf(intent) : intent.id;
}

function isUpload({ state }: Intent): boolean {
  return state === 'upload';
}

function openFolder(folder: string | undefined): FileJournal {
  if (folder !== undefined) return new FileJournal({ folder });
  throw new DepotError('INVALID_OPTION', 'A journal in SQLite needs a folder for its announcements');
}
