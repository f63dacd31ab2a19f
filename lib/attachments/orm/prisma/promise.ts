/** Runs an operation with the transaction that it is given. */
export type RunIn<Scope> = (scope: Scope) => Promise<unknown>;

/** How operations are run that have not been yet, for `$transaction([…])`. */
const OPERATIONS = new WeakMap<object, { readonly run: RunIn<never>; readonly concernsFiles: boolean }>();

/** Takes note of how an operation is run in another transaction. */
export function remember<Scope>(promise: object, run: RunIn<Scope>, concernsFiles: boolean): void {
  OPERATIONS.set(promise, { run: run as RunIn<never>, concernsFiles });
}

/** Whether one of these operations has to do with files. */
export function concernFiles(operations: readonly unknown[]): boolean {
  return operations.some((one) => OPERATIONS.get(one as object)?.concernsFiles);
}

/** How an operation is run in another transaction; nothing for one that is of another client. */
export function runnerOf<Scope>(operation: unknown): RunIn<Scope> | undefined {
  return OPERATIONS.get(operation as object)?.run as RunIn<Scope> | undefined;
}

/** An operation that, as all of Prisma's, is only run when somebody waits for it. */
export class LazyOperation implements Promise<unknown> {
  readonly [Symbol.toStringTag] = 'PrismaPromise';
  readonly #run: () => Promise<unknown>;
  #promise: Promise<unknown> | undefined;

  constructor(run: () => Promise<unknown>) {
    this.#run = run;
  }

  // biome-ignore lint/suspicious/noThenProperty: it is a promise
  then<Value = unknown, Other = never>(
    onFulfilled?: ((value: unknown) => Value | PromiseLike<Value>) | null,
    onRejected?: ((reason: unknown) => Other | PromiseLike<Other>) | null,
  ): Promise<Value | Other> {
    this.#promise ??= this.#run();
    return this.#promise.then(onFulfilled, onRejected);
  }

  catch<Other = never>(
    onRejected?: ((reason: unknown) => Other | PromiseLike<Other>) | null,
  ): Promise<unknown> {
    return this.then(undefined, onRejected);
  }

  finally(onFinally?: (() => void) | null): Promise<unknown> {
    return this.then().finally(onFinally);
  }
}
