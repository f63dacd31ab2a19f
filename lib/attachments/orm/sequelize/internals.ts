import type { Model, ModelStatic, QueryInterface, Sequelize, Transaction } from 'sequelize';

/** Values by the names of columns. */
export type Values = Readonly<Record<string, unknown>>;

/** A row as the database gives it: JSON may come as text. */
export type Row = Readonly<Record<string, unknown>>;

export type AnyModel = ModelStatic<Model>;

/** Name of a table, and its schema. */
export type TableName = string | { readonly tableName: string; readonly schema?: string };

/** Options of a statement, as models hand them on. */
export interface StatementOptions {
  readonly transaction?: Transaction | null | undefined;
  readonly model?: AnyModel | undefined;
  readonly instance?: Model | undefined;
  readonly limit?: number | undefined;
  readonly [option: string]: unknown;
}

/**
 * The statements behind a model's methods, and behind a transaction's: all that Sequelize's `QueryInterface` has of
 * them, of which its types know a part.
 */
export interface Statements {
  insert(instance: Model, table: TableName, values: Values, options: StatementOptions): Promise<unknown>;
  upsert(
    table: TableName,
    insertValues: Values,
    updateValues: Values,
    where: unknown,
    options: StatementOptions,
  ): Promise<unknown>;
  bulkInsert(
    table: TableName,
    rows: readonly Values[],
    options: StatementOptions,
    attributes: unknown,
  ): Promise<unknown>;
  update(
    instance: Model,
    table: TableName,
    values: Values,
    where: unknown,
    options: StatementOptions,
  ): Promise<unknown>;
  bulkUpdate(
    table: TableName,
    values: Values,
    where: unknown,
    options: StatementOptions,
    attributes: unknown,
  ): Promise<unknown>;
  delete(instance: Model, table: TableName, where: unknown, options: StatementOptions): Promise<unknown>;
  bulkDelete(table: TableName, where: unknown, options: StatementOptions, model?: AnyModel): Promise<unknown>;
  select(model: AnyModel, table: TableName, options: object): Promise<Row[]>;
  startTransaction(transaction: OpenTransaction, options: unknown): Promise<unknown>;
  commitTransaction(transaction: OpenTransaction, options: unknown): Promise<unknown>;
  readonly queryGenerator: {
    readonly dialect: string;
    insertQuery(...parameters: readonly unknown[]): { readonly query: string };
    bulkInsertQuery(...parameters: readonly unknown[]): string;
    escape(value: unknown): string;
    quoteTable(table: TableName): string;
    quoteIdentifier(name: string): string;
  };
}

/** A transaction, with what its types leave out. */
export interface OpenTransaction extends Transaction {
  /** The one in which it is a savepoint. */
  readonly parent?: OpenTransaction | undefined;
  /** How it was asked to end. */
  readonly finished?: 'commit' | 'rollback' | undefined;
}

/** The types of `QueryInterface` know other parameters. */
export function statementsOf(queryInterface: QueryInterface): Statements {
  return queryInterface as unknown as Statements;
}

/** Columns that must differ from row to row: unique constraints, and unique indexes of the whole table. */
export function uniqueKeys(model: AnyModel): (readonly string[])[] {
  const { uniqueKeys: keys, _indexes: indexes } = model as unknown as ModelKeys;
  const unique = indexes.filter((index) => index.unique && !index.where);
  return [...Object.values(keys), ...unique].map(({ fields }) => fields);
}

interface ModelKeys {
  readonly uniqueKeys: Readonly<Record<string, { readonly fields: readonly string[] }>>;
  readonly _indexes: readonly {
    readonly fields: readonly string[];
    readonly unique?: boolean;
    readonly where?: unknown;
  }[];
}

/** The name of a database that is no file. */
const IN_MEMORY = ':memory:';

/** Whether the database is in memory: all of it is one connection. */
export function isInMemory(sequelize: Sequelize): boolean {
  return sequelize.getDialect() === 'sqlite' && sqliteFileOf(sequelize) === IN_MEMORY;
}

/** The database file of SQLite, where Sequelize looks for it: some URLs (`sqlite:shop.db`) have it in the place of a host. */
export function sqliteFileOf(sequelize: Sequelize): string {
  const { storage, host } = optionsOf(sequelize);
  return storage ?? (host || IN_MEMORY);
}

/** What Sequelize was made with; its types hide it. */
export function optionsOf(sequelize: Sequelize): SequelizeOptions {
  return (sequelize as unknown as { readonly options: SequelizeOptions }).options;
}

export interface SequelizeOptions {
  readonly storage?: string | undefined;
  readonly host?: string | undefined;
  readonly foreignKeys?: boolean | undefined;
  readonly isolationLevel?: string | undefined;
  readonly hooks?: Readonly<Record<string, unknown>> | undefined;
}
