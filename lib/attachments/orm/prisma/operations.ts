import { DepotError } from '../../../errors.js';
import { settleAll } from '../../../internal/parallel.js';
import { type Part, partsOf } from '../../../internal/parts.js';
import type { Attachment } from '../../attachment.js';
import { NewFiles } from '../../sql/new-files.js';
import type { Work } from '../../sql/transactions.js';
import { type Arguments, type Client, modelOf, type Row } from './client.js';
import {
  type Files,
  givenFields,
  holdsUnsaved,
  inTree,
  isNew,
  isNothing,
  nests,
  storeNew,
  toJson,
} from './data.js';
import type { AttachmentEntry, ModelShape } from './data-model.js';
import type { Dialect } from './dialect.js';
import {
  attachmentsGone,
  itemsOf,
  likeOneOf,
  matchingRows,
  type Reading,
  rowsBelow,
  uniqueRow,
} from './rows.js';

/** An operation as the application has called it. */
export interface Operation {
  readonly shape: ModelShape;
  /** E.g. `create`. */
  readonly name: string;
  readonly parameters: Arguments;
}

/** What operations in one transaction share. */
export interface OperationWork extends Work<Client> {
  readonly dialect: Dialect;
}

export type Runner = (work: OperationWork, operation: Operation) => Promise<unknown>;

/** How the operations that write are run. */
export const RUNNERS: Readonly<Record<string, Runner>> = {
  create: runCreate,
  createMany: runCreateMany,
  createManyAndReturn: runCreateMany,
  update: runUpdate,
  updateMany: runUpdateMany,
  updateManyAndReturn: runUpdateMany,
  upsert: runUpsert,
  delete: runDelete,
  deleteMany: runDeleteMany,
};

async function readingOf(work: OperationWork): Promise<Reading> {
  return { client: await work.session(), dialect: work.dialect };
}

async function execute(
  { session, attempt, attemptParts }: OperationWork,
  { shape, name }: Pick<Operation, 'shape' | 'name'>,
  parameters: Arguments,
): Promise<unknown> {
  if (holdsUnsaved(parameters)) throw unsupported('An attachment stands where none was declared');
  const model = modelOf(await session(), shape.name);
  const write = async () => model[name]?.(parameters);
  return nests(shape, parameters) ? attemptParts(write) : attempt(write);
}

function runCreate(work: OperationWork, operation: Operation): Promise<unknown> {
  const { shape, parameters } = operation;
  return NewFiles.of(work.unit, async (files) => {
    const data = await storeNew(files, shape, parameters.data as Row);
    return execute(work, operation, { ...parameters, data });
  });
}

function runCreateMany(work: OperationWork, operation: Operation): Promise<unknown> {
  const { shape, parameters } = operation;
  if (parameters.skipDuplicates)
    throw unsupported('Nobody tells which rows `skipDuplicates` has left out: their files would stay');
  return NewFiles.of(work.unit, async (files) => {
    const rows = [parameters.data].flat() as Row[];
    const data = await settleAll(rows.map((row) => storeNew(files, shape, row)));
    return execute(work, operation, { ...parameters, data });
  });
}

function runUpdate(work: OperationWork, operation: Operation): Promise<unknown> {
  const { shape, parameters } = operation;
  return NewFiles.of(work.unit, async (files) => {
    const given = await storeAhead(files, shape, parameters.data as Row);
    const rows = await uniqueRow(await readingOf(work), shape, parameters.where);
    return write(work, operation, { files, given, rows });
  });
}

/** What comes up while rows are updated. */
interface Update {
  readonly files: Files;
  readonly given: Given;
  readonly rows: readonly Row[];
}

/** Writes one row, or none: Prisma says that there is none. */
async function write(work: OperationWork, operation: Operation, update: Update): Promise<unknown> {
  const { files, given, rows } = update;
  const { shape, parameters } = operation;
  const assignments = await settleAll(given.assignments.map((one) => assign(files, rows, one)));
  const values = assignments.map(({ field, entry, values: [value = null] }) => [field, toJson(entry, value)]);
  const data = { ...given.values, ...(rows.length > 0 && Object.fromEntries(values)) };
  const result = await execute(work, { shape, name: 'update' }, { ...parameters, data });
  await work.unit.remove(unused(update, assignments));
  return result;
}

function runUpdateMany(work: OperationWork, operation: Operation): Promise<unknown> {
  const { shape, parameters } = operation;
  return NewFiles.of(work.unit, async (files) => {
    const given = await storeAhead(files, shape, parameters.data as Row);
    const { where, limit, ...others } = parameters;
    const rows = await matchingRows(await readingOf(work), shape, where, limit);
    const assignments = await settleAll(given.assignments.map((one) => assign(files, rows, one)));
    const results: unknown[] = [];
    for (const { first, part } of alike(rows, assignments)) {
      const own = assignments.map(({ field, entry, values }) => [
        field,
        toJson(entry, values[first] ?? null),
      ]);
      const data = { ...given.values, ...Object.fromEntries(own) };
      results.push(...(await executeFor(part, work, operation, { ...others, data })));
    }
    if (countOf(results) !== rows.length) throw new DepotError('ATTACHMENT_CONFLICT');
    await work.unit.remove(unused({ files, given, rows }, assignments));
    return summed(operation, results);
  });
}

/** Rows that are given the same: all, where there are no files, else each by itself. */
function alike(rows: readonly Row[], assignments: readonly RowAssignment[]): Part<Row>[] {
  const hasFiles = assignments.some(({ values }) => values.some((items) => items && items.length > 0));
  if (!hasFiles && rows.length > 0) return [{ first: 0, part: rows }];
  return partsOf(rows, 1);
}

