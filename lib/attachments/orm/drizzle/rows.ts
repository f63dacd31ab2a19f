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
function likeOneOf({ table, columns }: TableShape, keys: readonly string[], rows: readonly Row[]): SQL {
  const column = (key: string) => columns[key] as Column;
  const [first = '', ...others] = keys;
  const values = rows.map((row) => row[first]);
  if (others.length === 0) return isOneOf(column(first), values, is(table, PgTable));
  const isLike = (row: Row) => and(...keys.map((key) => eq(column(key), row[key])));
  return or(...rows.map(isLike)) ?? sql`1 = 0`;
}

/** Up to so many values each have a parameter of their own: of parameters, databases take some ten thousand. */
const MANY = 1000;

/** A condition: the column has one of these values. */
function isOneOf(column: Column, values: readonly unknown[], isPostgres: boolean): SQL {
  const raw = values.map((value) => column.mapToDriverValue(value));
  const isPlain = raw.every((value) => typeof value === 'number' || typeof value === 'string');
  if (values.length <= MANY || !isPlain) return inArray(column, [...values]);
  if (isPostgres) return sql`${column} = any(${sql.param(raw)})`;
  return sql`${column} in (select value from json_each(${JSON.stringify(raw)}))`;
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
  for (const cascade of shape.cascades) {
    const { child } = cascade;
    const children = (await childrenOf(session, cascade, rows)).filter((row) => isFirst(seen, child, row));
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
  const { primaryKey } = shape;
  return primaryKey.length > 0 && rows.length > 0 ? rowsLike(session, shape, primaryKey, rows) : [];
}

function nameOf({ primaryKey }: TableShape, row: Row): string {
  return JSON.stringify(primaryKey.map((key) => String(row[key])));
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
