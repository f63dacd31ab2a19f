import { DepotError } from '../../errors.js';
import type { Decisions, Intent, IntentJournal } from './journal.js';

/** A transaction in this process's memory. */
export interface MemoryTransaction {
  /**
   * Takes note of something that is done when the transaction is committed, with the rest of its work, unless a savepoint
   * before it is rolled back. What it throws makes the commit fail.
   */
  defer(act: () => void): void;
}

/** A journal in this process's memory, until it ends: for tests, and for data that does not outlive the process either. */
export class MemoryJournal implements IntentJournal<MemoryTransaction> {
  readonly #intents = new Map<string, Intent>();
  readonly #kept = new Set<string>();
  readonly #claimed = new Set<string>();

  async prepare(): Promise<void> {}

  async announce(intents: readonly Intent[]): Promise<void> {
    for (const intent of intents) this.#intents.set(intent.id, intent);
  }

  async record({ keep, condemn }: Decisions, transaction: MemoryTransaction): Promise<void> {
    this.#assertUnclaimed(keep);
    transaction.defer(() => {
      this.#assertUnclaimed(keep);
      for (const { id } of keep) this.#kept.add(id);
      for (const intent of condemn) this.#intents.set(intent.id, intent);
    });
  }

  async retract({ keep, condemn }: Decisions, transaction: MemoryTransaction): Promise<void> {
    transaction.defer(() => {
      for (const { id } of keep) this.#kept.delete(id);
      for (const { id } of condemn) this.#intents.delete(id);
    });
  }

  async standing(intents: readonly Intent[]): Promise<readonly Intent[]> {
    const owed = intents.filter(({ id, state }) =>
      state === 'upload' ? !this.#kept.has(id) : this.#intents.has(id),
    );
    for (const { id, state } of owed) if (state === 'upload') this.#claimed.add(id);
    return owed;
  }

  async forget(intents: readonly Intent[]): Promise<void> {
    for (const { id } of intents) {
      this.#intents.delete(id);
      this.#kept.delete(id);
    }
  }

  async *entries(): AsyncIterable<Intent> {
    yield* [...this.#intents.values()];
  }

  /** Claims are few and small: they may stay. */
  async purge(): Promise<void> {}

  async close(): Promise<void> {}

  #assertUnclaimed(intents: readonly Intent[]): void {
    if (intents.some(({ id }) => this.#claimed.has(id))) throw new DepotError('ATTACHMENT_CONFLICT');
  }
}