/** Does something with rows that are known by their keys: in parts, where there are too many for one. */
async function executeFor(
  rows: readonly Row[],
  work: OperationWork,
  operation: Operation,
  parameters: Arguments,
): Promise<unknown[]> {
  const { shape } = operation;
  const results: unknown[] = [];
  for (const where of likeOneOf(shape, shape.key, rows))
    results.push(await execute(work, operation, { ...parameters, where }));
  return results;
}

/** How many rows several results are about; NaN where an extension gives something else. */
function countOf(results: readonly unknown[]): number {
  const counts = results.map((result) =>
    Array.isArray(result) ? result.length : Number((result as { readonly count?: unknown } | null)?.count),
  );
  return counts.reduce((sum, count) => sum + count, 0);
}

/** One result of several. */
function summed({ name }: Operation, results: readonly unknown[]): unknown {
  return name === 'updateManyAndReturn' ? results.flat() : { count: countOf(results) };
}

/** Prisma looks first as well, unless the database can do both at once: a row that comes up meanwhile fails on its key. */
function runUpsert(work: OperationWork, operation: Operation): Promise<unknown> {
  const { shape, parameters } = operation;
  const { create, update, ...others } = parameters;
  return NewFiles.of(work.unit, async (files) => {
    const rows = await uniqueRow(await readingOf(work), shape, parameters.where);
    if (rows.length > 0) {
      const given = await storeAhead(files, shape, update as Row);
      return write(work, { ...operation, parameters: others }, { files, given, rows });
    }
    const { where: _where, ...rest } = others;
    const data = await storeNew(files, shape, create as Row);
    return execute(work, { shape, name: 'create' }, { ...rest, data });
  });
}

async function runDelete(work: OperationWork, operation: Operation): Promise<unknown> {
  const { shape, parameters } = operation;
  const reading = await readingOf(work);
  const before = await rowsBelow(reading, shape, await uniqueRow(reading, shape, parameters.where));
  const result = await execute(work, operation, parameters);
  await work.unit.remove(await attachmentsGone(reading, before));
  return result;
}

async function runDeleteMany(work: OperationWork, operation: Operation): Promise<unknown> {
  const { shape, parameters } = operation;
  const reading = await readingOf(work);
  const rows = await matchingRows(reading, shape, parameters.where, parameters.limit);
  const before = await rowsBelow(reading, shape, rows);
  const results = await executeFor(rows, work, operation, {});
  // Rows that nobody has seen may look like these: their files are unknown.
  if (countOf(results) > rows.length) throw new DepotError('ATTACHMENT_CONFLICT');
  await work.unit.remove(await attachmentsGone(reading, before));
  return results.length === 1 ? results[0] : summed(operation, results);
}

/** What a field is set to. */
interface Assignment {
  readonly field: string;
  readonly entry: AttachmentEntry;
  /** What was given: content that is stored by now, and attachments of whatever rows. */
  readonly items: readonly Attachment[] | null;
}

/** What the field of each row is set to. */
interface RowAssignment {
  readonly field: string;
  readonly entry: AttachmentEntry;
  readonly values: readonly (readonly Attachment[] | null)[];
}

/** The data of an update. */
interface Given {
  /** All but attachments, with what is nested stored. */
  readonly values: Row;
  readonly assignments: readonly Assignment[];
}

/** New content is stored before rows are locked: uploads take their time. */
async function storeAhead(files: Files, shape: ModelShape, data: Row): Promise<Given> {
  const values = await inTree(shape, data, (other, row) => storeNew(files, other, row));
  const store = async ([field, entry]: [string, AttachmentEntry]): Promise<Assignment> => {
    if (isNothing(data[field])) return { field, entry, items: null };
    const stored = itemsOf(data[field]).map((item) =>
      isNew(item) ? files.store(entry.field, item) : Promise.resolve(item as Attachment),
    );
    return { field, entry, items: await settleAll(stored) };
  };
  const assignments = await settleAll(givenFields(shape, data).map(store));
  return { values: withoutKeys(values, shape.attachments), assignments };
}

function withoutKeys(values: Row, keys: ReadonlyMap<string, unknown>): Row {
  return Object.fromEntries(Object.entries(values).filter(([key]) => !keys.has(key)));
}

/** Each row gets what it has already, the file that was stored, or a copy of it. */
async function assign(
  files: Files,
  rows: readonly Row[],
  { field, entry, items }: Assignment,
): Promise<RowAssignment> {
  const free = new Set(items?.filter((item) => files.stored.includes(item)));
  const valueFor = async (row: Row) => {
    const there = new Set(attachmentsIn(row, field).map(({ path }) => path));
    const itemFor = async (item: Attachment) =>
      there.delete(item.path) || free.delete(item) ? item : files.store(entry.field, item);
    return items && settleAll(items.map(itemFor));
  };
  return { field, entry, values: await settleAll(rows.map(valueFor)) };
}

/** Old files whose rows have others now, and new ones that no row has taken. */
function unused({ files, given, rows }: Update, assignments: readonly RowAssignment[]): Attachment[] {
  const old = assignments.flatMap(({ field }) => rows.flatMap((row) => attachmentsIn(row, field)));
  const ahead = given.assignments.flatMap(({ items }) => items ?? []);
  const fresh = ahead.filter((item) => files.stored.includes(item));
  const used = assignments.flatMap(({ values }) => values.flatMap((items) => items ?? []));
  const paths = new Set(used.map(({ path }) => path));
  return [...old, ...fresh].filter(({ path }) => !paths.has(path));
}

function attachmentsIn(row: Row, field: string): Attachment[] {
  return itemsOf(row[field] as Attachment | readonly Attachment[] | null);
}

function unsupported(message: string): DepotError {
  return new DepotError('ATTACHMENT_UNSUPPORTED', message);
}
