import type { Connection, mongo } from 'mongoose';
import { insertAll } from '../../../internal/insert-all.js';
import type { Decisions, Intent, IntentJournal } from '../../journal/journal.js';
import { type Note, Notes } from './notes.js';
import { isDuplicateKey, type MongoTransaction } from './transaction.js';

/**
 * Milliseconds for which an open transaction is waited for that has kept a file: longer than the minute that MongoDB gives
 * it (`transactionLifetimeLimitSeconds`) when its process is no more.
 */
const PATIENCE = 70_000;

/** What is forgotten needs no haste to the disk: should it come back, it is settled once more. */
const IN_TIME = { writeConcern: { w: 1 } } as const;

/** Keeps the journal in a collection of the application's own database. */
export class MongoJournal implements IntentJournal<MongoTransaction> {
  readonly #notes: Notes;
  readonly #announced = new WeakSet<Intent>();
  /** Transactions that have decided on intents. */
  readonly #transactions = new WeakMap<Intent, MongoTransaction>();

  /** @param collection name of the collection. @default 'depot_intents' */
  constructor(connection: Connection, collection = 'depot_intents') {
    this.#notes = new Notes(connection, collection);
  }

  prepare(): Promise<void> {
    return this.#notes.create();
  }

  async announce(intents: readonly Intent[]): Promise<void> {
    const notes = await this.#notes.open();
    await insertAll(notes, intents.map(noteOf), {});
    for (const intent of intents) this.#announced.add(intent);
  }

  /** Written with the transaction's end: one statement, however many rows it has changed. */
  async record({ keep, condemn }: Decisions, transaction: MongoTransaction): Promise<void> {
    const marks = keep.map((intent) => markOf(intent, 'kept'));
    const deletions = new Map(condemn.map((intent) => [intent, noteOf(intent)]));
    transaction.add(await this.#notes.open(), marks, deletions);
    for (const intent of [...keep, ...condemn]) this.#transactions.set(intent, transaction);
  }

  async standing(intents: readonly Intent[]): Promise<readonly Intent[]> {
    const known = new Map(intents.map((intent) => [intent, this.#transactions.get(intent)?.owes(intent)]));
    const asked = intents.filter((intent) => known.get(intent) === undefined);
    const owed = new Set(asked.length > 0 ? await this.#ask(asked) : []);
    return intents.filter((intent) => known.get(intent) ?? owed.has(intent));
  }

  /** What only the database knows. */
  async #ask(intents: readonly Intent[]): Promise<readonly Intent[]> {
    const notes = await this.#notes.open();
    const uploads = intents.filter(({ state }) => state === 'upload');
    await claim(notes, uploads);
    const ids = [...intents.map(({ id }) => id), ...uploads.map(markId)];
    const found = await notes.find({ _id: { $in: ids } }, { projection: { state: 1 } }).toArray();
    const states = new Map(found.map(({ _id, state }) => [_id, state]));
    const isOwed = (intent: Intent) =>
      states.has(intent.id) && (intent.state === 'delete' || states.get(markId(intent)) === 'claimed');
    return intents.filter(isOwed);
  }

  /** Marks of claims stay for a while: a transaction that is late must meet them. */
  async forget(intents: readonly Intent[]): Promise<void> {
    if (intents.length === 0) return;
    const notes = await this.#notes.open();
    await notes.deleteMany({ _id: { $in: intents.map(({ id }) => id) } }, IN_TIME);
    const marks = intents.filter((intent) => this.#mayBeMarked(intent)).map(markId);
    if (marks.length > 0) await notes.deleteMany({ _id: { $in: marks }, state: 'kept' }, IN_TIME);
  }

  /** Not where we have announced it ourselves, and no transaction came after. */
  #mayBeMarked(intent: Intent): boolean {
    return intent.state === 'upload' && (!this.#announced.has(intent) || this.#transactions.has(intent));
  }

  async *entries(): AsyncIterable<Intent> {
    const notes = await this.#notes.open();
    for await (const note of notes.find({ state: { $in: ['upload', 'delete'] } })) yield intentOf(note);
  }

  async purge(before: Date): Promise<void> {
    const notes = await this.#notes.open();
    const marks = {
      state: { $in: ['kept', 'claimed'] },
      createdAt: { $lt: before },
    } satisfies mongo.Filter<Note>;
    for await (const { _id } of notes.find(marks, { projection: { _id: 1 } })) {
      const isOfUse = await notes.findOne({ _id: intentIdOf(_id) }, { projection: { _id: 1 } });
      if (!isOfUse) await notes.deleteOne({ _id });
    }
  }

  async close(): Promise<void> {}
}

function noteOf({ id, state, paths, owner, createdAt }: Intent): Note {
  return { _id: id, state, paths, owner, createdAt };
}

function intentOf({ _id, state, paths, owner = '', createdAt }: Note): Intent {
  return { id: _id, state: state === 'delete' ? 'delete' : 'upload', paths, owner, createdAt };
}

function markOf(intent: Intent, state: 'kept' | 'claimed'): Note {
  return { _id: markId(intent), state, paths: [], createdAt: new Date() };
}

const MARK = '/mark';

function markId({ id }: Intent): string {
  return id + MARK;
}

function intentIdOf(mark: string): string {
  return mark.slice(0, -MARK.length);
}

/**
 * From now on, no transaction can keep these. A mark that a transaction has written and not committed yet is waited for:
 * MongoDB lets a second writer of the same key wait for the first one's end.
 */
async function claim(notes: mongo.Collection<Note>, uploads: readonly Intent[]): Promise<void> {
  if (uploads.length === 0) return;
  const claims = uploads.map((intent) => markOf(intent, 'claimed'));
  await notes.insertMany(claims, { ordered: false, maxTimeMS: PATIENCE }).catch((error) => {
    if (!isDuplicateKey(error)) throw error;
  });
}
