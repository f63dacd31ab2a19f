/**
 * Lets one act do the work of many callers: what they bring while it runs waits and is done at once by the next run.
 * What a run fails with, all fail with whose work it was.
 */
export class Batches<Item> {
  readonly #act: (items: readonly Item[]) => Promise<void>;
  readonly #rest: number;
  #waiting: Item[] = [];
  #next: Promise<void> | undefined;
  #running: Promise<void> = Promise.resolve();
  #hurries = 0;
  #wake: (() => void) | undefined;

  /** @param rest milliseconds from one run to the next: for work that nobody waits for, so that more of it comes together */
  constructor(act: (items: readonly Item[]) => Promise<void>, rest = 0) {
    this.#act = act;
    this.#rest = rest;
  }

  /** Resolves when the items are done. */
  add(items: readonly Item[]): Promise<void> {
    for (const item of items) this.#waiting.push(item);
    this.#next ??= this.#runNext();
    return this.#next;
  }

  /** Does something for as long as which there is no rest between two runs. */
  async hurry<Result>(act: () => Promise<Result>): Promise<Result> {
    this.#hurries++;
    this.#wake?.();
    try {
      return await act();
    } finally {
      this.#hurries--;
    }
  }

  async #runNext(): Promise<void> {
    await this.#running;
    const items = this.#waiting;
    this.#waiting = [];
    this.#next = undefined;
    const run = this.#act(items);
    this.#running = run.then(this.#restAfter, this.#restAfter);
    await run;
  }

  readonly #restAfter = async (): Promise<void> => {
    if (this.#rest === 0 || this.#hurries > 0) return;
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, this.#rest);
      this.#wake = () => {
        clearTimeout(timer);
        resolve();
      };
    });
    this.#wake = undefined;
  };
}
