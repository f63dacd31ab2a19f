import { DepotError } from '../../../errors.js';
import type { Attachment } from '../../attachment.js';
import type { SqlExecutor } from '../../journal/sql-journal.js';
import type { UnitOfWork } from '../../unit-of-work.js';

/** What was stored for a statement that is still to come, and what goes with it. */
export interface Change {
  readonly stored: readonly Attachment[];
  readonly old: readonly Attachment[];
}

/** Calls of TypeORM's that run into a failure together. */
interface Round {
  failure?: unknown;
}

/**
 * The changes of one transaction that no statement has written yet. If one fails, or cannot be made, the application may
 * go on with the transaction: it must be as if they had not been made.
 */
export class Changes {
  readonly unit: UnitOfWork<SqlExecutor>;
  readonly #open = new Set<Change>();
  #round: Round = {};

  constructor(unit: UnitOfWork<SqlExecutor>) {
    this.unit = unit;
  }

  /** Makes one. TypeORM makes several at once, and takes the first that fails for the end of all. */
  async make(act: (unit: UnitOfWork<SqlExecutor>) => Promise<Change>): Promise<Change> {
    const round = this.#round;
    try {
      const change = await act(this.unit);
      this.#open.add(change);
      if ('failure' in round)
        throw new DepotError('CONFLICT', 'The save has failed', { cause: round.failure });
      return change;
    } catch (error) {
      await this.fail(error);
      throw error;
    }
  }

  /** Their statement was executed. */
  written(changes: Iterable<Change>): void {
    for (const change of changes) this.#open.delete(change);
  }

  /** The statement was executed for which something was to be removed. */
  removed(): void {
    this.written([...this.#open].filter(({ stored }) => stored.length === 0));
  }

  /** Undoes what is not written. */
  async fail(failure: unknown): Promise<void> {
    this.#round.failure = failure;
    this.#round = {};
    const open = [...this.#open];
    this.#open.clear();
    const stored = open.flatMap((change) => change.stored);
    const old = open.flatMap((change) => change.old);
    await this.unit.takeBack(stored, old);
  }
}
