/** Lets one act at a time run for a key; others wait in the order in which they came. */
export class KeyedMutex {
  readonly #tails = new Map<string, Promise<void>>();

  /** Runs the act when all earlier ones for the key have ended, however they ended. */
  async run<Result>(key: string, act: () => Promise<Result>): Promise<Result> {
    const previous = this.#tails.get(key) ?? Promise.resolve();
    const result = previous.then(act);
    const tail = result.then(ignore, ignore);
    this.#tails.set(key, tail);
    try {
      return await result;
    } finally {
      if (this.#tails.get(key) === tail) this.#tails.delete(key);
    }
  }
}

function ignore(): void {}
