import { DepotError } from '../../errors.js';
import { deferred } from '../../internal/deferred.js';

/**
 * What runs in a transaction, or after a savepoint, until that is over. Its statements take several steps, and none may
 * come when the connection is somebody else's.
 */
export class Running {
  /** Itself, and what it is a part of. */
  readonly #scopes: readonly Running[];
  readonly #all = new Set<Promise<void>>();
  /** What may be sending SQL. */
  readonly #sending = new Set<Promise<void>>();
  #isOver = false;

  /** @param outer what runs in the transaction that a savepoint is in */
  constructor(outer?: Running) {
    this.#scopes = [this, ...(outer ? outer.#scopes : [])];
  }

  /** @param act calls `send` before it sends SQL, which throws DepotError `CONFLICT` when it is too late */
  async add<Result>(act: (send: () => void) => Promise<Result>): Promise<Result> {
    const done = deferred<void>();
    const send = () => {
      this.#refuseLate();
      this.#sending.add(done.promise);
    };
    for (const scope of this.#scopes) scope.#all.add(done.promise);
    try {
      return await act(send);
    } finally {
      for (const scope of this.#scopes) scope.#all.delete(done.promise);
      this.#sending.delete(done.promise);
      done.resolve();
    }
  }

  /** Waits until all is done. */
  async finish(): Promise<void> {
    while (this.#all.size > 0) await Promise.all(this.#all);
    this.#isOver = true;
  }

  /** Waits for what may be sending SQL; what still uploads is refused when it would send. */
  async stop(): Promise<void> {
    this.#isOver = true;
    await Promise.all(this.#sending);
  }

  #refuseLate(): void {
    if (!this.#scopes.some((scope) => scope.#isOver)) return;
    throw new DepotError('CONFLICT', 'The transaction of this statement has ended');
  }
}
