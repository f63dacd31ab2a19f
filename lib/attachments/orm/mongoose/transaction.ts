import type { ClientSession, mongo } from 'mongoose';
import { DepotError } from '../../../errors.js';
import type { Note } from './notes.js';

/** https://www.mongodb.com/docs/manual/reference/error-codes/ */
const DUPLICATE_KEY = 11000;

/**
 * A transaction of MongoDB, and what the journal has to say in it: it is written in one statement, before the commit.
 */
export class MongoTransaction {
  readonly session: ClientSession;
  #notes: Note[] = [];
  #collection: mongo.Collection<Note> | undefined;

  constructor(session: ClientSession) {
    this.session = session;
  }

  /** Writes these with the transaction's end. */
  add(collection: mongo.Collection<Note>, notes: readonly Note[]): void {
    this.#collection = collection;
    this.#notes.push(...notes);
  }

  /** The transaction begins anew: files that were stored are kept by the next try, what goes is seen again. */
  restart(): void {
    this.#notes = this.#notes.filter(({ state }) => state === 'kept');
  }

  /**
   * To be called as the last before the commit.
   * @throws DepotError `ATTACHMENT_CONFLICT`: the transaction must not be committed
   */
  async write(): Promise<void> {
    if (!this.#collection || this.#notes.length === 0) return;
    try {
      await this.#collection.insertMany(this.#notes, { session: this.session });
    } catch (error) {
      throw isDuplicateKey(error) ? conflict(error) : error;
    }
  }
}

export function isDuplicateKey(error: unknown): boolean {
  return typeof error === 'object' && error !== null && 'code' in error && error.code === DUPLICATE_KEY;
}

/** The driver asks errors of a commit whether it should try again. */
function conflict(cause: unknown): DepotError {
  const message = 'The upload was given up as abandoned while it was being saved';
  return Object.assign(new DepotError('ATTACHMENT_CONFLICT', message, { cause }), {
    hasErrorLabel: () => false,
  });
}
