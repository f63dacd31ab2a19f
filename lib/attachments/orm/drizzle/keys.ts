import { aliasedTable, type Column, getTableColumns, is, type SQL, sql } from 'drizzle-orm';
import { PgTable } from 'drizzle-orm/pg-core';
import type { TableShape } from './schema.js';

/**
 * What columns of a row hold, as exactly as the database has it: JavaScript's dates have no microseconds. In PostgreSQL it
 * is a row as JSON, in SQLite the values as they come from the driver.
 */
export type Key = string | Readonly<Record<string, unknown>>;

/** Selects a key. @param names of its columns in the schema */
export function selectKey(shape: TableShape, names: readonly string[]): SQL | Record<string, SQL> {
  const columns = columnsOf(shape, names);
  if (isPostgres(shape)) return asJson(columns);
  return Object.fromEntries(columns.map((column, position) => [`${position}`, sql`${column}`]));
}

/**
 * A condition: columns hold what one of these keys says.
 * @param shape the table that the keys are of
 * @param names of their columns in the schema
 * @param columns the same ones, or those of another table that refer to them
 */
export function hasOneOf(
  shape: TableShape,
  names: readonly string[],
  keys: readonly Key[],
  columns: readonly Column[] = columnsOf(shape, names),
): SQL {
  if (!isPostgres(shape)) return isOneOf(columns, keys.map(Object.values));
  const found = Object.entries(getTableColumns(aliasedTable(shape.table, 'found')));
  const own = names.flatMap((name) => found.filter(([key]) => key === name).map(([, column]) => column));
  // The table knows of what types they are, so that its index is used.
  const rows = sql`jsonb_populate_recordset(null::${shape.table}, ${`[${keys.join()}]`}::jsonb)`;
  return sql`(${list(columns)}) in (select ${list(own)} from ${rows} as ${sql.identifier('found')})`;
}

/** A condition: it is the row with this key. */
export function isRow(shape: TableShape, names: readonly string[], key: Key): SQL {
  const columns = columnsOf(shape, names);
  return isPostgres(shape) ? sql`${asJson(columns)} = ${key}` : isOneOf(columns, [Object.values(key)]);
}

/** Up to so many rows have parameters of their own: of parameters, SQLite takes some ten thousand. */
const MANY = 1000;

/** A condition: columns hold one of these lists of values, which are as the driver takes them. */
export function isOneOf(columns: readonly Column[], rows: readonly (readonly unknown[])[]): SQL {
  if (rows.length === 0) return sql`1 = 0`;
  const isPg = is(columns[0]?.table, PgTable);
  if (!isPg && rows.length > MANY && rows.flat().every(isPlain)) return isInJson(columns, rows);
  const tuples = rows.map((row) => sql`(${list(row.map((value) => sql.param(value)))})`);
  return sql`(${list(columns)}) in (${isPg ? sql`` : sql`values `}${list(tuples)})`;
}

function isInJson(columns: readonly Column[], rows: readonly (readonly unknown[])[]): SQL {
  const values = columns.map((_column, position) => sql`json_extract(value, ${`$[${position}]`})`);
  return sql`(${list(columns)}) in (select ${list(values)} from json_each(${JSON.stringify(rows)}))`;
}

/** Whether JSON has it as it is. */
function isPlain(value: unknown): boolean {
  return typeof value === 'string' || Number.isSafeInteger(value);
}

/** What tells a key from others. */
export function textOf(key: Key): string {
  return typeof key === 'string' ? key : JSON.stringify(Object.values(key).map(valueText));
}

function valueText(value: unknown): string {
  const isBytes = value instanceof ArrayBuffer || value instanceof Uint8Array;
  return isBytes ? `bytes ${Buffer.from(value as ArrayBuffer).toString('hex')}` : `${typeof value} ${value}`;
}

function columnsOf({ columns }: TableShape, names: readonly string[]): Column[] {
  return names.map((name) => columns[name] as Column);
}

function isPostgres({ table }: TableShape): boolean {
  return is(table, PgTable);
}

/** A row of these columns, by their names in the database. */
function asJson(columns: readonly Column[]): SQL {
  return sql`(select to_jsonb(one)::text from (select ${list(columns)}) as one)`;
}

function list(parts: readonly (Column | SQL)[] | readonly ReturnType<typeof sql.param>[]): SQL {
  return sql.join([...parts] as SQL[], sql`, `);
}
