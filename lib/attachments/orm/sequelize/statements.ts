import { isDeepStrictEqual } from 'node:util';
import type { Model, QueryInterface } from 'sequelize';
import { DepotError } from '../../../errors.js';
import { settleAll } from '../../../internal/parallel.js';
import type { Attachment } from '../../attachment.js';
import type { Place, Places } from '../../sql/places.js';
import { carrying } from './carrying.js';
import { type AttachmentColumn, attachmentColumns, storedPath, toData, valuesOf } from './columns.js';
import {
  type AnyModel,
  type OpenTransaction,
  type StatementOptions,
  type Statements,
  type TableName,
  uniqueKeys,
  type Values,
} from './internals.js';
import { NewFiles } from './new-files.js';
import { keysOf, primaryKey, type RowReader, type Rows } from './rows.js';
import type { Transactions, Work } from './transactions.js';

/** Statements whose attachments go the way of their rows: what models do ends here, hooks or no hooks. */
export class AttachmentStatements {
  readonly #target: Statements;
  readonly #transactions: Transactions;
  readonly #reader: RowReader;
  readonly #places: Places | undefined;

  /** @param places nothing where no other process will ever see the rows */
  constructor(target: Statements, transactions: Transactions, reader: RowReader, places: Places | undefined) {
    this.#target = target;
    this.#transactions = transactions;
    this.#reader = reader;
    this.#places = places;
  }

  /** @throws DepotError `ATTACHMENT_UNSUPPORTED` with `ignoreDuplicates` in SQLite: nobody tells whether it was inserted then */
  async insert(
    instance: Model,
    table: TableName,
    values: Values,
    options: StatementOptions,
  ): Promise<unknown> {
    const model = modelOf(instance);
    const columns = columnsWithFiles(model, [values]);
    if (columns.length === 0) return this.#target.insert(instance, table, values, options);
    if (options.ignoreDuplicates && this.#target.queryGenerator.dialect === 'sqlite')
      throw unsupported('create with ignoreDuplicates', 'use findOrCreate');
    return this.#runInsert(table, columns, options, async (work, files) => {
      const stored = await files.storeAll(columns, values);
      const transaction = await work.transaction();
      const complete = { ...values, ...stored };
      const target = carrying(this.#target, work.takeAlong());
      const result = await target.insert(instance, table, complete, { ...options, transaction });
      assign(instance, columns, stored);
      return result;
    });
  }

