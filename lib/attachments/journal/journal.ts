/** A durable note of files that were stored or are to be deleted, written before the act and cleared after it. */
export interface Intent {
  /** UUID. */
  readonly id: string;
  /**
   * - `upload`: these files are being stored for a row that is not committed yet,
   * - `delete`: these files are to be deleted: no row refers to them any more.
   */
  readonly state: 'upload' | 'delete';
  /** `<depot>/<id>` of the files. */
  readonly paths: readonly string[];
  /** Who works on it: `ownerName()` of lib/internal/owner.ts. */
  readonly owner: string;
  readonly createdAt: Date;
}

/** What a transaction decides, when it is committed. */
export interface Decisions {
  /** Announced uploads whose files belong to the database from then on. */
  readonly keep: readonly Intent[];
  /** New intents of the state `delete`. */
  readonly condemn: readonly Intent[];
}

/**
 * The truth about which files are owed: to rows, or to deletion.
 *
 * A transaction that keeps uploads writes a *mark* for each, with the rest of its work: a row under a key of its own, so
 * that it can be written whatever the transaction's isolation is. Nobody but the transaction writes it, or whoever
 * claims the upload: the one who comes second fails on the key. Savepoints need no bookkeeping: what they roll back
 * takes the marks and deletions with it.
 * @typeParam Transaction what the adapter hands on to write in the transaction of the application
 */
export interface IntentJournal<Transaction> {
  /**
   * The table in the application's database that `record` writes; with its schema before a dot, if need be. Where a journal
   * names it, `record` may be given a transaction whose statements are run later, within another statement: they give no
   * rows, and have to fail on a key of this table where an upload was claimed.
   */
  readonly table?: string | undefined;
  /** Makes what it needs: a table, a collection, a folder. Called once before everything else; may find it there. */
  prepare(): Promise<void>;
  /** Writes intents outside of every transaction. Durable when it resolves. */
  announce(intents: readonly Intent[]): Promise<void>;
  /**
   * Writes decisions in a transaction, in one statement where that is possible.
   * @throws DepotError `ATTACHMENT_CONFLICT` where an upload was claimed: the transaction must fail
   */
  record(decisions: Decisions, transaction: Transaction): Promise<void>;
  /**
   * Takes back decisions of a transaction that goes on, though the statement that they belong to has failed. Only needed
   * where a transaction can go on after that.
   */
  retract?(decisions: Decisions, transaction: Transaction): Promise<void>;
  /**
   * Which of these are owed now: uploads that no committed transaction has kept, and which none can keep from now on
   * (they are claimed); deletions that are committed. Asked when the transaction has ended, or will not come to an end;
   * may wait for one that is just ending.
   */
  standing(intents: readonly Intent[]): Promise<readonly Intent[]>;
  /** Clears intents, and the marks that go with them. That they are gone is no error. */
  forget(intents: readonly Intent[]): Promise<void>;
  /** All intents that stand, of everybody: announced uploads, kept or not, and deletions. */
  entries(): AsyncIterable<Intent>;
  /** Removes marks that are older than this and of no use any more. */
  purge(before: Date): Promise<void>;
  /** Does what `forget` has put off, and releases what it holds. */
  close(): Promise<void>;
}
