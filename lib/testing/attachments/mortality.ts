import type { IntentJournal } from '../../attachments/journal/journal.js';
import type { FileStorage } from '../../contract/storage.js';
import { type FaultPoint, faultyStorage } from '../faulty-storage.js';

/** What a process does to storages, to the journal and to rows, step by step. */
export type Step = FaultPoint | keyof IntentJournal<unknown> | 'statement';

const STORAGE_STEPS: readonly FaultPoint[] = ['stage', 'commit', 'delete'];

/**
 * A process that can be killed at one of its steps: that step is not done, and nothing of what it does answers or goes on
 * from then on.
 */
export class Mortality {
  /** Resolves when the process is dead. */
  readonly death: Promise<void>;
  /** The steps that were done, in their order. */
  readonly steps: Step[] = [];
  readonly #underWay = new Set<Promise<unknown>>();
  #isLast: (name: Step) => boolean = () => false;
  #die!: () => void;
  #isDead = false;

  constructor() {
    this.death = new Promise((resolve) => {
      this.#die = resolve;
    });
  }

  get isDead(): boolean {
    return this.#isDead;
  }

  /** Kills the process at once. */
  kill(): void {
    this.#isDead = true;
    this.#die();
  }

  /** Kills the process in place of the so-manieth step from now, counted from 1. */
  killAt(step: number): void {
    let left = step;
    this.steps.length = 0;
    this.#isLast = () => --left <= 0;
  }

  /** Kills the process in place of its next step of that name. */
  killBefore(step: Step): void {
    this.#isLast = (name) => name === step;
  }

  /** Resolves if the step may be done, and never otherwise. */
  async step(name: Step): Promise<void> {
    if (!this.#isDead && this.#isLast(name)) this.kill();
    if (this.#isDead) await new Promise(() => {});
    this.steps.push(name);
  }

  /** What was begun before the death, and is done nevertheless. */
  async stillness(): Promise<void> {
    while (this.#underWay.size > 0) await Promise.allSettled(this.#underWay);
  }

  watchStorage(storage: FileStorage): FileStorage {
    const faults = STORAGE_STEPS.map((on) => ({ on, until: () => this.step(on) }));
    return faultyStorage(storage, faults);
  }

  watchJournal<Transaction>(journal: IntentJournal<Transaction>): IntentJournal<Transaction> {
    const watch = async <Result>(name: Step, act: () => Promise<Result>): Promise<Result> => {
      await this.step(name);
      const acting = act();
      this.#underWay.add(acting);
      try {
        return await acting;
      } finally {
        this.#underWay.delete(acting);
      }
    };
    return {
      prepare: () => journal.prepare(),
      table: journal.table,
      announce: (intents) => watch('announce', () => journal.announce(intents)),
      record: (decisions, transaction) => watch('record', () => journal.record(decisions, transaction)),
      retract: async (decisions, transaction) => journal.retract?.(decisions, transaction),
      standing: (intents) => watch('standing', () => journal.standing(intents)),
      forget: (intents) => watch('forget', () => journal.forget(intents)),
      entries: () => journal.entries(),
      purge: (before) => watch('purge', () => journal.purge(before)),
      close: () => journal.close(),
    };
  }
}
