/** A promise, and what settles it: `Promise.withResolvers`, which Node has from 22 on. */
export interface Deferred<Value> {
  readonly promise: Promise<Value>;
  resolve(value: Value): void;
  reject(error: unknown): void;
}

export function deferred<Value>(): Deferred<Value> {
  let resolve!: (value: Value) => void;
  let reject!: (error: unknown) => void;
  const promise = new Promise<Value>((onResolve, onReject) => {
    resolve = onResolve;
    reject = onReject;
  });
  // Who waits for it hears of its failure; nobody has to.
  promise.catch(() => {});
  return { promise, resolve, reject };
}
