import { types } from 'node:util';
import type { ClientSession, Connection, mongo } from 'mongoose';
import type { Attachment } from '../../attachment.js';
import type { Attachments } from '../../attachments.js';
import { Allocation } from './allocation.js';
import { fieldOf, sourceOf } from './assignments.js';
import { openDatabase } from './notes.js';
import { attachmentsIn, exchanged } from './payload.js';
import type { Places, Row } from './places.js';
import type { References } from './references.js';
import { mayDrop, refuseUnsupported, refuseUpserts } from './refusals.js';
import { type AttachedRow, RowReader } from './rows.js';
import { type Sessions, Work } from './sessions.js';
import { MongoTransaction } from './transaction.js';
import { comparing, type Operation, type WriteCall, type WriteOptions } from './write-call.js';

/** What all collections of a connection share. */
export interface WriterContext {
  readonly connection: Connection;
  readonly attachments: Attachments<MongoTransaction>;
  readonly sessions: Sessions;
  readonly references: References;
}

/** Sends a call with these arguments. */
type Send = (...given: unknown[]) => Promise<unknown>;

/** A call that concerns attachments. */
interface AttachedCall {
  readonly call: WriteCall;
  readonly send: Send;
  readonly places: Places;
  /** What the call gives to attachment fields, as it came in. */
  readonly values: readonly Attachment[];
  /** What was stored of that so far. */
  readonly stored: Map<Attachment, Attachment>;
}

/** Lets files follow what a collection writes: each statement, or the transaction that it is in. */
export class Writer {
  readonly #context: WriterContext;
  readonly #name: string;
  #hasTransactions: Promise<boolean> | undefined;

  /** @param name of the collection */
  constructor(context: WriterContext, name: string) {
    this.#context = context;
    this.#name = name;
  }

  /**
   * Does what a call says.
   * @throws DepotError `ATTACHMENT_UNSUPPORTED`, those of `UnitOfWork.store`; what the driver throws
   */
  async write(given: WriteCall, places: Places, send: Send): Promise<unknown> {
    refuseUpserts(given);
    const call = comparing(given);
    const values = attachmentsIn(call.operations.map(({ payload }) => payload));
    const isDropping = call.operations.some((operation) => mayDrop(operation, places));
    if (values.length === 0 && !isDropping) return send(...call.toArguments(call.operations, call.options));
    refuseUnsupported(call, values, places);
    await this.#context.references.note(this.#name, places);
    const attached = { call, send, places, values, stored: new Map() };
    const { session } = call.options;
    if (session?.inTransaction()) return this.#inTransaction(attached, session);
    if (isDropping && (await this.#canBegin())) return this.#inOwnTransaction(attached);
    return this.#alone(attached);
  }

  async #inTransaction(attached: AttachedCall, session: ClientSession): Promise<unknown> {
    const work = this.#context.sessions.workOf(session);
    try {
      return await this.#perform(attached, work, session);
    } catch (error) {
      await work.fail(error, attached.stored.values());
      throw error;
    }
  }

  /**
   * What may take attachments out of rows becomes a transaction of its own: the rows as they were, the statement, and
   * the journal are of one moment.
   */
  async #inOwnTransaction(attached: AttachedCall): Promise<unknown> {
    const session = await this.#context.connection.startSession();
    follow(session, attached.call.options.session);
    const transaction = new MongoTransaction(session);
    const work = new Work(this.#context.attachments.begin(transaction), transaction);
    let tries = 0;
    const attempt = async () => {
      if (tries++ > 0) restart(work);
      const result = await this.#perform(attached, work, session);
      await transaction.write();
      work.isInDoubt = true;
      return result;
    };
    try {
      await this.#storeNew(attached, work);
      const result = await session.withTransaction(attempt, transactionOptions(attached.call.options));
      follow(attached.call.options.session, session);
      transaction.isCommitted = true;
      await work.unit.settle('committed');
      return result;
    } catch (error) {
      work.takeBack();
      await work.unit.settle(work.isInDoubt ? 'unknown' : 'rolledBack');
      throw notHalfDone(error);
    } finally {
      await session.endSession();
    }
  }

  /** A statement that only adds files needs no transaction; where the server has none, all others do without too. */
  async #alone(attached: AttachedCall): Promise<unknown> {
    const work = new Work(this.#context.attachments.begin());
    try {
      const result = await this.#perform(attached, work);
      await work.unit.settle('committed');
      return result;
    } catch (error) {
      if (work.isDoneInPart) await work.unit.settle('committed');
      else {
        work.takeBack();
        await work.unit.settle(work.isInDoubt && !isRefused(error) ? 'unknown' : 'rolledBack');
      }
      throw error;
    }
  }

  async #perform(attached: AttachedCall, work: Work, session?: ClientSession): Promise<unknown> {
    const { call, places, stored } = attached;
    await this.#storeNew(attached, work);
    const database = await openDatabase(this.#context.connection);
    const read = (value: unknown) => this.#context.attachments.read(value);
    const reader = new RowReader(database.collection(this.#name), places, read);
    const before = await rowsBefore(attached, reader, session);
    const allocation = new Allocation(call.operations, before, places);
    const unused = takeUnused(stored, allocation);
    await storeAll(allocation.copies, stored, work);
    const { operations, options } = prepared(attached, allocation, before, session);
    work.isInDoubt = session === undefined;
    const sent = { before, operations, reader, session };
    const result = await attached.send(...call.toArguments(operations, options)).catch(async (error) => {
      if (!session && isBulkError(error)) await keepPart(attached, work, { ...sent, result: error });
      throw error;
    });
    // Without a transaction, the row may have changed since it was looked at.
    const foreseen = session && allocation.gone;
    const gone = foreseen ?? (await goneAfter(attached, { ...sent, result }));
    await work.unit.remove([...gone, ...unused]);
    work.show(without(gone, [...stored, ...allocation.kept]));
    return unwrapped(call, result);
  }

  /** New content. Before a transaction begins at the server, where it is ours: it need not wait for the upload. */
  async #storeNew({ values, stored }: AttachedCall, work: Work): Promise<void> {
    await storeAll(
      values.filter((value) => !sourceOf(value)),
      stored,
      work,
    );
  }

  #canBegin(): Promise<boolean> {
    this.#hasTransactions ??= hasTransactions(this.#context.connection);
    this.#hasTransactions.catch(() => {
      this.#hasTransactions = undefined;
    });
    return this.#hasTransactions;
  }
}

