import { DepotError } from '../../../errors.js';
import type { OpenTransaction } from '../../sql/open-transaction.js';
import type { Transactions, Work } from '../../sql/transactions.js';
import { type Arguments, type Client, modelOf } from './client.js';
import { holdsUnsaved, touchesFiles } from './data.js';
import type { DataModel, ModelShape } from './data-model.js';
import { type Dialect, outcomeOf } from './dialect.js';
import { type Operation, type OperationWork, RUNNERS, type Runner } from './operations.js';
import { concernFiles, LazyOperation, remember, runnerOf } from './promise.js';

/** What all clients that are made of one have in common. */
export interface Setting {
  readonly models: DataModel;
  readonly dialect: Dialect;
  /** The transactions of a client: other extensions see what is done in them. */
  transactionsOf(client: Client): Transactions<Client>;
}

/** Where operations are run: in a transaction of the application, or each in one of its own. */
interface Scope {
  readonly client: Client;
  readonly open: OpenTransaction<Client> | undefined;
}

/** Operations that do nothing but add rows, all or none. */
const ADDING: ReadonlySet<string> = new Set(['create', 'createMany', 'createManyAndReturn']);

/** Operations whose row can be asked for what it is related to: `update(…).folder()`. */
const FLUENT: ReadonlySet<string> = new Set(['create', 'update', 'upsert', 'delete']);

/** Any member of a client or a model. */
type Member = (...parameters: readonly unknown[]) => unknown;

/** The same client, whose operations and transactions keep files and rows together. */
export function observedClient(setting: Setting, client: Client, additions: object = {}): Client {
  return new ObservedClient(setting, { client, open: undefined }, additions).proxy;
}

class ObservedClient {
  readonly proxy: Client;
  readonly #setting: Setting;
  readonly #scope: Scope;
  readonly #transactions: Transactions<Client>;
  readonly #models = new Map<string, object>();

  constructor(setting: Setting, scope: Scope, additions: object) {
    this.#setting = setting;
    this.#scope = scope;
    this.#transactions = setting.transactionsOf(scope.client);
    const own = {
      ...additions,
      $transaction: (input: unknown, options?: object) => this.#transaction(input, options),
      $extends: (extension: object) => observedClient(setting, scope.client.$extends(extension), additions),
    };
    this.proxy = new Proxy(scope.client, { get: (_target, name) => this.#member(own, name) });
  }

  #member(own: object, name: string | symbol): unknown {
    const { client } = this.#scope;
    const value = Reflect.get(client, name);
    if (typeof name === 'symbol') return value;
    // In a transaction a client has less than outside.
    if (name in own && value !== undefined) return Reflect.get(own, name);
    const shape = this.#setting.models.find(name);
    if (shape && typeof value === 'object') return this.#model(shape, value);
    if (typeof value !== 'function') return value ?? Reflect.get(own, name);
    return (...parameters: readonly unknown[]) => this.#call(value as Member, name, parameters);
  }

  /** What is no operation on a model: SQL, or a method of another extension, which finds us in `this`. */
  #call(method: Member, name: string, parameters: readonly unknown[]): unknown {
    this.#scope.open?.doubt();
    const result = method.apply(this.proxy, [...parameters]);
    if (isOperation(result))
      remember<Scope>(
        result,
        async ({ client }) => (Reflect.get(client, name) as Member).apply(client, [...parameters]),
        false,
      );
    return result;
  }

  #model(shape: ModelShape, model: object): object {
    const known = this.#models.get(shape.name);
    if (known) return known;
    const proxy: object = new Proxy(model, {
      get: (_target, name) => {
        const value = Reflect.get(model, name);
        if (name === '$parent') return this.proxy;
        if (typeof value !== 'function' || typeof name === 'symbol') return value;
        return (...parameters: readonly unknown[]) =>
          this.#operate(shape, name, parameters, () => value.apply(proxy, parameters));
      },
    });
    this.#models.set(shape.name, proxy);
    return proxy;
  }

  #operate(
    shape: ModelShape,
    name: string,
    [parameters = {}]: readonly unknown[],
    passOn: () => object,
  ): object {
    const run = RUNNERS[name];
    const operation = { shape, name, parameters: parameters as Arguments };
    if (run && (touchesFiles(shape, name, parameters) || holdsUnsaved(parameters))) {
      const promise = this.#begin(operation, run);
      return FLUENT.has(name) ? Object.assign(promise, this.#related(operation, run)) : promise;
    }
    this.#scope.open?.doubt();
    const result = passOn();
    if (isOperation(result))
      remember<Scope>(
        result,
        async ({ client }) => modelOf(client, shape.name)[name]?.(operation.parameters),
        false,
      );
    return result;
  }

  /** @param pick what of the result is wanted */
  #begin(operation: Operation, run: Runner, pick = (result: unknown) => result): LazyOperation {
    const runIn = async (scope: Scope) =>
      pick(await this.#inTransaction(scope, operation, (work) => run(work, operation)));
    const promise = new LazyOperation(() => runIn(this.#scope));
    remember(promise, runIn, true);
    return promise;
  }

  /** A method for each relation, which does the operation and gives that in place of the row. */
  #related(operation: Operation, run: Runner): object {
    const { include: _include, ...parameters } = operation.parameters;
    const methods = [...operation.shape.relations.keys()].map((field) => {
      const method = (related: object | true = true) => {
        const selecting = { ...operation, parameters: { ...parameters, select: { [field]: related } } };
        return this.#begin(selecting, run, (row) => Reflect.get(row as object, field));
      };
      return [field, method];
    });
    return Object.fromEntries(methods);
  }

  #inTransaction(
    { open }: Scope,
    { name, shape }: Operation,
    run: (work: OperationWork) => Promise<unknown>,
  ): Promise<unknown> {
    const { dialect } = this.#setting;
    const runIn = (work: Work<Client>) => run({ ...work, dialect });
    if (open) return open.statement(runIn);
    if (!ADDING.has(name)) return this.#transactions.runAlone(runIn);
    return this.#transactions.runInsert(runIn, (error) => outcomeOf(shape, error));
  }

  #transaction(input: unknown, options: object | undefined): Promise<unknown> {
    if (Array.isArray(input)) return this.#batch(input, options);
    const body = input as (client: Client) => Promise<unknown>;
    const { client, open } = this.#scope;
    const inside = (inner: OpenTransaction<Client>) =>
      body(new ObservedClient(this.#setting, { client: inner.session, open: inner }, {}).proxy);
    if (!open) return this.#transactions.run(inside, options ?? {});
    return open.nested((begin) => client.$transaction(begin, options) as ReturnType<typeof begin>, inside);
  }

  /** Operations of a list are run one after the other, as Prisma does; those with files need to know each other's end. */
  async #batch(operations: readonly unknown[], options: object | undefined): Promise<unknown[]> {
    if (!concernFiles(operations)) return this.#scope.client.$transaction(operations, options);
    const runners = operations.map((operation) => runnerOf<Scope>(operation));
    return this.#transactions.run(async (open) => {
      const results: unknown[] = [];
      for (const run of runners) {
        if (!run) throw new DepotError('ATTACHMENT_UNSUPPORTED', 'Use $transaction with a function for this');
        results.push(await run({ client: open.session, open }));
      }
      return results;
    }, options);
  }
}

function isOperation(value: unknown): value is object {
  return (
    typeof value === 'object' && value !== null && Reflect.get(value, Symbol.toStringTag) === 'PrismaPromise'
  );
}
