import { type Column, is, Placeholder, SQL, sql } from 'drizzle-orm';
import { PgTable } from 'drizzle-orm/pg-core';
import { DepotError } from '../../../errors.js';
import { settleAll } from '../../../internal/parallel.js';
import type { SqlExecutor } from '../../journal/sql-journal.js';
import { NewFiles } from '../../sql/new-files.js';
import type { AttachmentColumn } from './columns.js';
import { attachmentsOf, rowsAgain, rowsLike } from './rows.js';
import type { TableShape } from './schema.js';
import type { Placeholders, Row, Session } from './session.js';
import { execute, type Statement } from './statement.js';
import { givenColumns, itemsGiven, without } from './values.js';
import type { Execution, Work } from './work.js';

type Files = NewFiles<SqlExecutor>;

/**
 * Inserts rows whose files were stored before.
 * @throws DepotError `ATTACHMENT_UNSUPPORTED` for values that are SQL, for rows that are selected, and for conflicts of
 *   which nobody knows the row; `ATTACHMENT_CONFLICT` where others have added it at the same moment
 */
export function runInsert(work: Work, execution: Execution): Promise<unknown> {
  const { statement, method, placeholders } = execution;
  refuseSelected(statement);
  return NewFiles.of(work.unit, async (files) => {
    const rows = rowsGiven(statement);
    const conflict = bringsFiles(execution, rows) ? conflictOf(execution, rows) : undefined;
    const values = [await storeRows(files, execution, rows)];
    if (conflict) return upsert(work, execution, { conflict, files, values });
    const session = await work.session();
    return work.attempt(() => execute(statement.build(session, { values }), method, placeholders));
  });
}

/** Whether a statement does nothing but add rows. */
export function onlyAdds(statement: Statement): boolean {
  return statement.kind === 'insert' && !statement.calls('onConflictDoUpdate', 'onConflictDoNothing');
}

function refuseSelected(statement: Statement): void {
  if (!statement.calls('select')) return;
  const message = 'Rows that are selected would share their files: insert them by values';
  throw new DepotError('ATTACHMENT_UNSUPPORTED', message);
}

function rowsGiven(statement: Statement): Row[] {
  const [values] = statement.parameters('values') as [Row | Row[]];
  return Array.isArray(values) ? values : [values];
}

async function storeRows(files: Files, execution: Execution, rows: readonly Row[]): Promise<Row[]> {
  return settleAll(rows.map((row) => storeRow(files, execution, row)));
}

/** The row with its attachments stored. Columns that are not given stay so: they may have a default. */
async function storeRow(files: Files, { shape, placeholders }: Execution, row: Row): Promise<Row> {
  const store = async ([key, column]: [string, AttachmentColumn]) => {
    if (row[key] === null) return [key, null];
    const items = itemsGiven(column, row[key], placeholders);
    return [key, column.value(await settleAll(items.map((item) => files.store(column.field, item))))];
  };
  return { ...row, ...Object.fromEntries(await settleAll(givenColumns(shape, row).map(store))) };
}

/** Whether files may come, or go: those of rows that are there already go where a conflict sets their columns. */
function bringsFiles({ shape, statement }: Execution, rows: readonly Row[]): boolean {
  const hasFiles = (row: Row) => givenColumns(shape, row).some(([key]) => row[key] !== null);
  return rows.some(hasFiles) || givenColumns(shape, updateOf(statement)?.set ?? {}).length > 0;
}

function updateOf(statement: Statement): ConflictUpdate | undefined {
  return statement.parameters('onConflictDoUpdate')?.[0] as ConflictUpdate | undefined;
}

/** Rows that are there already may be hit: which, and what becomes of them. */
interface Conflict {
  /** The columns on which rows collide. */
  readonly keys: readonly string[];
  /** Their values in the rows that are given. */
  readonly rows: readonly Row[];
  /** What `onConflictDoUpdate` was given. */
  readonly update: { readonly set: Row } | undefined;
}

function conflictOf(
  { shape, statement, placeholders }: Execution,
  rows: readonly Row[],
): Conflict | undefined {
  if (onlyAdds(statement)) return undefined;
  const update = updateOf(statement);
  const target =
    update?.target ?? (statement.parameters('onConflictDoNothing')?.[0] as ConflictTarget)?.target;
  const keys = target === undefined ? shape.primaryKey : [target].flat().map((one) => keyOf(shape, one));
  const filled = rows.map((row) =>
    Object.fromEntries(keys.map((key) => [key, plain(row[key], placeholders)])),
  );
  const isKnown = filled.every((row) => Object.values(row).every((value) => value !== undefined));
  if (keys.length === 0 || !isKnown) throw unknownConflict();
  if (update && rows.length > 1) refuseShared(shape, update.set);
  return { keys, rows: filled, update };
}

