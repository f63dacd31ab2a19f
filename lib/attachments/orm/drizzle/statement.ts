import type { Table } from 'drizzle-orm';
import { DepotError } from '../../../errors.js';
import { type Builder, call, type Placeholders, type Session } from './session.js';

/** One call of a chain, e.g. `where(…)`. */
interface Call {
  readonly method: string;
  readonly parameters: readonly unknown[];
}

export type StatementKind = 'insert' | 'update' | 'delete';

/** Parameters in place of those of a method; nothing drops its calls. */
export type Changes = Readonly<Record<string, readonly unknown[] | undefined>>;

/** A statement as the application wrote it: it can be built again, with other values and in another transaction. */
export class Statement {
  readonly kind: StatementKind;
  readonly table: Table;
  /** Subqueries that it begins with (`db.with(…)`). */
  readonly #subqueries: readonly unknown[];
  readonly #calls: Call[];

  constructor(
    kind: StatementKind,
    table: Table,
    subqueries: readonly unknown[] = [],
    calls: readonly Call[] = [],
  ) {
    this.kind = kind;
    this.table = table;
    this.#subqueries = subqueries;
    this.#calls = [...calls];
  }

  /** The parameters of the last call of a method: each replaces what an earlier one has said. */
  parameters(method: string): readonly unknown[] | undefined {
    return this.#calls.findLast((one) => one.method === method)?.parameters;
  }

  /** Whether one of these methods was called. */
  calls(...methods: readonly string[]): boolean {
    return this.#calls.some(({ method }) => methods.includes(method));
  }

  add(method: string, parameters: readonly unknown[]): void {
    this.#calls.push({ method, parameters });
  }

  /** The same with one more call; this stays as it is. */
  with(method: string, parameters: readonly unknown[]): Statement {
    return new Statement(this.kind, this.table, this.#subqueries, [...this.#calls, { method, parameters }]);
  }

  /** A session in which the statement's subqueries are known. */
  within(session: Session): Session {
    return this.#subqueries.length > 0 ? session.with(...this.#subqueries) : session;
  }

  /** Builds it in a session. Methods of the changes that were never called are called at the end. */
  build(session: Session, changes: Changes = {}): Builder {
    const missing = Object.keys(changes).filter((method) => !this.calls(method));
    const calls = [...this.#calls, ...missing.map((method) => ({ method, parameters: [] }))];
    let builder = this.within(session)[this.kind](this.table);
    for (const { method, parameters } of calls) {
      const changed = method in changes ? changes[method] : parameters;
      if (changed) builder = call(builder, method, changed) as Builder;
    }
    return builder;
  }
}

/** Runs a query in one of the forms that Drizzle has, as `execute` or `all`. */
export function execute(query: Builder, method: string, placeholders?: Placeholders): Promise<unknown> {
  if (!placeholders) return call(query, method) as Promise<unknown>;
  return call(call(query, 'prepare') as Builder, method, [placeholders]) as Promise<unknown>;
}

/** How a statement is run that is awaited, or asked for its rows. */
export type Run = (statement: Statement, method: string, placeholders?: Placeholders) => Promise<unknown>;

/** They run a query, each with its own form of the result. `values` of a builder that is no query yet is another one. */
const RUNNING = ['execute', 'run', 'all', 'get', 'values'];

/** They run it by calling `execute`. */
const AWAITING = ['then', 'catch', 'finally'];

/** They would run it where it cannot be seen: in a batch, or as a part of another statement. */
const HIDING = ['_prepare', 'getSQL'];

/**
 * A query builder that takes note of what is called, and has `run` run it in the end.
 * @param target the builder of Drizzle, which checks the calls and shows the SQL
 */
export function recorded(target: Builder, statement: Statement, run: Run): Builder {
  const runBy = (method: string) => (placeholders?: Placeholders) => run(statement, method, placeholders);
  const record = (method: string, parameters: readonly unknown[]): unknown => {
    const result = call(target, method, parameters);
    if (result !== target) return recorded(result as Builder, statement.with(method, parameters), run);
    // Most builders change themselves: `query.where(…)` counts although nobody uses what it gives.
    statement.add(method, parameters);
    return proxy;
  };
  const proxy: Builder = new Proxy(target, {
    get(_target, property: string) {
      const value = target[property];
      if (typeof value !== 'function' || typeof property !== 'string') return value;
      if (AWAITING.includes(property)) return value.bind(proxy);
      if (HIDING.includes(property)) return () => refuseHiding(statement);
      if (property === 'toSQL') return value.bind(target);
      if (property === 'prepare') return () => prepared(runBy);
      if (isQuery(target) && RUNNING.includes(property)) return runBy(property);
      return (...parameters: readonly unknown[]) => record(property, parameters);
    },
  });
  return proxy;
}

function isQuery(builder: Builder): boolean {
  return typeof builder.then === 'function';
}

/** What `prepare` gives: each time it is run, the statement is built again. */
function prepared(runBy: (method: string) => (placeholders?: Placeholders) => Promise<unknown>): object {
  return Object.fromEntries(RUNNING.map((method) => [method, runBy(method)]));
}

function refuseHiding({ kind }: Statement): never {
  const message = `An ${kind} that has to do with attachments is run by itself, not as a part of a batch or of another statement`;
  throw new DepotError('ATTACHMENT_UNSUPPORTED', message);
}
