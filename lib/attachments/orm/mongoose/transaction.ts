import type { ClientSession, mongo } from 'mongoose';
import { DepotError } from '../../../errors.js';
import { insertAll } from '../../../internal/insert-all.js';
import type { Intent } from '../../journal/journal.js';
import type { Note } from './notes.js';

/** https://www.mongodb.com/docs/manual/reference/error-codes/ */
const DUPLICATE_KEY = 11000;

/**
 * A transaction of MongoDB, and what the journal has to say in it: it is written in one statement, before the commit.
 */
export class MongoTransaction {
  readonly session: ClientSession;
  /** Whether the database has said that it is committed. */
  isCommitted = false;
  #collection: mongo.Collection<Note> | undefined;
  readonly #marks: Note[] = [];
  #deletions = new Map<Intent, Note>();

  constructor(session: ClientSession) {
    this.session = session;
  }

  /** Writes marks and deletions with the transaction's end. */
  add(
    collection: mongo.Collection<Note>,
    marks: readonly Note[],
    deletions: ReadonlyMap<Intent, Note>,
  ): void {
    this.#collection = collection;
    for (const mark of marks) this.#marks.push(mark);
    for (const [intent, note] of deletions) this.#deletions.set(intent, note);
  }

  /** The transaction begins anew: files that were stored are kept by the next try, what goes is seen again. */
  restart(): void {
    this.#deletions = new Map();
  }

  /** Whether the files of an intent are owed to deletion; nothing where only the database knows. */
  owes(intent: Intent): boolean | undefined {
    return this.isCommitted ? this.#deletions.has(intent) : undefined;
  }

  /**
   * To be called as the last before the commit.
   * @throws DepotError `ATTACHMENT_CONFLICT`: the transaction must not be committed
   */
  async write(): Promise<void> {
    const notes = [...this.#marks, ...this.#deletions.values()];
    if (!this.#collection || notes.length === 0) return;
    try {
      await insertAll(this.#collection, notes, { session: this.session });
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