interface ConflictTarget {
  readonly target?: unknown;
}

interface ConflictUpdate extends ConflictTarget {
  readonly set: Row;
}

function keyOf({ columns }: TableShape, target: unknown): string {
  const key = Object.keys(columns).find((one) => columns[one] === (target as Column));
  if (key === undefined) throw unknownConflict();
  return key;
}

function plain(value: unknown, placeholders: Placeholders | undefined): unknown {
  if (is(value, Placeholder)) return placeholders?.[value.name];
  return is(value, SQL) ? undefined : value;
}

function unknownConflict(): DepotError {
  return new DepotError(
    'ATTACHMENT_UNSUPPORTED',
    'Rows that may be there already have files: name the columns of the conflict as `target`, and give their values',
  );
}

function refuseShared(shape: TableShape, set: Row): void {
  const isOne = (value: unknown) => value !== undefined && value !== null && !is(value, SQL);
  if (![...shape.attachments.keys()].some((key) => isOne(set[key]))) return;
  throw new DepotError(
    'ATTACHMENT_UNSUPPORTED',
    'Several rows cannot share the file that a conflict sets: use excluded, as in sql`excluded.photo`',
  );
}

interface Upsert {
  readonly conflict: Conflict;
  readonly files: Files;
  readonly values: readonly unknown[];
}

/** Afterwards the rows tell which files they have taken; all others go at the commit. */
async function upsert(
  work: Work,
  execution: Execution,
  { conflict, files, values }: Upsert,
): Promise<unknown> {
  const { shape, statement, method, placeholders } = execution;
  const { keys, rows, update } = conflict;
  const set = update && (await storeSet(files, execution, update.set));
  const session = await work.session();
  const before = await rowsLike(session, shape, keys, rows);
  const changes = set ? { values, onConflictDoUpdate: [{ ...update, set }] } : { values };
  const query = statement.build(session, changes);
  const result = await work.attempt(() => execute(query, method, placeholders));
  const after = await rowsLike(session, shape, keys, rows, is(shape.table, PgTable) ? { xmax: XMAX } : {});
  if (update) refuseUnseen(before, after);
  const moved = isMoving(shape, conflict) ? await movedRows(session, shape, before, after) : [];
  const old = attachmentsOf(shape, before);
  await work.unit.remove(without([...old, ...files.stored], attachmentsOf(shape, [...after, ...moved])));
  return result;
}

/** Whether a row may be found no more by what it was found by. */
function isMoving({ primaryKey }: TableShape, { keys, update }: Conflict): boolean {
  return [...keys, ...primaryKey].some((key) => update?.set[key] !== undefined);
}

/**
 * The rows that were there before, by their primary keys.
 * @param after the rows that have what was asked for
 * @throws DepotError `ATTACHMENT_UNSUPPORTED` where these have changed: nobody knows what the rows have now
 */
async function movedRows(
  session: Session,
  shape: TableShape,
  before: readonly Row[],
  after: readonly Row[],
): Promise<readonly Row[]> {
  const again = shape.primaryKey.length > 0 ? await rowsAgain(session, shape, before) : after;
  if (again.length >= before.length) return again;
  throw new DepotError(
    'ATTACHMENT_UNSUPPORTED',
    'A conflict changes what tells rows with files apart: leave the columns of the key out of `set`',
  );
}

/** Not 0 for a row that was there before, as it was locked (https://www.postgresql.org/docs/17/ddl-system-columns.html). */
const XMAX = sql`xmax::text`;

/**
 * A row that came between the look and the statement has lost files that nobody has seen.
 * @throws DepotError `ATTACHMENT_CONFLICT`: the transaction must fail
 */
function refuseUnseen(before: readonly Row[], after: readonly Row[]): void {
  const wereThere = after.filter(({ xmax = '0' }) => xmax !== '0');
  if (wereThere.length > before.length) throw new DepotError('ATTACHMENT_CONFLICT');
}

/** SQL may stand here: `excluded.photo` is the value that was to be inserted. */
async function storeSet(files: Files, execution: Execution, set: Row): Promise<Row> {
  const isSql = (key: string) => is(set[key], SQL);
  const kept = Object.fromEntries(Object.entries(set).filter(([key]) => isSql(key)));
  const others = Object.fromEntries(Object.entries(set).filter(([key]) => !isSql(key)));
  return { ...kept, ...(await storeRow(files, execution, others)) };
}
