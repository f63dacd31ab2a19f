import { type Column, is, type SQL, sql } from 'drizzle-orm';
import { PgTable } from 'drizzle-orm/pg-core';
import { DepotError } from '../../../errors.js';
import { settleAll } from '../../../internal/parallel.js';
import type { Attachment } from '../../attachment.js';
import type { SqlExecutor } from '../../journal/sql-journal.js';
import { NewFiles } from '../../sql/new-files.js';
import type { AttachmentColumn, ColumnValue } from './columns.js';
import { isRow } from './keys.js';
import { attachmentsOf, keyOf, onlyThese, rowsAgain, rowsOf } from './rows.js';
import type { TableShape } from './schema.js';
import type { Row, Session } from './session.js';
import { execute, type Statement } from './statement.js';
import { givenColumns, isNew, itemsGiven, without } from './values.js';
import type { Execution, Work } from './work.js';

type Files = NewFiles<SqlExecutor>;

/** What a column is set to. */
interface Assignment {
  readonly key: string;
  readonly column: AttachmentColumn;
  /** What was given: content that is stored by now, and attachments of whatever rows. */
  readonly items: readonly Attachment[] | null;
}

/** What a column of each row is set to. */
interface RowAssignment {
  readonly key: string;
  readonly column: AttachmentColumn;
  readonly values: readonly ColumnValue[];
}

/** Whether an update sets attachments. */
export function setsAttachments({ shape, statement }: Pick<Execution, 'shape' | 'statement'>): boolean {
  return givenColumns(shape, valuesOf(statement)).length > 0;
}

/**
 * Updates rows. Each gets files of its own, and those that it had until now go at the commit.
 * @throws DepotError `ATTACHMENT_UNSUPPORTED` for values that are SQL, and for updates with joins
 */
export function runUpdate(work: Work, execution: Execution): Promise<unknown> {
  const { shape, statement, method, placeholders } = execution;
  refuseJoins(statement);
  return NewFiles.of(work.unit, async (files) => {
    const given = await storeAhead(files, execution);
    const session = await work.session();
    const rows = await rowsOf(session, execution);
    const assignments = await settleAll(given.map((assignment) => assign(files, rows, assignment)));
    const set = { ...valuesOf(statement), ...setOf(shape, rows, assignments) };
    const changes = { ...onlyThese(shape, rows), set: [set] };
    const query = statement.build(session, changes);
    const result = await work.attempt(() => execute(query, method, placeholders));
    const used = await attachmentsNow(session, execution, rows, assignments);
    await work.unit.remove(unused(files, rows, assignments, used));
    return result;
  });
}

function valuesOf(statement: Statement): Row {
  return (statement.parameters('set')?.[0] ?? {}) as Row;
}

function refuseJoins(statement: Statement): void {
  if (!statement.calls('from', 'leftJoin', 'rightJoin', 'innerJoin', 'fullJoin')) return;
  throw new DepotError(
    'ATTACHMENT_UNSUPPORTED',
    'An update of attachments takes no other tables: choose its rows by a subquery in `where`',
  );
}

/** New content is stored before the rows are locked: uploads take their time. */
function storeAhead(files: Files, { shape, statement, placeholders }: Execution): Promise<Assignment[]> {
  const values = valuesOf(statement);
  const store = async ([key, column]: [string, AttachmentColumn]): Promise<Assignment> => {
    if (values[key] === null) return { key, column, items: null };
    const stored = itemsGiven(column, values[key], placeholders).map((item) =>
      isNew(item) ? files.store(column.field, item) : Promise.resolve(item as Attachment),
    );
    return { key, column, items: await settleAll(stored) };
  };
  return settleAll(givenColumns(shape, values).map(store));
}

/** Each row gets what it has already, the file that was stored, or a copy of it. */
async function assign(
  files: Files,
  rows: readonly Row[],
  { key, column, items }: Assignment,
): Promise<RowAssignment> {
  const free = new Set(items?.filter((item) => files.stored.includes(item)));
  const valueFor = async (row: Row) => {
    const there = new Set(column.items(row[key] as ColumnValue).map(({ path }) => path));
    const itemFor = async (item: Attachment) =>
      there.delete(item.path) || free.delete(item) ? item : files.store(column.field, item);
    return items && column.value(await settleAll(items.map(itemFor)));
  };
  return { key, column, values: await settleAll(rows.map(valueFor)) };
}

/**
 * What the rows have now: they tell it themselves, since a rule or a trigger may have left them as they were. Rows whose
 * primary keys are changed are not found again, and those of a table without one.
 * @throws DepotError `ATTACHMENT_CONFLICT` where a row is no more: the transaction must fail
 */
async function attachmentsNow(
  session: Session,
  { shape, statement }: Execution,
  rows: readonly Row[],
  assignments: readonly RowAssignment[],
): Promise<Attachment[]> {
  const isMoving = shape.primaryKey.some((key) => valuesOf(statement)[key] !== undefined);
  if (isMoving || shape.primaryKey.length === 0)
    return assignments.flatMap(({ column, values }) => values.flatMap((value) => column.items(value)));
  const now = await rowsAgain(session, shape, rows);
  if (now.length < rows.length) throw new DepotError('ATTACHMENT_CONFLICT');
  return attachmentsOf(shape, now);
}

/** Old files whose rows have others now, and new ones that no row has taken. */
function unused(
  { stored }: Files,
  rows: readonly Row[],
  assignments: readonly RowAssignment[],
  used: readonly Attachment[],
): Attachment[] {
  const old = assignments.flatMap(({ key, column }) =>
    rows.flatMap((row) => column.items(row[key] as ColumnValue)),
  );
  return without([...old, ...stored], used);
}

/** The new values of attachment columns: one for all rows, or chosen by the primary key. */
function setOf(
  shape: TableShape,
  rows: readonly Row[],
  assignments: readonly RowAssignment[],
): Record<string, ColumnValue | SQL> {
  const chosen = assignments.map(({ key, values }) => {
    const isSame = values.every((value) => value === values[0]);
    return [key, isSame ? (values[0] ?? null) : choice(shape, key, rows, values)];
  });
  return Object.fromEntries(chosen);
}

/** `case when id = 1 then … when id = 2 then … end` */
function choice(shape: TableShape, key: string, rows: readonly Row[], values: readonly ColumnValue[]): SQL {
  const { columns, primaryKey, table } = shape;
  if (primaryKey.length === 0) throw noPrimaryKey();
  const cast = is(table, PgTable) ? sql`::jsonb` : sql``;
  const cases = rows.map((row, position) => {
    return sql`when ${isRow(shape, primaryKey, keyOf(row))} then ${sql.param(values[position], columns[key] as Column)}${cast}`;
  });
  return sql`case ${sql.join(cases, sql` `)} end`;
}

function noPrimaryKey(): DepotError {
  return new DepotError(
    'ATTACHMENT_UNSUPPORTED',
    'Several rows cannot share one file, and without a primary key nothing tells them apart',
  );
}
