/**
 * Lets one act do the work of many callers: what they bring while it runs waits and is done at once by the next run.
 * What a run fails with, all fail with whose work it was.
 */
export class Batches<Item> {
  readonly #act: (items: readonly Item[]) => Promise<void>;
  #waiting: Item[] = [];
  #next: Promise<void> | undefined;
  #running: Promise<void> = Promise.resolve();

  constructor(act: (items: readonly Item[]) => Promise<void>) {
    this.#act = act;
  }

  /** Resolves when the items are done. */
  add(...items: readonly Item[]): Promise<void> {
    this.#waiting.push(...items);
    this.#next ??= this.#runNext();
    return this.#next;
  }

  async #runNext(): Promise<void> {
    await this.#running;
    const items = this.#waiting;
    this.#waiting = [];
    this.#next = undefined;
    const run = this.#act(items);
    this.#running = run.catch(() => {});
    await run;
  }
}