/** What has been done, to be compared with how it was before. */
interface Done {
  /** For each operation, the rows that it concerned. */
  readonly before: readonly AttachedRow[][];
  readonly operations: readonly Operation[];
  readonly result?: unknown;
  readonly reader: RowReader;
  readonly session: ClientSession | undefined;
}

/** The call as it is sent: with what was stored, and each operation on the one row that was looked at. */
function prepared(
  { call, stored }: AttachedCall,
  allocation: Allocation,
  before: readonly AttachedRow[][],
  session: ClientSession | undefined,
) {
  const operations = allocation.operations.map((operation, index) => ({
    ...pinned(operation, before[index] ?? []),
    payload: exchanged(operation.payload, (value) => stored.get(value)?.data ?? value),
  }));
  const { options } = call;
  const isOwn = session !== undefined && session !== options.session;
  const others = isOwn ? { ...withoutConcerns(options), session } : options;
  return { operations, options: reportsUpsert(call) ? { ...others, includeResultMetadata: true } : others };
}

/** One after the other: a transaction does one thing at a time. */
async function rowsBefore({ call, places }: AttachedCall, reader: RowReader, session?: ClientSession) {
  const before: AttachedRow[][] = [];
  for (const one of call.operations)
    before.push(mayDrop(one, places) ? await reader.matching(one, call.options, session) : []);
  return before;
}

/** What was copied for an earlier try, and is not needed by this one. */
function takeUnused(stored: Map<Attachment, Attachment>, { operations }: Allocation): Attachment[] {
  const placed = new Set(attachmentsIn(operations.map(({ payload }) => payload)));
  const unused = [...stored].filter(([given]) => !placed.has(given));
  for (const [given] of unused) stored.delete(given);
  return unused.map(([, attachment]) => attachment);
}

/** A bulk that has failed is done in part: what is in rows is kept. Where rows have no id yet, recovery will tell. */
async function keepPart({ stored }: AttachedCall, work: Work, done: Done): Promise<void> {
  if (insertedRows(done.operations).some(({ _id }) => _id === undefined)) return;
  const owned = pathsIn(await done.reader.withIds(concernedIds(done)));
  const old = done.before.flatMap((rows) => rows.flatMap(({ attachments }) => [...attachments.values()]));
  await work.unit.remove([...old, ...stored.values()].filter(({ path }) => !owned.has(path)));
  work.isDoneInPart = true;
  work.show([...stored].filter(([, { path }]) => owned.has(path)));
}

/** What rows had before and have no more, and what was stored for a row that there was not. */
async function goneAfter({ call, values, stored }: AttachedCall, done: Done): Promise<Attachment[]> {
  const old = done.before.flat().flatMap(({ attachments }) => [...attachments.values()]);
  const isAdding = call.operations.every(({ kind }) => kind === 'insert');
  if (isAdding || (old.length === 0 && values.length === 0)) return [];
  const isRemoving = call.operations.every(({ kind }) => kind === 'delete');
  const left = isRemoving ? [] : await done.reader.withIds(concernedIds(done), done.session);
  const owned = pathsIn(left);
  const all = new Map([...old, ...stored.values()].map((attachment) => [attachment.path, attachment]));
  return [...all.values()].filter(({ path }) => !owned.has(path));
}

