import type { Collection, Connection, Model, Schema } from 'mongoose';
import { DepotError } from '../../../errors.js';
import { adopt, compared, type MongooseDocument } from './assignments.js';
import { Places } from './places.js';
import { parseCall, WRITING_METHODS, type WritingMethod } from './write-call.js';
import { Writer, type WriterContext } from './writer.js';

type Write = (...given: unknown[]) => Promise<unknown>;
type Read = (...given: unknown[]) => unknown;

/** Methods of a collection that take a filter, and write nothing. */
const READING_METHODS = ['find', 'findOne', 'countDocuments', 'distinct'] as const;

/** What is used of an operation that a connection is given. */
interface BulkOperation {
  readonly model?: string | Model<unknown>;
}

/** The collections of a connection, as far as models write to them. */
export class Collections {
  readonly #context: WriterContext;
  readonly #watched = new Map<object, WatchedCollection>();
  /** Methods that were put in the place of mongoose's own. */
  readonly #cloning = new WeakSet<object>();

  constructor(context: WriterContext) {
    this.#context = context;
  }

  /** Watches the models that the connection has, and those that it gets. */
  watch(connection: Connection): void {
    for (const model of Object.values(connection.models)) this.#add(model);
    connection.on('model', (model: Model<unknown>) => this.#add(model));
    this.#refuseBulk(connection);
    this.#watchDrop(connection);
  }

  /** The notes of where attachments are go with the database, which may be filled again. */
  #watchDrop(connection: Connection): void {
    const dropDatabase = connection.dropDatabase.bind(connection);
    connection.dropDatabase = async () => {
      try {
        return await dropDatabase();
      } finally {
        this.#context.references.forget();
      }
    };
  }

  /** What a connection writes in bulk goes past the collections of its models. */
  #refuseBulk(connection: Connection): void {
    const methods = connection as unknown as { bulkWrite: Write };
    const bulkWrite = methods.bulkWrite.bind(connection);
    methods.bulkWrite = async (...given) => {
      for (const { model } of given[0] as readonly BulkOperation[]) {
        const name = typeof model === 'string' ? model : model?.modelName;
        const { collection } = connection.models[name ?? ''] ?? {};
        if (collection && this.#watched.get(collection)?.hasAttachments)
          throw new DepotError(
            'ATTACHMENT_UNSUPPORTED',
            `bulkWrite of the connection: ${name} has attachments, use its own bulkWrite`,
          );
      }
      return bulkWrite(...given);
    };
  }

  #add({ collection, schema, prototype }: Model<unknown>): void {
    const watched = this.#watched.get(collection) ?? new WatchedCollection(collection, this.#context);
    this.#watched.set(collection, watched);
    watched.add(schema as unknown as Schema);
    this.#watchClones(prototype, watched);
  }

  /** Discriminators inherit the method. */
  #watchClones(prototype: MongooseDocument, watched: WatchedCollection): void {
    const { $clone } = prototype;
    if (this.#cloning.has($clone)) return;
    const read = (value: unknown) => this.#context.attachments.read(value);
    prototype.$clone = function (this: MongooseDocument) {
      const clone = $clone.call(this) as MongooseDocument;
      if (watched.hasAttachments) adopt(clone, read);
      return clone;
    };
    this.#cloning.add(prototype.$clone);
  }
}

/**
 * mongoose's own object of a collection: all that models and documents write goes through it, whatever middleware they
 * have or leave out. Its methods are wrapped, on this object only.
 */
class WatchedCollection {
  readonly #schemas = new Set<Schema>();
  #places: Places | undefined;

  constructor(collection: Collection, context: WriterContext) {
    const writer = new Writer(context, collection.name);
    for (const method of WRITING_METHODS) this.#wrap(collection, method, writer);
    for (const method of READING_METHODS) this.#wrapReading(collection, method);
  }

  add(schema: Schema): void {
    this.#schemas.add(schema);
    this.#places = undefined;
  }

  get hasAttachments(): boolean {
    return !this.#current.isEmpty;
  }

  get #current(): Places {
    this.#places ??= new Places(this.#schemas);
    return this.#places;
  }

  #wrap(collection: Collection, method: WritingMethod, writer: Writer): void {
    const methods = collection as unknown as Record<string, Write>;
    const original = methods[method]?.bind(collection);
    if (!original) return;
    methods[method] = async (...given) => {
      if (!this.hasAttachments) return original(...given);
      return writer.write(parseCall(method, given), this.#current, original);
    };
  }

  /** mongoose casts the values of filters as it casts those that are written: each is a new one, and not stored. */
  #wrapReading(collection: Collection, method: (typeof READING_METHODS)[number]): void {
    const methods = collection as unknown as Record<string, Read>;
    const original = methods[method]?.bind(collection);
    if (!original) return;
    methods[method] = (...given) => original(...(this.hasAttachments ? compared(given) : given));
  }
}
