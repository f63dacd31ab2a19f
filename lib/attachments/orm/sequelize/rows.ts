import { cast, col, fn, literal, Op, type Sequelize, type Transaction, where } from 'sequelize';
import type { Attachment } from '../../attachment.js';
import { type AttachmentColumn, attachmentColumns, valuesOf } from './columns.js';
import { type AnyModel, optionsOf, type Row, type Statements, type TableName } from './internals.js';

/** Rows of one model. */
export interface Rows {
  readonly model: AnyModel;
  readonly table: TableName;
  readonly rows: readonly Row[];
}

/** A foreign key of a model. */
interface Reference {
  readonly model: AnyModel;
  /** Name of the column in the table. */
  readonly column: string;
  /** Name of the column that it refers to. */
  readonly key: string;
  /** Whether its rows go with the rows that it refers to. */
  readonly isCascading: boolean;
}

/** What is asked of rows. */
export interface RowQuery {
  readonly table: TableName;
  readonly where: unknown;
  readonly limit?: number | undefined;
  readonly transaction: Transaction | null;
}

type Read = (value: unknown) => Attachment | null;

/** Finds rows with their attachments, and what the database deletes with them. */
export class RowReader {
  readonly #sequelize: Sequelize;
  readonly #statements: Statements;
  readonly #read: Read;

  constructor(sequelize: Sequelize, statements: Statements, read: Read) {
    this.#sequelize = sequelize;
    this.#statements = statements;
    this.#read = read;
  }

  /** Keys and attachments of rows, which nobody else changes until the transaction ends; SQLite has one lock for all. */
  async find(model: AnyModel, { table, where, limit, transaction }: RowQuery): Promise<Rows> {
    const attributes = [...this.#columnsOf(model)];
    const lock = transaction ? { lock: 'UPDATE' } : {};
    const options = { attributes, where, limit, transaction, raw: true, ...lock };
    return { model, table, rows: await this.#statements.select(model, table, options) };
  }

  /** Whether files may go when rows of the model are deleted. */
  losesFiles(model: AnyModel): boolean {
    return this.#reachesFiles(model, (parent) => this.#cascades(parent));
  }

  /** The same when its table is truncated with all that have foreign keys to it, of whatever kind. */
  losesFilesTruncated(model: AnyModel): boolean {
    return this.#reachesFiles(model, (parent) => this.#references(parent));
  }

  #reachesFiles(
    model: AnyModel,
    childrenOf: (parent: AnyModel) => readonly Reference[],
    seen = new Set<AnyModel>(),
  ): boolean {
    if (attachmentColumns(model).length > 0) return true;
    seen.add(model);
    return childrenOf(model).some(
      (child) => !seen.has(child.model) && this.#reachesFiles(child.model, childrenOf, seen),
    );
  }

  /** What the database will delete with these rows, level by level. */
  async findBelow(parents: Rows, transaction: Transaction | null, seen = new Set<string>()): Promise<Rows[]> {
    const found: Rows[] = [];
    for (const cascade of this.#cascades(parents.model)) {
      if (!this.losesFiles(cascade.model)) continue;
      const children = await this.#findChildren(cascade, parents, transaction, seen);
      if (children.rows.length === 0) continue;
      found.push(children, ...(await this.findBelow(children, transaction, seen)));
    }
    return found;
  }

  /**
   * Attachments of those rows that are no more: tables need not have the foreign keys that models declare, and a policy or
   * a trigger may keep rows.
   */
  async attachmentsGone(before: readonly Rows[], transaction: Transaction | null): Promise<Attachment[]> {
    const gone: Attachment[][] = [];
    for (const all of before) {
      const withFiles = all.rows.filter((row) => this.attachmentsOf({ ...all, rows: [row] }).length > 0);
      if (withFiles.length === 0) continue;
      const rows = { ...all, rows: withFiles };
      const query = { table: rows.table, where: keysOf(rows), transaction };
      const after = await this.find(rows.model, query);
      const left = new Set(after.rows.map((row) => nameOf(after, row)));
      const isGone = (row: Row) => !left.has(nameOf(rows, row));
      gone.push(this.attachmentsOf({ ...rows, rows: rows.rows.filter(isGone) }));
    }
    return gone.flat();
  }

  /** The attachments of rows, in all of their columns or in some. */
  attachmentsOf({ model, rows }: Rows, columns = attachmentColumns(model)): Attachment[] {
    return rows.flatMap((row) => columns.flatMap((column) => this.attachmentsIn(column, row)));
  }

  attachmentsIn({ column, isList }: AttachmentColumn, row: Row): Attachment[] {
    const data = row[column];
    const values = isList && typeof data === 'string' ? JSON.parse(data) : data;
    return valuesOf(values)
      .map(this.#read)
      .filter((attachment) => attachment !== null);
  }

  /** Searches all tables that have attachments for a path, as it stands in their JSON. */
  async isReferenced(path: string): Promise<boolean> {
    const text = this.#sequelize.escape(JSON.stringify(path));
    for (const model of Object.values(this.#sequelize.models)) {
      for (const { column } of attachmentColumns(model)) {
        const options = {
          attributes: [[literal('1'), 'found']],
          where: this.#contains(column, text),
          limit: 1,
          transaction: null,
          // A replica may not have the row yet.
          useMaster: true,
          raw: true,
        };
        const found = await this.#statements.select(model, model.getTableName(), options);
        if (found.length > 0) return true;
      }
    }
    return false;
  }

  #contains(column: string, text: string) {
    const find = this.#sequelize.getDialect() === 'postgres' ? 'strpos' : 'instr';
    return where(fn(find, cast(col(column), 'text'), literal(text)), { [Op.gt]: 0 });
  }

  async #findChildren(
    { model, column, key }: Reference,
    parents: Rows,
    transaction: Transaction | null,
    seen: Set<string>,
  ): Promise<Rows> {
    const where = { [column]: parents.rows.map((row) => row[key]) };
    const found = await this.find(model, { table: model.getTableName(), where, transaction });
    const isNew = (row: Row) => {
      const name = `${model.name} ${nameOf(found, row)}`;
      return !seen.has(name) && seen.add(name);
    };
    return { ...found, rows: found.rows.filter(isNew) };
  }

  /** Keys, also those that others refer to, and attachments. */
  #columnsOf(model: AnyModel): Set<string> {
    const attachments = attachmentColumns(model).map(({ column }) => column);
    const referred = this.#cascades(model).map(({ key }) => key);
    return new Set([...primaryKey(model), ...attachments, ...referred]);
  }

