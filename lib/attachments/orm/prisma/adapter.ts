import { AsyncLocalStorage } from 'node:async_hooks';
import type { SqlStatement } from '../../sql/carried-statements.js';

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

interface AdapterQuery {
  readonly sql: string;
  readonly args: readonly unknown[];
  readonly argTypes: readonly object[];
}

/** What the next insertion into a table takes along. */
class Cargo {
  readonly #table: string;
  readonly #statements: readonly SqlStatement[];
  isTaken = false;

  /** @param table quoted; where it has no schema, whatever schema it is in */
  constructor(table: string, statements: readonly SqlStatement[]) {
    this.#table = table;
    this.#statements = statements;
  }

  /** The query with it, if it is that insertion. https://www.postgresql.org/docs/current/queries-with.html#QUERIES-WITH-MODIFYING */
  loadedOn(query: AdapterQuery): AdapterQuery {
    if (this.isTaken || !this.#isMeant(query.sql)) return query;
    this.isTaken = true;
    const args = [...query.args];
    const subqueries = this.#statements.map(({ sql, parameters }, index) => {
      const offset = args.length;
      args.push(...parameters);
      const moved = sql.replace(/\$(\d+)/g, (_place, number) => `$${offset + Number(number)}`);
      return `depot_journal_${index} AS (${moved})`;
    });
    const argTypes = [...query.argTypes, ...args.slice(query.args.length).map(() => TEXT)];
    return { ...query, sql: `WITH ${subqueries.join(', ')} ${query.sql}`, args, argTypes };
  }

  #isMeant(sql: string): boolean {
    const [, schema = '', table = ''] = INSERTION.exec(sql) ?? [];
    return table === this.#table || schema + table === this.#table;
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

/**
 * Does what inserts into a table, with statements that are done with it.
 * @param onLeft told when nothing has taken them along
 */
export async function carrying<Result>(
  table: string,
  statements: readonly SqlStatement[],
  act: () => Promise<Result>,
  onLeft: () => void,
): Promise<Result> {
  const cargo = new Cargo(table, statements);
  const result = await current.run(cargo, async () => act());
  if (!cargo.isTaken) onLeft();
  return result;
}

function loadable(adapter: Adapter): Adapter {
  const loaded = (query: AdapterQuery) => current.getStore()?.loadedOn(query) ?? query;
  const { startTransaction } = adapter;
  return replacing(adapter, {
    queryRaw: (query) => adapter.queryRaw(loaded(query)),
    executeRaw: (query) => adapter.executeRaw(loaded(query)),
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
