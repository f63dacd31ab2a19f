import { DepotError } from '../../errors.js';
import type { Attachment } from '../attachment.js';
import { type AttachmentOptions, Attachments } from '../attachments.js';
import type { IntentJournal } from '../journal/journal.js';
import { type SqlExecutor, SqlJournal } from '../journal/sql-journal.js';
import { Transactions } from '../sql/transactions.js';
import { isLoadable } from './prisma/adapter.js';
import { Carrier } from './prisma/carrier.js';
import type { Client, Row } from './prisma/client.js';
import { DataModel, type ModelDeclarations } from './prisma/data-model.js';
import { dialectOf, executorOf, isReferenced, transactionsOf, turnsOf } from './prisma/dialect.js';
import { observedClient } from './prisma/observed-client.js';
import { itemsOf } from './prisma/rows.js';

export type { AttachmentOptions, Recovery } from '../attachments.js';
export { type AdapterFactory, attachmentAdapter } from './prisma/adapter.js';
export type { FieldDeclaration, ModelDeclarations } from './prisma/data-model.js';

export interface PrismaAttachmentOptions<Models extends ModelDeclarations> extends AttachmentOptions {
  /**
   * The fields with attachments, all of the type `Json`, by the names of models in the client; in brackets for a list:
   * `{ document: { photo: uploadedImageWithThumb(), pages: [uploadedFile()] } }`.
   */
  readonly models: Models;
  /**
   * PostgreSQL: how many connections the pool of the driver adapter has, at least 2. One of them is left for the journal,
   * and transactions that have to do with files wait for the others. @default what the adapter was given as `max`, else 10
   */
  readonly connections?: number | undefined;
  /** Or a journal of your own. */
  readonly journal?: PrismaJournalOptions | IntentJournal<SqlExecutor> | undefined;
}

/** Where it is on record which files are owed to rows, or to deletion. */
export interface PrismaJournalOptions {
  /** A table in the database, made where it is missing; with its schema before a dot, if need be. @default 'depot_intents' */
  readonly table?: string | undefined;
  /** SQLite needs a folder as well, on this machine and for this database alone: it has one writer at a time. */
  readonly folder?: string | undefined;
}

/** What a field gives. */
type FieldValue<Declaration> = Declaration extends readonly unknown[]
  ? readonly Attachment[]
  : Attachment | null;

/** What Prisma's types are told: fields of these models are attachments. */
type ResultTypes<Models extends ModelDeclarations> = {
  readonly [Model in keyof Models]: {
    readonly [Field in keyof Models[Model]]: () => {
      needs: Readonly<Record<Field, true>>;
      compute(row: unknown): FieldValue<Models[Model][Field]>;
    };
  };
};

/** An extension for `$extends`, with what it adds to the types of the client. */
export type AttachmentExtension<Models extends ModelDeclarations> = (client: unknown) => {
  $extends: {
    extArgs: {
      result: ResultTypes<Models>;
      model: Record<never, never>;
      query: Record<never, never>;
      client: { $attachments: () => Pick<Attachments<unknown>, 'recover' | 'idle' | 'close'> };
    };
  };
};

/** Of `pg`. */
const DEFAULT_CONNECTIONS = 10;

/**
 * Extends a client of Prisma 7, so that its operations and transactions keep files and rows together, and fields are read
 * as attachments: `new PrismaClient({ adapter }).$extends(attachments({ depot, models }))`. Raw SQL, and what the
 * database does by triggers, is not seen. `client.$attachments()` recovers what processes that are no more have left.
 * @throws DepotError, when the client is extended: `INVALID_OPTION`; `UNSUPPORTED` for databases other than PostgreSQL
 *   and SQLite
 */
export function attachments<const Models extends ModelDeclarations>(
  options: PrismaAttachmentOptions<Models>,
): AttachmentExtension<Models> {
  const extend = (client: Client) => extended(client, options);
  return extend as never;
}

function extended(base: Client, options: PrismaAttachmentOptions<ModelDeclarations>): Client {
  const { schema, provider, defaultSchema, poolSize = DEFAULT_CONNECTIONS, canCarry } = internalsOf(base);
  const { models: declarations, connections = poolSize, journal: given = {}, ...others } = options;
  const models = new DataModel(schema, declarations, defaultSchema);
  const dialect = dialectOf(provider);
  if (!(connections >= 2)) throw new DepotError('INVALID_OPTION', 'There must be at least 2 connections');
  const outside = executorOf(async () => base);
  const journal = 'announce' in given ? given : new SqlJournal({ ...given, dialect: dialect.name, outside });
  const carrier = canCarry && journal.table !== undefined ? new Carrier(models, journal.table) : undefined;
  const all: Attachments<SqlExecutor> = new Attachments({
    ...others,
    journal,
    isReferenced: (path) => isReferenced(base, dialect, models.withAttachments, path),
  });
  const client = base.$extends({ name: 'filedepot', result: resultsOf(models, all) });
  const takeTurn = turnsOf(dialect, connections);
  const setting = {
    models,
    dialect,
    transactionsOf: (one: Client) => new Transactions(transactionsOf(one, dialect, carrier), all, takeTurn),
  };
  return observedClient(setting, client, { $attachments: () => all });
}

interface Internals {
  readonly schema: string;
  readonly provider: unknown;
  /** That of the driver adapter: `new PrismaPg(…, { schema })`. */
  readonly defaultSchema: string | undefined;
  /** Connections of the driver adapter: `new PrismaPg({ max })`. */
  readonly poolSize: number | undefined;
  /** Whether its insertions can take something along. */
  readonly canCarry: boolean;
}

/** Prisma tells none of them to its extensions, and has told its own in this way since there are any. */
function internalsOf(client: Client): Internals {
  const { inlineSchema, activeProvider, adapter } = Reflect.get(client, '_engineConfig') ?? {};
  if (typeof inlineSchema === 'string')
    return {
      schema: inlineSchema,
      provider: activeProvider,
      defaultSchema: adapter?.options?.schema,
      poolSize: adapter?.config?.max,
      canCarry: isLoadable(adapter),
    };
  throw new DepotError('UNSUPPORTED', 'Attachments need a client of Prisma 7');
}

/** The extension's result component: fields are read as attachments. */
function resultsOf({ withAttachments }: DataModel, all: Attachments<SqlExecutor>): object {
  const results = withAttachments.map(({ name, attachments: fields }) => {
    const computed = [...fields].map(([field, { isList }]) => {
      const compute = (row: Row) =>
        isList ? itemsOf(row[field]).map((item) => all.read(item)) : all.read(row[field]);
      return [field, { needs: { [field]: true }, compute }];
    });
    return [name, Object.fromEntries(computed)];
  });
  return Object.fromEntries(results);
}
