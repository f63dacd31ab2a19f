import type { StorageDirectory } from '../contract/storage-directory.js';
import type { Attachment } from './attachment.js';
import type { IntentJournal } from './journal/journal.js';
import type { UnitOfWork } from './unit-of-work.js';

/** What every adapter's options have. */
export interface AttachmentOptions {
  /** The manager, or another directory of storages. */
  readonly depot: StorageDirectory;
  /**
   * Told of files that could not be deleted, and of what else went wrong where nobody waits for it. They stay in the
   * journal, and `recover` tries again. @default a warning of the process
   */
  readonly onError?: ((error: unknown) => void) | undefined;
  /**
   * Milliseconds after which what a process on another machine has left counts as abandoned. Those on this machine are
   * asked whether they live. @default 24 hours
   */
  readonly grace?: number | undefined;
  /** Who we are in the journal; for tests. @default this process */
  readonly owner?: string | undefined;
}

export interface AttachmentsOptions<Transaction> extends AttachmentOptions {
  readonly journal: IntentJournal<Transaction>;
  /**
   * Whether a row of the database refers to the file of that path (`<depot>/<id>`) in any attachment field: a search
   * in the stored JSON. Asked by `recover`, and where a statement without a transaction has failed.
   */
  readonly isReferenced: (path: string) => Promise<boolean>;
}

/** What `recover` has found. */
export interface Recovery {
  /** Intents of processes that are no more. */
  readonly abandoned: number;
  /** Paths of the files that were deleted. */
  readonly deleted: readonly string[];
  /** Paths of files that could not be deleted; they stay in the journal. */
  readonly failed: readonly string[];
}

/** The attachments of one database: what an adapter has of filedepot. */
export declare class Attachments<Transaction> {
  constructor(options: AttachmentsOptions<Transaction>);
  readonly depot: StorageDirectory;
  /** An attachment from what a row holds. @throws DepotError `INVALID_ATTACHMENT` */
  read(value: unknown): Attachment | null;
  /**
   * Begins a unit of work.
   * @param transaction nothing for a statement that is a transaction of its own
   */
  begin(transaction?: Transaction): UnitOfWork<Transaction>;
  /** Makes the journal ready, once; called before each unit of work by itself. */
  prepare(): Promise<void>;
  /**
   * Settles what processes that are no more have left, and tries again what could not be settled before. Several
   * processes may do so at once. Never deletes a file that a row refers to.
   */
  recover(): Promise<Recovery>;
  /** Resolves when nothing is done in the background any more. */
  idle(): Promise<void>;
  /** Waits for what is done in the background, and releases what the journal holds. */
  close(): Promise<void>;
}
