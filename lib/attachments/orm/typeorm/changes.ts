import type { Attachment } from '../../attachment.js';
import type { SqlExecutor } from '../../journal/sql-journal.js';
import type { UnitOfWork } from '../../unit-of-work.js';

/** What was stored for a statement that is still to come, and what goes with it. */
export interface Change {
  readonly stored: readonly Attachment[];
  readonly old: readonly Attachment[];
}

/** Changes that TypeORM makes together: the first that fails is the end of all. */
interface Round {
  readonly open: Set<Change>;
  failure?: unknown;
}

/**
 * The changes of one transaction that no statement has written yet. If one fails, or cannot be made, the application may
 * go on with the transaction: it must be as if they had not been made.
 */
export class Changes {
  readonly unit: UnitOfWork<SqlExecutor>;
  #round: Round = { open: new Set() };

  constructor(unit: UnitOfWork<SqlExecutor>) {
    this.unit = unit;
  }

  /** Makes one. Others may be under way, and go on when this one fails. */
  async make(act: (unit: UnitOfWork<SqlExecutor>) => Promise<Change>): Promise<Change> {
    const round = this.#round;
    try {
      const change = await act(this.unit);
      if ('failure' in round) await this.unit.takeBack(change.stored, change.old);
      else round.open.add(change);
      if ('failure' in round) throw round.failure;
      return change;
    } catch (error) {
      await this.#end(round, error);
      throw round.failure;
    }
  }

  /** Their statement was executed. */
  written(changes: Iterable<Change>): void {
    for (const change of changes) this.#round.open.delete(change);
  }

  /** The statement was executed for which something was to be removed. */
  removed(): void {
    this.written([...this.#round.open].filter(({ stored }) => stored.length === 0));
  }

  /** Undoes what is not written. */
  async fail(failure: unknown): Promise<void> {
    await this.#end(this.#round, failure);
  }

  async #end(round: Round, failure: unknown): Promise<void> {
    if ('failure' in round) return;
    round.failure = failure;
    this.#round = { open: new Set() };
    const open = [...round.open];
    await this.unit.takeBack(
      open.flatMap(({ stored }) => stored),
      open.flatMap(({ old }) => old),
    );
  }
}
