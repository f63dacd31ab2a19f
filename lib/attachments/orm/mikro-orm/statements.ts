import { DepotError } from '../../../errors.js';
import type { Attachment } from '../../attachment.js';
import { lateUpload, settleAll, Upload } from './flush.js';
import {
  type Answer,
  type AttachmentProperty,
  attachmentProperties,
  type Driver,
  type StatementOptions,
  type Values,
} from './internals.js';
import type { RowReader, Rows } from './rows.js';
import type { Transactions, Work } from './transactions.js';

/** What one row is given. */
interface Assignment {
  /** The values, attachments as the driver takes them. */
  readonly data: Values;
  /** What it holds in its properties for attachments, in the end. */
  readonly attachments: readonly Attachment[];
  readonly stored: readonly Attachment[];
  readonly uploads: readonly Upload[];
}

/** Statements whose attachments go the way of their rows: all that entity managers write ends here. */
export class AttachmentStatements {
  readonly #driver: Driver;
  readonly #transactions: Transactions;
  readonly #reader: RowReader;

  constructor(driver: Driver, transactions: Transactions, reader: RowReader) {
    this.#driver = driver;
    this.#transactions = transactions;
    this.#reader = reader;
  }

  /** Puts itself between entity managers and their driver. */
  observe(): void {
    const driver = this.#driver;
    const { nativeInsert, nativeInsertMany, nativeUpdate, nativeUpdateMany, nativeDelete, nativeClone } =
      driver;
    driver.nativeInsert = (entity, data, options = {}) =>
      this.#insert(entity, [data], options, ([row = data], inTransaction) =>
        nativeInsert.call(driver, entity, row, inTransaction),
      );
    driver.nativeInsertMany = (entity, data, options = {}, transform) =>
      this.#insert(entity, data, options, (rows, inTransaction) =>
        nativeInsertMany.call(driver, entity, rows, inTransaction, transform),
      );
    driver.nativeUpdate = (entity, where, data, options = {}) =>
      this.#update(entity, [where], [data], options, ([one], [row = data], inTransaction) =>
        nativeUpdate.call(driver, entity, one, row, inTransaction),
      );
    driver.nativeUpdateMany = (entity, where, data, options = {}, transform) =>
      this.#update(entity, where, data, options, (conditions, rows, inTransaction) =>
        nativeUpdateMany.call(driver, entity, conditions, rows, inTransaction, transform),
      );
    driver.nativeDelete = (entity, where, options = {}) =>
      this.#delete(entity, where, options, (condition, inTransaction) =>
        nativeDelete.call(driver, entity, condition, inTransaction),
      );
    driver.nativeClone = (entity, where, overrides, options = {}) => {
      if (attachmentProperties(this.#reader.metaOf(entity)).length > 0)
        throw unsupported('em.clone', 'create a new entity and give it the attachments');
      return nativeClone.call(driver, entity, where, overrides, options);
    };
  }

  async #insert(
    entity: unknown,
    rows: Values[],
    options: StatementOptions,
    run: (rows: Values[], options: StatementOptions) => Promise<unknown>,
  ): Promise<unknown> {
    const properties = attachmentProperties(this.#reader.metaOf(entity)).filter(({ name }) =>
      rows.some((row) => row[name] !== undefined && row[name] !== null),
    );
    if (properties.length === 0) return run(rows, options);
    return this.#transactions.run(options.ctx, async (work) => {
      const assignments = await settleAll(rows.map((row) => this.#assign(work, row, properties, options)));
      const result = await run(
        assignments.map(({ data }) => data),
        { ...options, ctx: await work.context() },
      );
      await done(work, assignments);
      return result;
    });
  }

  /** Each row gets files of its own. */
  async #update(
    entity: unknown,
    where: unknown[],
    data: Values[],
    options: StatementOptions,
    run: (where: unknown[], data: Values[], options: StatementOptions) => Promise<Answer>,
  ): Promise<Answer> {
    const meta = this.#reader.metaOf(entity);
    const properties = attachmentProperties(meta).filter(({ name }) =>
      data.some((row) => row[name] !== undefined),
    );
    if (properties.length === 0) return run(where, data, options);
    if (options.upsert) throw unsupported('em.upsert of attachments', 'find the entity and flush');
    refuseUnion(options);
    const { convertCustomTypes = true } = options;
    return this.#transactions.run(options.ctx, async (work) => {
      const ahead = await settleAll(data.map((row) => this.#assign(work, row, properties, options)));
      const inTransaction = { ...options, convertCustomTypes, ctx: await work.context() };
      const found: Rows[] = [];
      for (const condition of where)
        found.push(await this.#reader.find(meta, condition, inTransaction.ctx, inTransaction));
      const [many] = found;
      const [first] = ahead;
      if (found.length === 1 && many && first && many.rows.length > 1 && first.stored.length > 0) {
        return this.#updateEach(work, { many, first, properties, data, inTransaction }, run);
      }
      // A flush has named its rows by their keys.
      if (convertCustomTypes && many?.rows.length === 0) return NOTHING;
      const replacements = this.#replacements(found, ahead, properties, data);
      for (const replacement of replacements) refuseForeign(replacement);
      const result = await run(
        convertCustomTypes ? found.map((rows) => this.#reader.keysOf(rows, inTransaction)) : where,
        ahead.map((one) => one.data),
        inTransaction,
      );
      for (const { assignment, old } of replacements) {
        await work.files.remove(unused(old, assignment));
        await done(work, [assignment]);
      }
      return result;
    });
  }

  /** What is assigned to rows that are there. */
  #replacements(
    found: readonly Rows[],
    assignments: readonly Assignment[],
    properties: readonly AttachmentProperty[],
    data: readonly Values[],
  ): Replacement[] {
    return assignments.flatMap((assignment, index) => {
      const { rows = [] } = found[index] ?? {};
      const old = this.#reader.attachmentsOf(rows, writtenProperties(properties, data[index]));
      return rows.length > 0 ? [{ assignment, old }] : [];
    });
  }

  async #updateEach(
    work: Work,
    { many, first, properties, data, inTransaction }: ManyRows,
    run: (where: unknown[], data: Values[], options: StatementOptions) => Promise<Answer>,
  ): Promise<Answer> {
    let affectedRows = 0;
    let answer: Answer = { affectedRows };
    for (const [index, row] of many.rows.entries()) {
      const [values = {}] = data;
      const assignment = index === 0 ? first : await this.#assign(work, values, properties, inTransaction);
      const condition = this.#reader.keysOf({ ...many, rows: [row] }, inTransaction);
      answer = await run([condition], [assignment.data], inTransaction);
      affectedRows += answer.affectedRows;
      await work.files.remove(this.#reader.attachmentsOf([row], properties));
      await done(work, [assignment]);
    }
    return { ...answer, affectedRows };
  }

  async #delete(
    entity: unknown,
    where: unknown,
    options: StatementOptions,
    run: (where: unknown, options: StatementOptions) => Promise<Answer>,
  ): Promise<Answer> {
    const meta = this.#reader.metaOf(entity);
    if (!this.#reader.losesFiles(meta)) return run(where, options);
    refuseUnion(options);
    return this.#transactions.run(options.ctx, async (work) => {
      const ctx = await work.context();
      const rows = await this.#reader.find(meta, where, ctx, options);
      if (rows.rows.length === 0) return NOTHING;
      const before = [rows, ...(await this.#reader.findBelow(rows, ctx, options))];
      // Rows that others add meanwhile are none of the statement's: what they have was not seen.
      const result = await run(this.#reader.keysOf(rows), { ...options, ctx });
      await work.files.remove(await this.#reader.attachmentsGone(before, ctx, options));
      return result;
    });
  }

  /** Stores what a row is given. What a unit of work writes is the snapshot of its entity, too: it is changed in place. */
  async #assign(
    work: Work,
    row: Values,
    properties: readonly AttachmentProperty[],
    { convertCustomTypes = true }: StatementOptions,
  ): Promise<Assignment> {
    const data = convertCustomTypes ? { ...row } : row;
    const assignment = {
      data,
      attachments: [] as Attachment[],
      stored: [] as Attachment[],
      uploads: [] as Upload[],
    };
    for (const property of properties) {
      const { name, type } = property;
      const value = row[name];
      if (value === undefined || value === null) continue;
      const isRead = !convertCustomTypes && typeof value === 'string';
      const given = value instanceof Upload ? value : (lateUpload(row, property) ?? value);
      const held = isRead
        ? this.#reader.attachmentsIn(value, type.isList)
        : await this.#hold(work, given, property, assignment);
      for (const one of held) assignment.attachments.push(one);
      const stored = type.isList ? held : held[0];
      data[name] = convertCustomTypes ? stored : type.toText(stored);
    }
    return assignment;
  }

  /** The attachments that a property is to hold, all of them stored. */
  async #hold(
    work: Work,
    value: unknown,
    { type }: AttachmentProperty,
    { stored, uploads }: { stored: Attachment[]; uploads: Upload[] },
  ): Promise<readonly Attachment[]> {
    if (value instanceof Upload) {
      const held = await value.start(work.files);
      for (const one of value.stored) stored.push(one);
      uploads.push(value);
      return held;
    }
    const values = type.isList && Array.isArray(value) ? value : [value];
    const held = await settleAll(values.map((one) => work.files.store(type.toField(), one)));
    const attachments = held.filter((attachment) => attachment !== null);
    for (const attachment of attachments) stored.push(attachment);
    return attachments;
  }
}

