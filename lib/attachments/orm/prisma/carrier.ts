import type { SqlStatement } from '../../sql/carried-statements.js';
import type { StatementCarrier } from '../../sql/transactions.js';
import { carrying } from './adapter.js';
import { type Client, modelOf } from './client.js';
import type { DataModel, ModelShape } from './data-model.js';

/** Has creates take along what the journal has to say, by a driver adapter that can do so. */
export class Carrier {
  readonly #models: DataModel;
  readonly #journalTable: string;
  #isOfUse = true;

  constructor(models: DataModel, journalTable: string) {
    this.#models = models;
    this.#journalTable = journalTable;
  }

  /** Nothing where Prisma was found to insert otherwise than we know: transactions do it as well. */
  of(client: Client): StatementCarrier<Client> | undefined {
    if (!this.#isOfUse) return undefined;
    return {
      session: (carried) => (carried.length === 0 ? client : this.#carrying(client, carried)),
      isConflict: (error) => isDuplicateIn(this.#journalTable, error),
    };
  }

  /** The client for one operation. */
  #carrying(client: Client, carried: readonly SqlStatement[]): Client {
    return new Proxy(client, {
      get: (_target, name) => {
        const shape = this.#models.find(String(name));
        return shape ? this.#model(modelOf(client, shape.name), shape, carried) : Reflect.get(client, name);
      },
    });
  }

  #model(model: object, { table }: ModelShape, carried: readonly SqlStatement[]): object {
    const onLeft = () => {
      this.#isOfUse = false;
    };
    return new Proxy(model, {
      get:
        (_target, operation) =>
        (...parameters: readonly unknown[]) =>
          carrying(table, carried, () => Reflect.get(model, operation).apply(model, parameters), onLeft),
    });
  }
}

/** What Prisma makes of a key that is there already: an error with the code P2002, and the adapter's answer in it. */
function isDuplicateIn(qualifiedTable: string, error: unknown): boolean {
  const table = qualifiedTable.toLowerCase().split('.').at(-1);
  const { code, meta } = (error ?? {}) as DuplicateError;
  const { table: said, constraint } = meta?.driverAdapterError?.cause ?? {};
  return code === 'P2002' && (said === table || constraint?.index === `${table}_pkey`);
}

interface DuplicateError {
  readonly code?: unknown;
  readonly meta?: {
    readonly driverAdapterError?: {
      readonly cause?: { readonly table?: unknown; readonly constraint?: { readonly index?: unknown } };
    };
  };
}
