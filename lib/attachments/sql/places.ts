import type { SqlDialect, SqlExecutor } from '../journal/sql-journal.js';

/** A column in which rows have attachments; both names as they stand in SQL, quoted, and with a schema if need be. */
export interface Place {
  readonly table: string;
  readonly column: string;
}

/** What is said by databases of a table or column that is no more: PostgreSQL and SQLite. */
const MISSING = /does not exist|no such (?:table|column)/;

/**
 * Where rows have attachments, on record in the database: processes that share it may know other models, or none yet, and
 * must not take files for abandoned that are in rows which they do not know.
 */
export class Places {
  readonly #dialect: SqlDialect;
  readonly #executor: SqlExecutor;
  readonly #table: string;
  readonly #noted = new Map<string, Promise<void>>();
  #preparing: Promise<void> | undefined;

  /**
   * @param executor runs statements outside of every transaction
   * @param table name of the table, made where it is missing; with its schema before a dot, if need be
   */
  constructor(dialect: SqlDialect, executor: SqlExecutor, table: string) {
    this.#dialect = dialect;
    this.#executor = executor;
    this.#table = table;
  }

  /** Puts a place on record, once. To be awaited before the first file for it is announced. */
  note(place: Place): Promise<void> {
    const key = JSON.stringify([place.table, place.column]);
    const known = this.#noted.get(key);
    if (known) return known;
    const noting = this.#write(place);
    this.#noted.set(key, noting);
    noting.catch(() => this.#noted.delete(key));
    return noting;
  }

  /** Whether a row in one of the places refers to the file of that path. */
  async refersTo(path: string): Promise<boolean> {
    await this.#prepare();
    const text = JSON.stringify(path);
    const places = await this.#executor.run(`SELECT table_name, column_name FROM ${this.#table}`, []);
    for (const { table_name: table, column_name: column } of places)
      if (await this.#isIn({ table: String(table), column: String(column) }, text)) return true;
    return false;
  }

  async #write({ table, column }: Place): Promise<void> {
    await this.#prepare();
    const values = this.#dialect === 'postgres' ? '$1, $2' : '?, ?';
    const sql = `INSERT INTO ${this.#table} (table_name, column_name) VALUES (${values}) ON CONFLICT DO NOTHING`;
    await this.#executor.run(sql, [table, column]);
  }

  async #isIn({ table, column }: Place, text: string): Promise<boolean> {
    const [find, place] = this.#dialect === 'postgres' ? ['strpos', '$1'] : ['instr', '?'];
    const condition = `${find}(CAST(${column} AS text), ${place}) > 0`;
    try {
      return (
        (await this.#executor.run(`SELECT 1 FROM ${table} WHERE ${condition} LIMIT 1`, [text])).length > 0
      );
    } catch (error) {
      if (MISSING.test(String(error))) return false;
      throw error;
    }
  }

  #prepare(): Promise<void> {
    this.#preparing ??= this.#create().catch((error) => {
      this.#preparing = undefined;
      throw error;
    });
    return this.#preparing;
  }

  /** Two processes that make the table at once get in each other's way in PostgreSQL: then it is there. */
  async #create(): Promise<void> {
    const columns = 'table_name text NOT NULL, column_name text NOT NULL';
    const sql = `CREATE TABLE IF NOT EXISTS ${this.#table} (${columns}, PRIMARY KEY (table_name, column_name))`;
    const exists = () => this.#executor.run(`SELECT table_name FROM ${this.#table} LIMIT 1`, []);
    await this.#executor.run(sql, []).catch(exists);
  }
}
