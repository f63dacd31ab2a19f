import type { SqlStatement } from '../../sql/carried-statements.js';
import type { StatementCarrier } from '../../sql/transactions.js';
import { Cargo, carrying } from './adapter.js';
import { type Client, modelOf } from './client.js';
import type { DataModel } from './data-model.js';

/** Has creates take along what the journal has to say, by a driver adapter that can do so. */
export class Carrier {
  readonly #models: DataModel;
  readonly #journalTable: string;
  #isOfUse = true;

  constructor(models: DataModel, journalTable: string) {
    this.#models = models;
    this.#journalTable = journalTable;
  }

  /** For one operation of a client. Nothing where Prisma was found to insert otherwise than we know: transactions do it as well. */
  of(client: Client): StatementCarrier<Client> | undefined {
    if (!this.#isOfUse) return undefined;
    let cargo: Cargo | undefined;
    const load = (table: string, carried: readonly SqlStatement[]) => {
      cargo = new Cargo(table, carried);
      return cargo;
    };
    return {
      session: (carried) =>
        carried.length === 0 ? client : this.#carrying(client, (table) => load(table, carried)),
      outcomeOf: () => (cargo?.isRefused ? 'rolledBack' : 'unknown'),
      isConflict: () => cargo?.isDuplicateIn(this.#journalTable) ?? false,
    };
  }

  #carrying(client: Client, load: (table: string) => Cargo): Client {
    return new Proxy(client, {
      get: (_target, name) => {
        const shape = this.#models.find(String(name));
        if (!shape) return Reflect.get(client, name);
        return this.#model(modelOf(client, shape.name), () => load(shape.table));
      },
    });
  }

  #model(model: object, load: () => Cargo): object {
    const operate = async (name: string | symbol, parameters: readonly unknown[]) => {
      const cargo = load();
      const result = await carrying(cargo, () => Reflect.get(model, name).apply(model, parameters));
      if (!cargo.isDelivered) this.#isOfUse = false;
      return result;
    };
    const get =
      (_target: object, name: string | symbol) =>
      (...parameters: readonly unknown[]) =>
        operate(name, parameters);
    return new Proxy(model, { get });
  }
}
