import { deferred } from '../../internal/deferred.js';

/** Runs a transaction of a database, which ends as `body` does. */
export type Begin<Session> = (body: (session: Session) => Promise<void>) => Promise<void>;

/** The transaction of one statement that the application runs without one: begun as late as possible. */
export class OwnTransaction<Session> {
  readonly #begin: Begin<Session>;
  readonly #end = deferred<void>();
  #session: Promise<Session> | undefined;
  #done: Promise<void> | undefined;

  constructor(begin: Begin<Session>) {
    this.#begin = begin;
  }

  /** Begins it, if that was not done before. */
  session(): Promise<Session> {
    this.#session ??= this.#open();
    return this.#session;
  }

  /** Resolves when it is committed; at once if it was never begun. */
  async commit(): Promise<void> {
    this.#end.resolve();
    await this.#done;
  }

  /** Never fails: however it ends, it is not committed. */
  async rollBack(): Promise<void> {
    this.#end.reject(new Error('Rolled back'));
    await this.#done?.catch(() => {});
  }

  #open(): Promise<Session> {
    const session = deferred<Session>();
    this.#done = this.#begin((opened) => {
      session.resolve(opened);
      return this.#end.promise;
    });
    this.#done.catch(session.reject);
    return session.promise;
  }
}
