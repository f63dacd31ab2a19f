import type { Attachment } from '../../attachment.js';
import type { SqlExecutor } from '../../journal/sql-journal.js';
import type { UnitOfWork } from '../../unit-of-work.js';

/** What was stored for a statement that is still to come, and what it replaces. */
export interface Change {
  readonly stored: readonly Attachment[];
  readonly old: readonly Attachment[];
}

/**
 * The changes of one transaction that no statement has written yet. If their statement fails, or never comes, the
 * application may go on with the transaction: it must be as if they had not been made.
 */
export class Changes {
  readonly unit: UnitOfWork<SqlExecutor>;
  readonly #open = new Map<Attachment, Change>();
  readonly #making = new Set<Promise<Change>>();
  #rollbacks = 0;

  constructor(unit: UnitOfWork<SqlExecutor>) {
    this.unit = unit;
  }

  async make(act: (unit: UnitOfWork<SqlExecutor>) => Promise<Change>): Promise<Change> {
    const making = this.#make(act);
    this.#making.add(making);
    try {
      return await making;
    } finally {
      this.#making.delete(making);
    }
  }

  /** Those by which values were stored. */
  of(values: readonly unknown[]): Change[] {
    return values.flatMap((value) => this.#open.get(value as Attachment) ?? []);
  }

  /** Their statement was executed. */
  written(changes: readonly Change[]): void {
    for (const { stored } of changes) for (const attachment of stored) this.#open.delete(attachment);
  }

  /** Undoes changes that are not written. @param changes all of them, unless said otherwise */
  async takeBack(changes: readonly Change[] = [...this.#open.values()]): Promise<void> {
    if (changes.length === 0) return;
    this.written(changes);
    await this.unit.takeBack(
      changes.flatMap(({ stored }) => stored),
      changes.flatMap(({ old }) => old),
    );
  }

  /** A savepoint was rolled back: what was on record may not be any more. */
  async rolledBackInPart(): Promise<void> {
    this.#rollbacks += 1;
    await this.takeBack();
  }

  /** Before a commit: whose statements have not come by now will not be part of the transaction. */
  async close(): Promise<void> {
    await this.unit.close();
    await Promise.allSettled(this.#making);
    await this.takeBack();
  }

  async #make(act: (unit: UnitOfWork<SqlExecutor>) => Promise<Change>): Promise<Change> {
    const rollbacks = this.#rollbacks;
    const change = await act(this.unit);
    for (const attachment of change.stored) this.#open.set(attachment, change);
    if (rollbacks !== this.#rollbacks) await this.takeBack([change]);
    return change;
  }
}
