import { DbNull } from '@prisma/client/runtime/client';
import { DepotError } from '../../../errors.js';
import { settleAll } from '../../../internal/parallel.js';
import { Attachment } from '../../attachment.js';
import type { SqlExecutor } from '../../journal/sql-journal.js';
import type { NewFiles } from '../../sql/new-files.js';
import type { Row } from './client.js';
import { type AttachmentEntry, deletesFiles, type ModelShape } from './data-model.js';
import { itemsOf } from './rows.js';

export type Files = NewFiles<SqlExecutor>;

/** What is done with the attachments of one row in the data of an operation. */
export type EachRow = (shape: ModelShape, values: Row) => Promise<Row>;

/** The fields for attachments that are given a value. */
export function givenFields({ attachments }: ModelShape, values: Row): [string, AttachmentEntry][] {
  return [...attachments].filter(([field]) => values[field] !== undefined);
}

/** Whether a value says that there is nothing: null, and what Prisma has for it. */
export function isNothing(value: unknown): boolean {
  if (value === null || typeof value !== 'object') return value === null;
  return /^(?:Db|Json)Null$/.test(String(Reflect.get(value, '_getName')?.call(value)));
}

/** Whether it is content that has still to be stored, and not an attachment that is already. */
export function isNew(item: unknown): boolean {
  return !(item instanceof Attachment && item.isStored);
}

/** The value of a field for the database. */
export function toJson({ isList }: AttachmentEntry, items: readonly Attachment[] | null): unknown {
  if (items === null || (!isList && items.length === 0)) return DbNull;
  return JSON.parse(JSON.stringify(isList ? items : items[0]));
}

/** The data of new rows, with their attachments stored, and those of the rows that are created with them. */
export async function storeNew(files: Files, shape: ModelShape, values: Row): Promise<Row> {
  return inTree(shape, await storeOwn(files, shape, values), (other, row) => storeNew(files, other, row));
}

async function storeOwn(files: Files, shape: ModelShape, values: Row): Promise<Row> {
  const store = async ([field, entry]: [string, AttachmentEntry]) => {
    if (isNothing(values[field])) return [field, values[field] ?? DbNull];
    const items = itemsOf(values[field]).map((item) => files.store(entry.field, item));
    return [field, toJson(entry, await settleAll(items))];
  };
  return { ...values, ...Object.fromEntries(await settleAll(givenFields(shape, values).map(store))) };
}

/** What a nested operation is given: one or several, or in an envelope. */
type Nested = Readonly<Record<string, unknown>>;

/**
 * The data with what is nested in it: new rows are created with their attachments.
 * @param create stores those of a new row
 * @throws DepotError `ATTACHMENT_UNSUPPORTED` for what would change or delete attachments of rows that nobody has seen
 */
export async function inTree(shape: ModelShape, values: Row, create: EachRow): Promise<Row> {
  const nested = [...shape.relations].filter(([field]) => isObject(values[field]));
  const entries = nested.map(async ([field, other]) => [
    field,
    await inRelation(other, values[field] as Nested, create),
  ]);
  return { ...values, ...Object.fromEntries(await settleAll(entries)) };
}

async function inRelation(shape: ModelShape, operations: Nested, create: EachRow): Promise<Nested> {
  for (const [operation, given] of Object.entries(operations)) refuseUnseen(shape, operation, given);
  const { create: rows, createMany } = operations as {
    create?: Row | Row[];
    createMany?: { data: Row | Row[] };
  };
  const update = operations.update && (await inUpdates(shape, operations.update, create));
  return {
    ...operations,
    ...(rows && { create: await mapped<Row, Row>(rows, (row) => create(shape, row)) }),
    ...(createMany && {
      createMany: {
        ...createMany,
        data: await mapped<Row, Row>(createMany.data, (row) => create(shape, row)),
      },
    }),
    ...(update ? { update } : {}),
  };
}

/** Rows that are updated by the way may have new rows nested in them, but no attachments of their own. */
function inUpdates(shape: ModelShape, updates: unknown, create: EachRow): Promise<unknown> {
  return mapped<Row, Row>(updates as Row | Row[], async (update) => {
    const { data } = update;
    if (isObject(data)) return { ...update, data: await inTree(shape, data as Row, create) };
    return inTree(shape, update, create);
  });
}

function refuseUnseen(shape: ModelShape, operation: string, given: unknown): void {
  if (!isUnseen(shape, operation, given)) return;
  const message = `A nested "${operation}" of "${shape.name}" has to do with attachments and cannot be followed: do it by itself, in a transaction`;
  throw new DepotError('ATTACHMENT_UNSUPPORTED', message);
}

/** Whether files may come and go that nobody would know of. */
function isUnseen(shape: ModelShape, operation: string, given: unknown): boolean {
  if (operation === 'create' || UNLINKING.has(operation)) return false;
  if (operation === 'createMany' && isObject(given) && !given.skipDuplicates) return false;
  if (operation === 'update')
    return [given].flat().some((one) => isObject(one) && setsOwn(shape, isObject(one.data) ? one.data : one));
  return touchesFiles(shape, operation, given);
}

/** They change which rows belong together, and nothing else. */
const UNLINKING: ReadonlySet<string> = new Set(['connect', 'disconnect', 'set']);

const DELETING: ReadonlySet<string> = new Set(['delete', 'deleteMany']);

function setsOwn(shape: ModelShape, values: Record<string, unknown>): boolean {
  return givenFields(shape, values).length > 0;
}

/** Whether an operation on a model, at the top or nested, has to do with files. */
export function touchesFiles(shape: ModelShape, operation: string, given: unknown): boolean {
  if (UNLINKING.has(operation)) return false;
  if (DELETING.has(operation)) return given !== false && deletesFiles(shape);
  return [given].flat().some((one) => isObject(one) && holdsFiles(shape, one));
}

/** Values of a row, or an envelope around them. */
function valuesIn(given: Record<string, unknown>): Record<string, unknown>[] {
  return [given, given.data, given.create, given.update].flat().filter(isObject);
}

/** Whether an operation writes to other models as well: one statement after the other. */
export function nests({ relations }: ModelShape, given: Record<string, unknown>): boolean {
  return valuesIn(given).some((values) => [...relations.keys()].some((field) => isObject(values[field])));
}

function holdsFiles(shape: ModelShape, given: Record<string, unknown>): boolean {
  return valuesIn(given).some((values) => setsOwn(shape, values) || nestsFiles(shape, values));
}

function nestsFiles({ relations }: ModelShape, values: Record<string, unknown>): boolean {
  return [...relations].some(([field, other]) => {
    const operations = Object.entries(isObject(values[field]) ? values[field] : {});
    return operations.some(([operation, given]) => touchesFiles(other, operation, given));
  });
}

/** Whether there is an attachment anywhere that is not saved: Prisma would store it as null. */
export function holdsUnsaved(given: unknown): boolean {
  if (given instanceof Attachment) return !given.isStored;
  return isPlain(given) && Object.values(given).some(holdsUnsaved);
}

function isPlain(value: unknown): value is object {
  return Array.isArray(value) || (isObject(value) && Object.getPrototypeOf(value) === Object.prototype);
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null;
}

async function mapped<Item, Result>(
  items: Item | readonly Item[],
  act: (item: Item) => Promise<Result>,
): Promise<Result | Result[]> {
  return Array.isArray(items) ? settleAll(items.map(act)) : act(items as Item);
}
