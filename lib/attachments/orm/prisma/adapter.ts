import { AsyncLocalStorage } from 'node:async_hooks';
import { asSubqueries, type SqlStatement } from '../../sql/carried-statements.js';
import { baseName, isRefusedByPostgres } from '../../sql/refusals.js';

/** What is used of a factory of driver adapters: `PrismaPg` (https://www.prisma.io/docs/orm/overview/databases/database-drivers). */
export interface AdapterFactory {
  connect(): Promise<object>;
}

/** What is used of a driver adapter, and of its transactions. */
interface Adapter {
  queryRaw(query: AdapterQuery): Promise<unknown>;
  executeRaw(query: AdapterQuery): Promise<unknown>;
  startTransaction?(...parameters: readonly unknown[]): Promise<Adapter>;
}

type Run = (query: AdapterQuery) => Promise<unknown>;

interface AdapterQuery {
  readonly sql: string;
  readonly args: readonly unknown[];
  readonly argTypes: readonly object[];
}

/** Why an adapter has failed, where the database has answered (`DriverAdapterError`). */
interface AdapterAnswer {
  readonly originalCode?: unknown;
  readonly severity?: unknown;
  readonly table?: unknown;
  readonly constraint?: { readonly index?: unknown };
}

/** What an insertion into a table takes along, and how that has gone. */
export class Cargo {
  readonly #table: string;
  readonly #statements: readonly SqlStatement[];
  #tries = 0;
  /** What it was delivered by, the adapter or a transaction. */
  #courier: Adapter | undefined;
  #isRolledBack = false;
  #answer: AdapterAnswer = {};

  /** @param table quoted; where it has no schema, whatever schema it is in */
  constructor(table: string, statements: readonly SqlStatement[]) {
    this.#table = table;
    this.#statements = statements;
  }

  get isDelivered(): boolean {
    return this.#courier !== undefined;
  }

  /** Whether the database has answered that it did not insert, or has rolled that back. Of an earlier try nobody knows. */
  get isRefused(): boolean {
    const { originalCode: code, severity } = this.#answer;
    const isUndone = this.#isRolledBack || isRefusedByPostgres({ code, severity });
    return this.#tries === 1 && !this.isDelivered && isUndone;
  }

  /** Whether it was refused for a key in that table. */
  isDuplicateIn(qualifiedTable: string): boolean {
    const table = baseName(qualifiedTable);
    const { table: said, constraint } = this.#answer;
    return this.isRefused && (said === table || constraint?.index === `${table}_pkey`);
  }

  /** Runs a query by a courier, with the cargo if it is that insertion. */
  async send(courier: Adapter, query: AdapterQuery, run: Run): Promise<unknown> {
    if (this.#courier) return this.#sendLater(courier, query, run);
    if (!this.#isMeant(query.sql)) return run(query);
    this.#tries += 1;
    try {
      const result = await run(this.#loadedOn(query));
      this.#courier = courier;
      return result;
    } catch (error) {
      this.#answer = (error as { readonly cause?: AdapterAnswer })?.cause ?? {};
      throw error;
    }
  }

  async #sendLater(courier: Adapter, query: AdapterQuery, run: Run): Promise<unknown> {
    const result = await run(query);
    if (courier === this.#courier && query.sql === 'ROLLBACK') {
      this.#isRolledBack = true;
      this.#courier = undefined;
    }
    return result;
  }

  #isMeant(sql: string): boolean {
    const [, schema = '', table = ''] = INSERTION.exec(sql) ?? [];
    return table === this.#table || schema + table === this.#table;
  }

  #loadedOn({ sql, args, argTypes, ...others }: AdapterQuery): AdapterQuery {
    const all = [...args];
    const prefix = asSubqueries(this.#statements, (parameter) => `$${all.push(parameter)}`);
    const types = [...argTypes, ...all.slice(args.length).map(() => TEXT)];
    return { ...others, sql: prefix + sql, args: all, argTypes: types };
  }
}

const INSERTION = /^INSERT INTO ((?:"(?:[^"]|"")+"\.)?)("(?:[^"]|"")+")/;

const TEXT = { scalarType: 'string', dbType: 'TEXT', arity: 'scalar' };

const LOADABLE = new WeakSet<object>();
const current = new AsyncLocalStorage<Cargo>();

/**
 * A driver adapter for PostgreSQL by which a create with attachments is one statement, in place of a transaction of four:
 * `new PrismaClient({ adapter: attachmentAdapter(new PrismaPg(…)) })`. Nothing else of it is changed.
 */
export function attachmentAdapter<Factory extends AdapterFactory>(factory: Factory): Factory {
  const adapter = replacing<AdapterFactory>(factory, {
    connect: async () => loadable((await factory.connect()) as Adapter),
  });
  LOADABLE.add(adapter);
  return adapter as Factory;
}

/** Whether insertions by this adapter can take something along. */
export function isLoadable(factory: unknown): boolean {
  return typeof factory === 'object' && factory !== null && LOADABLE.has(factory);
}

/** Does what inserts, with what it takes along. */
export function carrying<Result>(cargo: Cargo, act: () => Promise<Result>): Promise<Result> {
  return current.run(cargo, async () => act());
}

function loadable(adapter: Adapter): Adapter {
  const sending =
    (run: Run): Run =>
    (query) =>
      current.getStore()?.send(adapter, query, run) ?? run(query);
  const { startTransaction } = adapter;
  return replacing(adapter, {
    queryRaw: sending((query) => adapter.queryRaw(query)),
    executeRaw: sending((query) => adapter.executeRaw(query)),
    ...(startTransaction && {
      startTransaction: async (...parameters) =>
        loadable(await startTransaction.apply(adapter, [...parameters])),
    }),
  });
}

/** The same, but for some of its members. */
function replacing<Target extends object>(target: Target, members: Partial<Target>): Target {
  return new Proxy(target, {
    get(_target, name) {
      if (name in members) return Reflect.get(members, name);
      const value = Reflect.get(target, name);
      return typeof value === 'function' ? value.bind(target) : value;
    },
  });
}
