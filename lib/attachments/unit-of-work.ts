import type { Attachment, AttachmentInput } from './attachment.js';
import type { AttachmentField } from './field.js';

/**
 * How a transaction has ended:
 * - `committed`: the database has said so,
 * - `rolledBack`: it has said so, or nothing was ever sent,
 * - `unknown`: the connection was lost in the commit, or in a statement without a transaction.
 */
export type Outcome = 'committed' | 'rolledBack' | 'unknown';

/**
 * The files of one transaction, or of one statement that is a transaction of its own. An adapter makes it when the first
 * attachment comes up, calls `store` and `remove` before the statements that write the rows, and `settle` after the
 * outermost end.
 *
 * Calls may be made side by side: the journal is written once for all that wait.
 */
export declare class UnitOfWork<Transaction> {
  private constructor();
  readonly transaction: Transaction | undefined;

  /**
   * Stores what a field was given, and gives the value for the row: stored and frozen, or null.
   * - nothing: null, and the old one is removed at the commit
   * - the stored attachment that is there already (the same `path` as `old`): unchanged
   * - another stored attachment: its file is copied, and the field's filters run
   * - everything else: stored, and the field's filters run
   *
   * When it resolves, files are stored, and the transaction has on record that they are kept and that the old ones go.
   * @param old what the row holds until now
   * @throws DepotError `INVALID_CONTENT`, `FILE_TOO_LARGE`, `CONTENT_TYPE_NOT_ACCEPTED`, `ATTACHMENT_CONFLICT`, those of
   *   the storage and of the filters; nothing is stored then
   */
  store(
    field: AttachmentField,
    value: AttachmentInput | null | undefined,
    old?: Attachment | null,
  ): Promise<Attachment | null>;

  /**
   * The same for a list: files of attachments that are no more in it are removed at the commit.
   * @param old what the row holds until now, in any order
   */
  storeList(
    field: AttachmentField,
    values: readonly AttachmentInput[],
    old?: readonly Attachment[],
  ): Promise<Attachment[]>;

  /** Removes files at the commit, with the row or the value that they belonged to. */
  remove(...old: (Attachment | null | undefined)[]): Promise<void>;

  /**
   * A savepoint was rolled back: part of what was recorded is undone. `settle` will ask the journal for what.
   */
  rolledBackInPart(): void;

  /**
   * Deletes the files that the end of the transaction has left without a row. Called once, after the outermost end;
   * later calls do nothing. When it resolves, they are gone. What cannot be deleted stays in the journal for `recover`,
   * and `onError` is told. Never fails.
   */
  settle(outcome: Outcome): Promise<void>;
}
