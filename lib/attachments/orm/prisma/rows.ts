import { partsOf } from '../../../internal/parts.js';
import type { Attachment } from '../../attachment.js';
import { type Client, modelOf, type Row } from './client.js';
import type { Cascade, ModelShape } from './data-model.js';
import { type Dialect, ROWS_AT_ONCE, rowsFound } from './dialect.js';

/** Where rows are read that are about to be changed. */
export interface Reading {
  readonly client: Client;
  readonly dialect: Dialect;
}

/** The row that an operation names, with its attachments; nobody else changes it from now on. */
export async function uniqueRow(reading: Reading, shape: ModelShape, where: unknown): Promise<Row[]> {
  const read = async () => {
    const row = await modelOf(reading.client, shape.name).findUnique({ where, select: selection(shape) });
    return row ? [row] : [];
  };
  return locked(reading, shape, read, read);
}

/** The rows that a condition is true of; likewise. @param limit how many at most */
export function matchingRows(
  reading: Reading,
  shape: ModelShape,
  where: unknown,
  limit?: number,
): Promise<Row[]> {
  const take = limit === undefined ? {} : { take: limit };
  const find = (condition: unknown) =>
    modelOf(reading.client, shape.name).findMany({ where: condition, select: selection(shape), ...take });
  const findAgain = async (known: readonly Row[]) => {
    const found: Row[][] = [];
    for (const condition of likeOneOf(shape, shape.key, known))
      found.push(await find({ AND: [where ?? {}, condition] }));
    return found.flat();
  };
  return locked(reading, shape, () => find(where), findAgain);
}

/** Reads rows, locks them, and reads again: they may have been changed before they were locked. */
async function locked(
  { client, dialect }: Reading,
  shape: ModelShape,
  read: () => Promise<Row[]>,
  readAgain: (known: readonly Row[]) => Promise<Row[]>,
): Promise<Row[]> {
  const rows = await read();
  if (dialect.name === 'sqlite' || rows.length === 0) return rows;
  await dialect.find(client, shape, rows, true);
  return readAgain(rows);
}

/** What tells rows apart, what other rows refer to, and the attachments. */
function selection({ attachments, key, cascades }: ModelShape): object {
  const parentKeys = cascades.flatMap(({ references }) => references.map(({ parentKey }) => parentKey));
  return Object.fromEntries([...key, ...parentKeys, ...attachments.keys()].map((field) => [field, true]));
}

/** Conditions, one for some of these rows: fields have the values of one of them. */
export function likeOneOf(shape: ModelShape, fields: readonly string[], rows: readonly Row[]): Row[] {
  const [first = '', ...others] = fields;
  // Prisma makes several statements of a long list by itself.
  if (others.length === 0 && !shape.isFiner(first))
    return [{ [first]: { in: rows.map((row) => row[first]) } }];
  return partsOf(rows, ROWS_AT_ONCE).map(({ part }) => ({ OR: part.map((row) => like(shape, fields, row)) }));
}

function like(shape: ModelShape, fields: readonly string[], row: Row): Row {
  const conditions = fields.map((field) => {
    const value = row[field];
    return [field, shape.isFiner(field) && value instanceof Date ? sameMillisecond(value) : value];
  });
  return Object.fromEntries(conditions);
}

function sameMillisecond(date: Date): object {
  return { gte: date, lt: new Date(date.getTime() + 1) };
}

/** The attachments in a value of a field. */
export function itemsOf<Item>(value: Item | readonly Item[] | null | undefined): Item[] {
  return value === null || value === undefined ? [] : ([value].flat() as Item[]);
}

/** The attachments of rows. */
export function attachmentsOf({ attachments }: ModelShape, rows: readonly Row[]): Attachment[] {
  return [...attachments.keys()].flatMap((field) =>
    rows.flatMap((row) => itemsOf(row[field] as Attachment | readonly Attachment[] | null)),
  );
}

/** Rows of one model. */
export interface Rows {
  readonly shape: ModelShape;
  readonly rows: readonly Row[];
}

/** These rows, and all that the database deletes with them. */
export async function rowsBelow(
  reading: Reading,
  shape: ModelShape,
  rows: readonly Row[],
  seen: Seen = new Map(),
): Promise<Rows[]> {
  const found = [{ shape, rows }];
  for (const cascade of shape.cascades) {
    const { child } = cascade;
    const children = (await childrenOf(reading, cascade, rows)).filter((row) => isFirst(seen, child, row));
    if (children.length > 0) found.push(...(await rowsBelow(reading, child, children, seen)));
  }
  return found;
}

/** The attachments of those rows that are no more: extensions and triggers may do something else than to delete. */
export async function attachmentsGone(
  { client, dialect }: Reading,
  before: readonly Rows[],
): Promise<Attachment[]> {
  const gone: Attachment[][] = [];
  for (const { shape, rows } of before) {
    const withFiles = rows.filter((row) => attachmentsOf(shape, [row]).length > 0);
    const left = new Set(await rowsFound(client, dialect, shape, withFiles));
    const isGone = (row: Row) => !left.has(row);
    gone.push(attachmentsOf(shape, withFiles.filter(isGone)));
  }
  return gone.flat();
}

async function childrenOf(
  reading: Reading,
  { child, references }: Cascade,
  parents: readonly Row[],
): Promise<Row[]> {
  const fields = references.map(({ childKey }) => childKey);
  const toChild = (parent: Row) =>
    Object.fromEntries(references.map(({ childKey, parentKey }) => [childKey, parent[parentKey]]));
  // Nothing refers to null.
  const referred = parents.map(toChild).filter((row) => fields.every((field) => row[field] !== null));
  if (referred.length === 0) return [];
  const children: Row[][] = [];
  for (const condition of likeOneOf(child, fields, referred))
    children.push(await matchingRows(reading, child, condition));
  return children.flat();
}

/** Rows that were seen, by their keys. */
type Seen = Map<ModelShape, Set<string>>;

/** Rows may refer to each other in a circle, and be reached on two ways. */
function isFirst(seen: Seen, shape: ModelShape, row: Row): boolean {
  const known = seen.get(shape) ?? new Set();
  const name = JSON.stringify(shape.key.map((field) => nameOf(row[field])));
  const isNew = !known.has(name);
  seen.set(shape, known.add(name));
  return isNew;
}

function nameOf(value: unknown): string {
  return value instanceof Date ? value.toISOString() : String(value);
}