/** What rows are given in the place of what they have. */
interface Replacement {
  readonly assignment: Assignment;
  readonly old: readonly Attachment[];
}

interface ManyRows {
  readonly many: Rows;
  readonly first: Assignment;
  readonly properties: readonly AttachmentProperty[];
  readonly data: readonly Values[];
  readonly inTransaction: StatementOptions;
}

async function done({ files }: Work, assignments: readonly Assignment[]): Promise<void> {
  for (const { stored, uploads } of assignments) {
    files.used(stored);
    for (const upload of uploads) await upload.assign();
  }
}

function writtenProperties(
  properties: readonly AttachmentProperty[],
  data: Values | undefined,
): AttachmentProperty[] {
  return properties.filter(({ name }) => data?.[name] !== undefined);
}

function unused(old: readonly Attachment[], { attachments }: Assignment): Attachment[] {
  const paths = new Set(attachments.map(({ path }) => path));
  return old.filter(({ path }) => !paths.has(path));
}

function refuseForeign({ assignment: { attachments, stored }, old }: Replacement): void {
  const paths = new Set([...old, ...stored].map(({ path }) => path));
  if (attachments.every(({ path }) => paths.has(path))) return;
  throw new DepotError(
    'ATTACHMENT_CONFLICT',
    'The attachment was replaced by somebody else: refresh the entity',
  );
}

/** The answer of a statement that had nothing to do. */
const NOTHING: Answer = { affectedRows: 0 };

function refuseUnion({ unionWhere = [] }: StatementOptions): void {
  if (unionWhere.length > 0) throw unsupported('unionWhere', 'use $or in the condition');
}

function unsupported(what: string, instead: string): DepotError {
  return new DepotError('ATTACHMENT_UNSUPPORTED', `Attachments cannot follow ${what}: ${instead}`);
}
