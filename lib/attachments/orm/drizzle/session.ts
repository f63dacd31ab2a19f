import type { SQL, Table } from 'drizzle-orm';

/** A query builder of Drizzle, of whatever database. */
export interface Builder {
  readonly [method: string]: unknown;
}

/** Values by name for the placeholders of a statement. */
export type Placeholders = Readonly<Record<string, unknown>>;

/** A row by the keys of its columns in the schema. */
export type Row = Readonly<Record<string, unknown>>;

/** A query for rows. */
export interface RowQuery extends PromiseLike<Row[]> {
  where(condition: SQL | undefined): RowQuery;
  orderBy(...columns: readonly unknown[]): RowQuery;
  limit(count: unknown): RowQuery;
  /** Of PostgreSQL only. */
  for(strength: 'update'): RowQuery;
  prepare(): { execute(placeholders: Placeholders): Promise<Row[]> };
}

/** What is used of Drizzle's databases and transactions, whatever the driver. */
export interface Session {
  select(fields: object): { from(table: Table): RowQuery };
  insert(table: Table): Builder;
  update(table: Table): Builder;
  delete(table: Table): Builder;
  with(...subqueries: readonly unknown[]): Session;
  /** A subquery, or in PostgreSQL a statement that writes. */
  $with(alias: string): { as(query: SQL): unknown };
  /** Where there are copies to read from. */
  readonly $primary?: Session;
  transaction<Result>(run: (session: Session) => Promise<Result>, config?: unknown): Promise<Result>;
}

/** Calls a method of a builder. */
export function call(builder: Builder, method: string, parameters: readonly unknown[] = []): unknown {
  return (builder[method] as (...parameters: readonly unknown[]) => unknown).apply(builder, [...parameters]);
}