  /** Foreign keys with `ON DELETE CASCADE` that refer to the model's table. */
  #cascades(parent: AnyModel): Reference[] {
    return this.#references(parent).filter(({ isCascading }) => isCascading);
  }

  #references(parent: AnyModel): Reference[] {
    if (optionsOf(this.#sequelize).foreignKeys === false) return [];
    return Object.values(this.#sequelize.models).flatMap((model) =>
      Object.entries(model.getAttributes()).flatMap(([name, { field, references, onDelete }]) => {
        if (typeof references !== 'object') return [];
        const { model: referred, key = 'id' } = references;
        const isCascading = onDelete?.toUpperCase() === 'CASCADE';
        const reference = { model, column: field ?? name, key, isCascading };
        return isSameTable(referred, parent.getTableName()) ? [reference] : [];
      }),
    );
  }
}

/** A condition that only these rows meet. */
export function keysOf({ model, rows }: Rows): object {
  const columns = primaryKey(model);
  const [first = '', ...others] = columns;
  if (others.length === 0) return { [first]: rows.map((row) => row[first]) };
  const keyOf = (row: Row) => Object.fromEntries(columns.map((column) => [column, row[column]]));
  return { [Op.or]: rows.map(keyOf) };
}

/** Names of the columns. */
export function primaryKey(model: AnyModel): string[] {
  const attributes = model.getAttributes();
  return model.primaryKeyAttributes.map((name) => attributes[name]?.field ?? name);
}

function nameOf({ model }: Rows, row: Row): string {
  return JSON.stringify(primaryKey(model).map((column) => String(row[column])));
}

function isSameTable(one: unknown, other: TableName): boolean {
  return JSON.stringify(tableOf(one)) === JSON.stringify(tableOf(other));
}

function tableOf(table: unknown): readonly unknown[] {
  if (typeof table !== 'object' || table === null) return [table, ''];
  const { tableName, schema } = table as Exclude<TableName, string>;
  return [tableName, schema ?? ''];
}
