import type { Attachment, AttachmentInput } from '../../attachments/attachment.js';
import type { AttachmentFieldOptions } from '../../attachments/field.js';
import type { Intent, IntentJournal } from '../../attachments/journal/journal.js';
import type { FileStorage } from '../../contract/storage.js';
import type { StorageDirectory } from '../../contract/storage-directory.js';

/**
 * The fields of the model that every harness declares in the way of its ORM:
 *
 * `Document { id; name: string, unique; content: attachment; photo: attachment; pages: attachments (where lists are
 * supported); folder: Folder or nothing }` and `Folder { id; name; documents }`.
 */
export interface DocumentFields {
  readonly content: AttachmentFieldOptions;
  /** Has a filter that adds a file `thumb`. */
  readonly photo: AttachmentFieldOptions;
  readonly pages: AttachmentFieldOptions;
}

/** What a row is given. What is left out is not set. */
export interface DocumentValues {
  readonly name?: string;
  readonly content?: AttachmentInput | null;
  readonly photo?: AttachmentInput | null;
  readonly pages?: readonly AttachmentInput[];
}

/** A row as the ORM reads it. */
export interface DocumentRow {
  readonly id: string;
  readonly name: string;
  readonly content: Attachment | null;
  readonly photo: Attachment | null;
  readonly pages?: readonly Attachment[];
}

/** What can be done to rows: outside of a transaction, or in one. Everything by the ORM's own methods. */
export interface DocumentOperations {
  /** Saves a new row and gives its id as text. `name` must be unique in the table: a second one fails. */
  create(values: DocumentValues & { readonly name: string }): Promise<string>;
  /** Saves several at once, by the ORM's bulk method where it has one. */
  createMany(rows: readonly (DocumentValues & { readonly name: string })[]): Promise<string[]>;
  /** Loads the row, sets these values, saves it. */
  update(id: string, values: DocumentValues): Promise<void>;
  /** Loads the row, sets the first values, then the second ones over them, and saves it once. */
  updateTwice(id: string, first: DocumentValues, second: DocumentValues): Promise<void>;
  /** Loads the row and deletes it. */
  remove(id: string): Promise<void>;
  /** Nothing where there is no such row. */
  find(id: string): Promise<DocumentRow | undefined>;
  /**
   * Changes rows by criteria, without loading them: `UPDATE … WHERE id IN (…)` in the words of the ORM. Either it is
   * handled, or it is refused with `ATTACHMENT_UNSUPPORTED` and has changed nothing.
   */
  updateMany(ids: readonly string[], values: DocumentValues): Promise<void>;
  /** Deletes rows by criteria, without loading them; handled, or refused, as `updateMany`. */
  removeMany(ids: readonly string[]): Promise<void>;
  /** Saves a folder with new documents in it, and gives its id. Absent where the ORM has no cascades of its own. */
  createFolder?(documents: readonly (DocumentValues & { readonly name: string })[]): Promise<string>;
  /** Deletes a folder, and by the ORM's cascade the documents in it. */
  removeFolder?(id: string): Promise<void>;
  /** A nested transaction or a savepoint. Absent where the ORM has none, and at the top. */
  nested?<Result>(act: (operations: DocumentOperations) => Promise<Result>): Promise<Result>;
}

/** One process that uses the database: a connection of its own, with the adapter at work. */
export interface AttachmentHarness extends DocumentOperations {
  /** Runs in a transaction; what the act throws rolls it back and is thrown. */
  transaction<Result>(act: (operations: DocumentOperations) => Promise<Result>): Promise<Result>;
  /** The adapter's `recover`. */
  recover(): Promise<void>;
  /** Resolves when the adapter does nothing in the background any more. */
  idle(): Promise<void>;
  /**
   * Cuts the connection as the end of the process would: open transactions are rolled back by the database, nothing more
   * is said to it. Acts that are under way may fail or hang. Must resolve.
   */
  kill(): Promise<void>;
  /** Ends in good order. Called when the case is over, not after `kill`. */
  close(): Promise<void>;
}

/** What a process is given. */
export interface ProcessOptions {
  /** The storages `default`, `photos` and `other`. For the adapter's option `depot`. */
  readonly depot: StorageDirectory;
  /** For the adapter's option `owner`. */
  readonly owner: string;
  /** For the declaration of the model. Has the same functions in every process. */
  readonly fields: DocumentFields;
  /** For the adapter's option `onError`. */
  readonly onError: (error: unknown) => void;
  /** Must be laid around the adapter's journal. */
  watch<Transaction>(journal: IntentJournal<Transaction>): IntentJournal<Transaction>;
  /**
   * May be awaited before a statement of the application's rows (`statement`) and before a commit (`commit`) is sent,
   * where the harness can get in between; never resolves once the process is dead.
   */
  step(name: 'statement' | 'commit'): Promise<void>;
}

/** A database of one case, empty at first, which outlives its processes. */
export interface HarnessDatabase {
  open(options: ProcessOptions): Promise<AttachmentHarness>;
  /** What the rows hold in their attachment fields, read past the adapter: objects or JSON texts; lists as they are. */
  stored(): Promise<readonly unknown[]>;
  /** What stands in the journal, read by a journal of its own. */
  intents(): Promise<readonly Intent[]>;
  /** Removes it. */
  close(): Promise<void>;
}

export interface AttachmentConformanceOptions {
  readonly openDatabase: () => Promise<HarnessDatabase>;
  /** Gives an empty storage that takes any id; called several times for each case. E.g. `() => new MemoryStorage()`. */
  readonly openStorage: () => FileStorage;
  /** Whether the model has `pages`, a list of attachments. @default true */
  readonly lists?: boolean | undefined;
  /** Whether transactions have `nested`. @default true */
  readonly nested?: boolean | undefined;
  /** Whether there are `createFolder` and `removeFolder`. @default true */
  readonly cascades?: boolean | undefined;
  /** Cases to leave out: their names, each with the reason. */
  readonly skip?: Readonly<Record<string, string>> | undefined;
  /** Milliseconds after which a case fails. @default 20000 */
  readonly timeout?: number | undefined;
}
