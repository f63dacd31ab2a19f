import { and, type Column, eq, inArray, is, or, type SQL, sql } from 'drizzle-orm';
import { PgTable } from 'drizzle-orm/pg-core';
import type { Attachment } from '../../attachment.js';
import type { ColumnValue } from './columns.js';
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
 * The rows of a table whose columns of these keys have the values of one of the others; likewise locked.
 * @param further what else is selected
 */
export function rowsLike(
  session: Session,
  shape: TableShape,
  keys: readonly string[],
  others: readonly Row[],
  further: Readonly<Record<string, SQL>> = {},
): PromiseLike<Row[]> {
  return select(session, shape, further).where(likeOneOf(shape, keys, others));
}

/** Locks the rows where the database has a lock for rows; SQLite has one for all. */
function select(session: Session, shape: TableShape, further: object = {}): RowQuery {
  const { table, columns, attachments, primaryKey, cascades } = shape;
  const parentKeys = cascades.flatMap(({ references }) => references.map(({ parentKey }) => parentKey));
  const keys = new Set([...attachments.keys(), ...primaryKey, ...parentKeys]);
  const selection = Object.fromEntries([...keys].map((key) => [key, columns[key]]));
  const query = session.select({ ...selection, ...further }).from(table);
  return is(table, PgTable) ? query.for('update') : query;
}

/** Rows that others add meanwhile are none of the statement's: what they have was not seen. */
export function onlyThese(shape: TableShape, rows: readonly Row[]): Changes {
  if (shape.primaryKey.length === 0) return {};
  return { where: [likeOneOf(shape, shape.primaryKey, rows)], orderBy: undefined, limit: undefined };
}

/** A condition: the columns of these keys have the values of one of these rows. */
function likeOneOf({ columns }: TableShape, keys: readonly string[], rows: readonly Row[]): SQL {
  const column = (key: string) => columns[key] as Column;
  const [first = '', ...others] = keys;
  if (others.length === 0) return inArray(column(first), valuesOf(first, rows));
  const isLike = (row: Row) => and(...keys.map((key) => eq(column(key), row[key])));
  return or(...rows.map(isLike)) ?? sql`1 = 0`;
}

function valuesOf(key: string, rows: readonly Row[]): unknown[] {
  return rows.map((row) => row[key]);
}

/** The attachments of rows. */
export function attachmentsOf({ attachments }: TableShape, rows: readonly Row[]): Attachment[] {
  return [...attachments].flatMap(([key, column]) =>
    rows.flatMap((row) => column.items(row[key] as ColumnValue)),
  );
}

/** The attachments of rows, and of all that the database deletes with them. */
export async function attachmentsBelow(
  session: Session,
  shape: TableShape,
  rows: readonly Row[],
  seen: Seen = new Map(),
): Promise<Attachment[]> {
  const found = attachmentsOf(shape, rows);
  for (const cascade of shape.cascades) {
    const { child } = cascade;
    const children = (await childrenOf(session, cascade, rows)).filter((row) => isFirst(seen, child, row));
    if (children.length > 0) found.push(...(await attachmentsBelow(session, child, children, seen)));
  }
  return found;
}

function childrenOf(
  session: Session,
  { child, references }: Cascade,
  parents: readonly Row[],
): PromiseLike<Row[]> {
  const keys = references.map(({ childKey }) => childKey);
  const toChild = (parent: Row) =>
    Object.fromEntries(references.map(({ childKey, parentKey }) => [childKey, parent[parentKey]]));
  return rowsLike(session, child, keys, parents.map(toChild));
}

/** Rows that were seen, by what tells them apart. */
type Seen = Map<TableShape, Set<string>>;

/** Rows may refer to each other in a circle, and be reached on two ways. */
function isFirst(seen: Seen, shape: TableShape, row: Row): boolean {
  const keys = Object.keys(row).filter((key) => !shape.attachments.has(key));
  if (keys.length === 0) return true;
  const known = seen.get(shape) ?? new Set();
  const name = JSON.stringify(keys.map((key) => String(row[key])));
  const isNew = !known.has(name);
  seen.set(shape, known.add(name));
  return isNew;
}