  /**
   * @throws DepotError `ATTACHMENT_UNSUPPORTED` with `ignoreDuplicates` and `updateOnDuplicate`: nobody tells which rows
   *   were written then
   */
  async bulkInsert(
    table: TableName,
    rows: readonly Values[],
    options: StatementOptions,
    attributes: unknown,
  ): Promise<unknown> {
    const columns = columnsWithFiles(options.model, rows);
    refuseDuplicates(options, columns);
    if (columns.length === 0) return this.#target.bulkInsert(table, rows, options, attributes);
    return this.#runInsert(table, columns, options, async (work, files) => {
      const stored = await settleAll(rows.map((row) => files.storeAll(columns, row)));
      const complete = rows.map((row, index) => ({ ...row, ...stored[index] }));
      const transaction = await work.transaction();
      const target = carrying(this.#target, work.takeAlong());
      const result = await target.bulkInsert(table, complete, { ...options, transaction }, attributes);
      const answered: readonly Values[] = Array.isArray(result) ? result : [];
      return stored.map((values, index) => ({ ...answered[index], ...values }));
    });
  }

  /** @throws DepotError `ATTACHMENT_CONFLICT` where an attachment that is to stay was replaced by somebody else */
  async update(
    instance: Model,
    table: TableName,
    values: Values,
    where: unknown,
    options: StatementOptions,
  ): Promise<unknown> {
    const model = modelOf(instance);
    const columns = writtenColumns(model, values);
    if (!model || columns.length === 0) return this.#target.update(instance, table, values, where, options);
    return this.#run(options, async (work, files) => {
      const stored = await files.storeAll(columns, values, { keep: true });
      const transaction = await work.transaction();
      const found = await this.#reader.find(model, { table, where, transaction });
      const old = this.#reader.attachmentsOf(found, columns);
      const isThere = found.rows.length > 0;
      // What the model makes of a row that is gone is its own business.
      const held = isThere ? this.#asHeld(found, columns, stored, files) : stored;
      const changes = isThere ? { ...values, ...held } : without(values, columns);
      const result = isEmpty(changes)
        ? [instance, 0]
        : await this.#target.update(instance, table, changes, where, { ...options, transaction });
      await work.unit.remove(isThere ? unused(old, held) : files.stored);
      if (isThere) assign(instance, columns, held);
      return result;
    });
  }

  /** Each row gets files of its own. */
  async bulkUpdate(
    table: TableName,
    values: Values,
    where: unknown,
    options: StatementOptions,
    attributes: unknown,
  ): Promise<unknown> {
    const { model, limit } = options;
    const columns = writtenColumns(model, values);
    if (!model || columns.length === 0)
      return this.#target.bulkUpdate(table, values, where, options, attributes);
    assertPrimaryKey(model, 'update');
    return this.#run(options, async (work, files) => {
      const ahead = await files.storeAll(columns, values);
      const transaction = await work.transaction();
      const found = await this.#reader.find(model, { table, where, limit, transaction });
      const isSame = files.stored.length === 0 || found.rows.length < 2;
      const parts = isSame ? [found] : found.rows.map((row) => ({ ...found, rows: [row] }));
      const others = parts.slice(1).map(() => files.storeAll(columns, values));
      const stored = [ahead, ...(await settleAll(others))];
      const inTransaction = { ...options, transaction, limit: undefined };
      const results = [];
      for (const [index, part] of parts.entries()) {
        const changes = { ...values, ...stored[index] };
        if (part.rows.length === 0) await work.unit.remove(files.stored);
        else
          results.push(
            await this.#target.bulkUpdate(table, changes, keysOf(part), inTransaction, attributes),
          );
      }
      await work.unit.remove(this.#reader.attachmentsOf(found, columns));
      return options.returning ? results.flat() : sum(results);
    });
  }

  /** Rows that the database deletes with it are looked up before. */
  async delete(
    instance: Model,
    table: TableName,
    where: unknown,
    options: StatementOptions,
  ): Promise<unknown> {
    const model = modelOf(instance);
    if (!model || !this.#reader.losesFiles(model))
      return this.#target.delete(instance, table, where, options);
    return this.#run(options, async (work) => {
      const transaction = await work.transaction();
      const rows = await this.#reader.find(model, { table, where, transaction });
      return this.#deleting(work, rows, () =>
        this.#target.delete(instance, table, where, { ...options, transaction }),
      );
    });
  }

  /** @throws DepotError `ATTACHMENT_UNSUPPORTED` for `truncate` with `cascade` or `restartIdentity` */
  async bulkDelete(
    table: TableName,
    where: unknown,
    options: StatementOptions,
    model?: AnyModel,
  ): Promise<unknown> {
    if (model) this.#refuseTruncation(model, options);
    if (!model || !this.#reader.losesFiles(model))
      return this.#target.bulkDelete(table, where, options, model);
    assertPrimaryKey(model, 'destroy');
    return this.#run(options, async (work) => {
      const transaction = await work.transaction();
      const { limit } = options;
      const rows = await this.#reader.find(model, { table, where, limit, transaction });
      if (rows.rows.length === 0) return 0;
      const inTransaction = { ...options, transaction, limit: undefined, truncate: false };
      return this.#deleting(work, rows, () =>
        this.#target.bulkDelete(table, keysOf(rows), inTransaction, model),
      );
    });
  }

  /**
   * A row that is there is updated; otherwise it is inserted, which fails where somebody else has inserted it meanwhile.
   * @throws DepotError `ATTACHMENT_UNSUPPORTED` with `conflictWhere`
   */
  async upsert(
    table: TableName,
    insertValues: Values,
    updateValues: Values,
    where: unknown,
    options: StatementOptions,
  ): Promise<unknown> {
    const { model, instance } = options;
    const columns = writtenColumns(model, insertValues);
    if (!model || !instance || columns.length === 0)
      return this.#target.upsert(table, insertValues, updateValues, where, options);
    if (options.conflictWhere) throw unsupported('upsert with conflictWhere', 'find the row and save it');
    return this.#run(options, async (work, files) => {
      const stored = await files.storeAll(columns, insertValues);
      const transaction = await work.transaction();
      const found = await this.#findConflict(model, table, insertValues, { ...options, transaction });
      const updated = columns.filter(({ column }) => column in updateValues);
      const complete = { ...insertValues, ...stored };
      const inTransaction = { ...options, transaction };
      const result = found
        ? await this.#target.upsert(table, complete, { ...updateValues, ...only(stored, updated) }, where, {
            ...inTransaction,
            conflictFields: found.key,
          })
        : await this.#insertNew(instance, table, complete, inTransaction);
      if (found) {
        const old = this.#reader.attachmentsOf(found.rows, updated);
        await work.unit.remove([...old, ...unused(files.stored, only(stored, updated))]);
      }
      assign(instance, found ? updated : columns, stored);
      return result;
    });
  }

  async startTransaction(transaction: OpenTransaction, options: unknown): Promise<unknown> {
    if (!transaction.parent) await this.#transactions.prepare();
    return this.#target.startTransaction(transaction, options);
  }

  commitTransaction(transaction: OpenTransaction, options: object): Promise<unknown> {
    if (transaction.parent) return this.#target.commitTransaction(transaction, options);
    return this.#transactions.commit(transaction, options, this.#target);
  }

  /** Without a transaction, only the rows will tell whether it was done: where they are is put on record before. */
  async #runInsert<Result>(
    table: TableName,
    columns: readonly AttachmentColumn[],
    options: StatementOptions,
    act: (work: Work, files: NewFiles) => Promise<Result>,
  ): Promise<Result> {
    if (!options.transaction) {
      const places = columns.map(({ column }) => placeOf(this.#target, table, column));
      for (const place of places) await this.#places?.note(place);
    }
    const { transaction, ignoreDuplicates } = options;
    const run = (work: Work) => NewFiles.of(work, (files) => act(work, files));
    // Of a duplicate that is ignored only a transaction can let go.
    if (ignoreDuplicates) return this.#transactions.run(transaction, run);
    return this.#transactions.runInsert(transaction, this.#target.queryGenerator.quoteTable(table), run);
  }

  #run<Result>(
    { transaction }: StatementOptions,
    act: (work: Work, files: NewFiles) => Promise<Result>,
  ): Promise<Result> {
    return this.#transactions.run(transaction, (work) => NewFiles.of(work, (files) => act(work, files)));
  }

  async #deleting(work: Work, rows: Rows, act: () => Promise<unknown>): Promise<unknown> {
    const transaction = await work.transaction();
    const before = [rows, ...(await this.#reader.findBelow(rows, transaction))];
    const result = await act();
    await work.unit.remove(await this.#reader.attachmentsGone(before, transaction));
    return result;
  }

  #refuseTruncation(model: AnyModel, { truncate, cascade, restartIdentity }: StatementOptions): void {
    if (!truncate || !(cascade || restartIdentity)) return;
    if (cascade ? this.#reader.losesFilesTruncated(model) : this.#reader.losesFiles(model))
      throw unsupported('truncate with cascade or restartIdentity', 'destroy({ where: {} }) first');
  }

  /**
   * What stays is what the row has: Sequelize lets names such as `photo.files`, which a client may have sent, change what
   * was read from it.
   */
  #asHeld(found: Rows, columns: readonly AttachmentColumn[], stored: Values, { kept }: NewFiles): Values {
    const entries = columns.map((one) => {
      const held = new Map(this.#reader.attachmentsOf(found, [one]).map((old) => [old.path, old]));
      const own = (value: unknown) => {
        const path = storedPath(value);
        return path !== undefined && kept.includes(path) ? dataOf(held.get(path), value) : value;
      };
      const value = stored[one.column];
      return [one.column, Array.isArray(value) ? value.map(own) : own(value)];
    });
    return Object.fromEntries(entries);
  }

  /** As an upsert answers. */
  async #insertNew(
    instance: Model,
    table: TableName,
    values: Values,
    options: StatementOptions,
  ): Promise<unknown> {
    const [row] = (await this.#target.insert(instance, table, values, options)) as readonly unknown[];
    return [row, null];
  }

  /** The row with which the new one would be in conflict, and the key that they share. */
  async #findConflict(
    model: AnyModel,
    table: TableName,
    values: Values,
    options: StatementOptions,
  ): Promise<{ readonly key: readonly string[]; readonly rows: Rows } | undefined> {
    for (const key of conflictKeys(model, options)) {
      if (key.some((column) => values[column] === undefined || values[column] === null)) continue;
      const where = Object.fromEntries(key.map((column) => [column, values[column]]));
      const rows = await this.#reader.find(model, { table, where, transaction: options.transaction ?? null });
      if (rows.rows.length > 0) return { key, rows };
    }
    return undefined;
  }
}

/** The application's statements, with ours in place of some. */
export function observed(queryInterface: QueryInterface, statements: AttachmentStatements): QueryInterface {
  return new Proxy(queryInterface, {
    get(target, name) {
      const own = HANDLED.has(name) ? Reflect.get(statements, name) : undefined;
      return own ? own.bind(statements) : Reflect.get(target, name);
    },
  });
}

const HANDLED: ReadonlySet<string | symbol> = new Set<keyof AttachmentStatements>([
  ...(['insert', 'bulkInsert', 'update', 'bulkUpdate', 'delete', 'bulkDelete', 'upsert'] as const),
  ...(['startTransaction', 'commitTransaction'] as const),
]);

function placeOf({ queryGenerator }: Statements, table: TableName, column: string): Place {
  return { table: queryGenerator.quoteTable(table), column: queryGenerator.quoteIdentifier(column) };
}

function modelOf(instance: Model | null): AnyModel | undefined {
  return instance ? (instance.constructor as AnyModel) : undefined;
}

/** Columns that a statement writes, with whatever value. */
function writtenColumns(model: AnyModel | undefined, values: Values): AttachmentColumn[] {
  return attachmentColumns(model).filter(({ column }) => values[column] !== undefined);
}

/** Columns that have something to store in one of the rows. */
function columnsWithFiles(model: AnyModel | undefined, rows: readonly Values[]): AttachmentColumn[] {
  return attachmentColumns(model).filter(({ column }) =>
    rows.some((row) => valuesOf(row[column]).length > 0),
  );
}

/** Old attachments that are in none of the columns any more. */
function unused(old: readonly Attachment[], stored: Values): Attachment[] {
  const paths = new Set(Object.values(stored).flatMap(valuesOf).map(storedPath));
  return old.filter(({ path }) => !paths.has(path));
}

/** The very value, if nothing of it was changed. */
function dataOf(held: Attachment | undefined, value: unknown): unknown {
  if (held) return isDeepStrictEqual(value, held.data) ? value : toData(held);
  throw new DepotError('ATTACHMENT_CONFLICT', 'The attachment was replaced by somebody else: reload the row');
}

function refuseDuplicates(options: StatementOptions, columns: readonly AttachmentColumn[]): void {
  const { ignoreDuplicates, updateOnDuplicate = [], model } = options;
  const updated = new Set(updateOnDuplicate as readonly string[]);
  const writes = attachmentColumns(model).some(({ column }) => updated.has(column));
  if (columns.length > 0 && ignoreDuplicates)
    throw unsupported('bulkCreate with ignoreDuplicates', 'look up which rows are there');
  if (writes || (columns.length > 0 && updated.size > 0))
    throw unsupported('bulkCreate with updateOnDuplicate', 'upsert one row after the other');
}

function assertPrimaryKey(model: AnyModel, method: string): void {
  if (primaryKey(model).length === 0)
    throw unsupported(`${method} without a primary key`, 'give the model one');
}

function unsupported(what: string, instead: string): DepotError {
  return new DepotError('ATTACHMENT_UNSUPPORTED', `Attachments cannot follow ${what}: ${instead}`);
}

/** Keys on which a new row may be in conflict with one that is there. */
function conflictKeys(model: AnyModel, { conflictFields }: StatementOptions): (readonly string[])[] {
  if (Array.isArray(conflictFields) && conflictFields.length > 0) return [conflictFields];
  return [primaryKey(model), ...uniqueKeys(model)].filter((key) => key.length > 0);
}

function assign(instance: Model, columns: readonly AttachmentColumn[], stored: Values): void {
  for (const { attribute, column } of columns) instance.setDataValue(attribute, stored[column]);
}

function without(values: Values, columns: readonly AttachmentColumn[]): Values {
  const left = new Set(columns.map(({ column }) => column));
  return Object.fromEntries(Object.entries(values).filter(([column]) => !left.has(column)));
}

function only(values: Values, columns: readonly AttachmentColumn[]): Values {
  return Object.fromEntries(columns.map(({ column }) => [column, values[column]]));
}

function isEmpty(values: Values): boolean {
  return Object.keys(values).length === 0;
}

function sum(counts: readonly unknown[]): number {
  return counts.reduce<number>((total, count) => total + Number(count), 0);
}
