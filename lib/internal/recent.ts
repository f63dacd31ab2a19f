interface Kept<Answer> {
  readonly answer: Promise<Answer>;
  /** Milliseconds since the epoch. */
  readonly until: number;
}

/** Answers that are given again for a while. A failure is not kept; what was found longest ago goes first. */
export class Recent<Answer> {
  readonly #maxKept: number;
  readonly #kept = new Map<string, Kept<Answer>>();

  /** @param maxKept answers at once */
  constructor(maxKept: number) {
    this.#maxKept = maxKept;
  }

  /**
   * The answer that is kept, else the one that `find` gives; whoever asks meanwhile waits for the same.
   * @param until milliseconds since the epoch to which a new answer is kept
   */
  get(question: string, until: number, find: () => Promise<Answer>): Promise<Answer> {
    const kept = this.#kept.get(question);
    if (kept && Date.now() < kept.until) return kept.answer;
    const found = { answer: find(), until };
    this.#kept.delete(question);
    this.#kept.set(question, found);
    found.answer.catch(() => this.#drop(question, found));
    this.#shrink();
    return found.answer;
  }

  /** An answer that is being found is not kept either. */
  forget(question: string): void {
    this.#kept.delete(question);
  }

  #drop(question: string, found: Kept<Answer>): void {
    if (this.#kept.get(question) === found) this.#kept.delete(question);
  }

  #shrink(): void {
    const [oldest] = this.#kept.size > this.#maxKept ? this.#kept.keys() : [];
    if (oldest !== undefined) this.#kept.delete(oldest);
  }
}
