import { type Column, is, type SQL } from 'drizzle-orm';
import { PgTable } from 'drizzle-orm/pg-core';
import type { Attachment } from '../../attachment.js';
import type { ColumnValue } from './columns.js';
import { hasOneOf, isOneOf, type Key, selectKey, textOf } from './keys.js';
import type { Cascade, TableShape } from './schema.js';
import type { Row, RowQuery, Session } from './session.js';
import type { Changes } from './statement.js';
import type { Execution } from './work.js';

/** The rows that an update or a delete is about, with their attachments; nobody else changes them from now on. */
export function rowsOf(session: Session, { shape, statement, placeholders }: Execution): PromiseLike<Row[]> {
  let query = select(statement.within(session), shape);
  for (const method of ['where', 'orderBy', 'limit'] as const) {
    const parameters = statement.parameters(method);
    if (parameters) query = (query[method] as (...parameters: readonly unknown[]) => RowQuery)(...parameters);
  }
  return placeholders ? query.prepare().execute(placeholders) : query;
}

/**
 * The rows of a table whose columns of these keys have the values that one of the others is given; likewise locked.
 * @param further what else is selected
 */
export function rowsLike(
  session: Session,
  shape: TableShape,
  keys: readonly string[],
  others: readonly Row[],
  further: Readonly<Record<string, SQL>> = {},
): PromiseLike<Row[]> {
  const columns = keys.map((key) => shape.columns[key] as Column);
  const valueIn = (row: Row) => (column: Column, position: number) => {
    const value = row[keys[position] ?? ''];
    return value === null ? null : column.mapToDriverValue(value);
  };
  const values = others.map((row) => columns.map(valueIn(row)));
  return select(session, shape, further).where(isOneOf(columns, values));
}

/** What a row that was found has besides attachments: its primary key, and what rows refer to that go with it. */
const KEY = '$key';
const referredBy = (cascade: number) => `$parent${cascade}`;

/** The primary key of a row that was found. */
export function keyOf(row: Row): Key {
  return row[KEY] as Key;
}

/** Locks the rows where the database has a lock for rows; SQLite has one for all. */
function select(session: Session, shape: TableShape, further: object = {}): RowQuery {
  const { table, columns, attachments, primaryKey, cascades } = shape;
  const values = [...attachments.keys()].map((key) => [key, columns[key]]);
  const parents = cascades.map((cascade, position) => [
    referredBy(position),
    selectKey(shape, referred(cascade)),
  ]);
  const own = primaryKey.length > 0 ? [[KEY, selectKey(shape, primaryKey)]] : [];
  const selection = Object.fromEntries([...values, ...own, ...parents]);
  const query = session.select({ ...selection, ...further }).from(table);
  return is(table, PgTable) ? query.for('update') : query;
}

function referred({ references }: Cascade): string[] {
  return references.map(({ parentKey }) => parentKey);
}

/** Rows that others add meanwhile are none of the statement's: what they have was not seen. */
export function onlyThese(shape: TableShape, rows: readonly Row[]): Changes {
  if (shape.primaryKey.length === 0) return {};
  return { where: [hasPrimaryKey(shape, rows)], orderBy: undefined, limit: undefined };
}

function hasPrimaryKey(shape: TableShape, rows: readonly Row[]): SQL {
  return hasOneOf(shape, shape.primaryKey, rows.map(keyOf));
}

/** The attachments of rows. */
export function attachmentsOf({ attachments }: TableShape, rows: readonly Row[]): Attachment[] {
  return [...attachments].flatMap(([key, column]) =>
    rows.flatMap((row) => column.items(row[key] as ColumnValue)),
  );
}

/** Rows of one table. */
export interface Rows {
  readonly shape: TableShape;
  readonly rows: readonly Row[];
}

/** These rows, and all that the database deletes with them. */
export async function rowsBelow(
  session: Session,
  shape: TableShape,
  rows: readonly Row[],
  seen: Seen = new Map(),
): Promise<Rows[]> {
  const found = [{ shape, rows }];
  for (const [position, { child }] of shape.cascades.entries()) {
    const all = await childrenOf(session, shape, position, rows);
    const children = all.filter((row) => isFirst(seen, child, row));
    if (children.length > 0) found.push(...(await rowsBelow(session, child, children, seen)));
  }
  return found;
}

/**
 * The attachments of those rows that are no more: tables need not have the foreign keys that are declared, and a policy or
 * a trigger may keep rows.
 */
export async function attachmentsGone(session: Session, before: readonly Rows[]): Promise<Attachment[]> {
  const gone: Attachment[][] = [];
  for (const { shape, rows } of before) {
    const withFiles = rows.filter((row) => attachmentsOf(shape, [row]).length > 0);
    const left = new Set((await rowsAgain(session, shape, withFiles)).map((row) => nameOf(shape, row)));
    const isGone = (row: Row) => !left.has(nameOf(shape, row));
    gone.push(attachmentsOf(shape, withFiles.filter(isGone)));
  }
  return gone.flat();
}

/** The same rows as they are now, those that are still there; none where nothing tells rows apart. */
export async function rowsAgain(session: Session, shape: TableShape, rows: readonly Row[]): Promise<Row[]> {
  if (shape.primaryKey.length === 0 || rows.length === 0) return [];
  return select(session, shape).where(hasPrimaryKey(shape, rows));
}

/** What tells a row from others of its table; without a primary key, what rows refer to that go with it. */
function nameOf({ primaryKey, cascades }: TableShape, row: Row): string {
  const keys = primaryKey.length > 0 ? [KEY] : cascades.map((_cascade, position) => referredBy(position));
  return JSON.stringify(keys.map((key) => textOf(row[key] as Key)));
}

/** The rows that refer to these. @param position of the foreign key in the parents' table */
async function childrenOf(
  session: Session,
  shape: TableShape,
  position: number,
  parents: readonly Row[],
): Promise<Row[]> {
  const cascade = shape.cascades[position] as Cascade;
  const { child, references } = cascade;
  const columns = references.map(({ childKey }) => child.columns[childKey] as Column);
  const keys = parents.map((row) => row[referredBy(position)] as Key);
  return select(session, child).where(hasOneOf(shape, referred(cascade), keys, columns));
}

/** Rows that were seen, by what tells them apart. */
type Seen = Map<TableShape, Set<string>>;

/** Rows may refer to each other in a circle, and be reached on two ways. */
function isFirst(seen: Seen, shape: TableShape, row: Row): boolean {
  const known = seen.get(shape) ?? new Set();
  const name = nameOf(shape, row);
  const isNew = name === NAMELESS || !known.has(name);
  seen.set(shape, known.add(name));
  return isNew;
}

/** Nothing tells such rows apart. */
const NAMELESS = '[]';