/** What was stored for a row that there was not is not shown: what was given can be saved again. */
function without(gone: readonly Attachment[], shown: readonly (readonly [Attachment, Attachment])[]) {
  const paths = new Set(gone.map(({ path }) => path));
  return shown.filter(([, { path }]) => !paths.has(path));
}

async function storeAll(
  values: readonly Attachment[],
  stored: Map<Attachment, Attachment>,
  work: Work,
): Promise<void> {
  const store = async (value: Attachment) => {
    const field = fieldOf(value);
    const result = field && (await work.unit.store(field, value));
    if (result) stored.set(value, result);
  };
  await allSettled(values.filter((value) => !stored.has(value)).map(store));
}

/** Fails with the first failure, when all have ended: nobody stores anything any more then. */
async function allSettled(acts: readonly Promise<void>[]): Promise<void> {
  const results = await Promise.allSettled(acts);
  const failed = results.find((result) => result.status === 'rejected');
  if (failed) throw failed.reason;
}

/** The first try was rolled back: its deletions with it. Its uploads are for the next one. */
function restart(work: Work): void {
  work.unit.rolledBackInPart();
  work.transaction?.restart();
}

function pathsIn(rows: readonly AttachedRow[]): Set<string> {
  return new Set(rows.flatMap(({ attachments }) => [...attachments.values()].map(({ path }) => path)));
}

/** What is done in a session sees what was done in another (causal consistency). */
function follow(session: ClientSession | null | undefined, earlier: ClientSession | null | undefined): void {
  if (session && earlier?.operationTime) session.advanceOperationTime(earlier.operationTime);
}

/** On the very row that was looked at: others may fit its filter too. */
function pinned(operation: Operation, [row]: readonly AttachedRow[]): Operation {
  if (operation.isMany || !row) return operation;
  return { ...operation, filter: { ...operation.filter, _id: row._id } as Operation['filter'] };
}

/** In a transaction, these are said at its beginning only. */
function withoutConcerns(options: WriteOptions): WriteOptions {
  const { writeConcern, w, j, wtimeout, readConcern, readPreference, ...others } = options;
  return others;
}

function transactionOptions({ writeConcern }: WriteOptions): mongo.TransactionOptions {
  return {
    readConcern: { level: 'snapshot' },
    readPreference: 'primary',
    writeConcern: { w: 'majority', ...(writeConcern as mongo.WriteConcernSettings | undefined) },
  };
}

/** Of these methods, only the details of the result tell the id of a row that was inserted. */
function reportsUpsert({ method, options }: WriteCall): boolean {
  return method.startsWith('findOneAnd') && options.upsert === true;
}

interface WriteResult {
  readonly value?: unknown;
  readonly lastErrorObject?: { readonly upserted?: unknown };
  readonly upsertedId?: unknown;
  readonly upsertedIds?: Readonly<Record<number, unknown>>;
}

function unwrapped(call: WriteCall, result: unknown): unknown {
  const isWrapped = reportsUpsert(call) && !call.options.includeResultMetadata;
  return isWrapped ? (result as WriteResult).value : result;
}

function insertedRows(operations: readonly Operation[]): Row[] {
  return operations.flatMap(({ kind, payload }) => (kind === 'insert' ? [payload].flat() : [])).map(Object);
}

function concernedIds({ before, operations, result }: Done): unknown[] {
  const { lastErrorObject, upsertedId, upsertedIds = {} } = Object(result) as WriteResult;
  const inserted = insertedRows(operations).map(({ _id }) => _id);
  const upserted = [lastErrorObject?.upserted, upsertedId, ...Object.values(upsertedIds)];
  const known = before.flat().map(({ _id }) => _id);
  return [...known, ...inserted, ...upserted].filter((id) => id !== undefined && id !== null);
}

/** https://www.mongodb.com/docs/manual/reference/command/hello/ */
async function hasTransactions(connection: Connection): Promise<boolean> {
  const database = await openDatabase(connection);
  const { setName, msg } = await database.admin().command({ hello: 1 });
  return setName !== undefined || msg === 'isdbgrid';
}

/** https://www.mongodb.com/docs/manual/reference/error-codes/: a duplicate key, and a row that breaks the validation. */
const REFUSALS: readonly unknown[] = [11000, 121];

/** Whether the server has refused a statement: it has done nothing. A bulk may be done in part. */
function isRefused(error: unknown): boolean {
  const isServerError = types.isNativeError(error) && error.name === 'MongoServerError';
  return isServerError && 'code' in error && REFUSALS.includes(error.code);
}

function isBulkError(error: unknown): boolean {
  return types.isNativeError(error) && error.name === 'MongoBulkWriteError';
}

/**
 * A bulk in a transaction of its own is done as a whole or not at all. mongoose takes the error of a bulk as one that is
 * done in part: it gets the error of the statement that has failed.
 */
function notHalfDone(error: unknown): unknown {
  if (!isBulkError(error)) return error;
  const { code, message } = error as Error & { code?: unknown };
  return Object.assign(new Error(message, { cause: error }), { name: 'MongoServerError', code });
}
