import type { ClientSession, mongo } from 'mongoose';
import type { Attachment } from '../../attachment.js';
import type { Places, Row } from './places.js';
import type { Operation, WriteOptions } from './write-call.js';

/** A row as far as it was read, and the attachments in it. */
export interface AttachedRow {
  readonly _id: unknown;
  readonly row: Row;
  /** By what the row holds. */
  readonly attachments: ReadonlyMap<unknown, Attachment>;
}

/** Ids that one query asks for. */
const BATCH_SIZE = 10_000;

/** Options that decide which rows an operation finds, and how. */
const CHOOSING: readonly string[] = ['sort', 'collation', 'hint', 'let', 'ignoreUndefined', 'maxTimeMS'];

/** Reads which attachments rows have. */
export class RowReader {
  readonly #collection: mongo.Collection;
  readonly #places: Places;
  readonly #read: (value: unknown) => Attachment | null;

  constructor(collection: mongo.Collection, places: Places, read: (value: unknown) => Attachment | null) {
    this.#collection = collection;
    this.#places = places;
    this.#read = read;
  }

  /**
   * Those that an operation will concern: in the same transaction, it sees the same.
   * @param shared options of the call, for all its operations
   */
  async matching(
    { filter = {}, isMany, options }: Operation,
    shared: WriteOptions,
    session?: ClientSession,
  ): Promise<AttachedRow[]> {
    const given = Object.entries({ ...shared, ...options });
    const known = given.filter(([name, value]) => CHOOSING.includes(name) && value !== undefined);
    const rows = this.#collection.find(filter, {
      ...Object.fromEntries(known),
      ...(!isMany && { limit: 1 }),
      ...(session && { session }),
      projection: this.#places.projection,
    });
    return (await rows.toArray()).map((row) => this.#attached(row));
  }

  /** Those of these ids that there are. */
  async withIds(ids: readonly unknown[], session?: ClientSession): Promise<AttachedRow[]> {
    const rows: AttachedRow[] = [];
    for (let start = 0; start < ids.length; start += BATCH_SIZE) {
      const _id = { $in: ids.slice(start, start + BATCH_SIZE) };
      const options = { projection: this.#places.projection, ...(session && { session }) };
      const found = await this.#collection.find({ _id } as mongo.Filter<mongo.Document>, options).toArray();
      rows.push(...found.map((row) => this.#attached(row)));
    }
    return rows;
  }

  #attached(row: Row): AttachedRow {
    const attachments = new Map<unknown, Attachment>();
    for (const value of this.#places.valuesOf(row)) {
      const attachment = this.#readOrIgnore(value);
      if (attachment) attachments.set(value, attachment);
    }
    return { _id: row._id, row, attachments };
  }

  /** What others have put into the field is not ours to delete. */
  #readOrIgnore(value: unknown): Attachment | null {
    try {
      return this.#read(value);
    } catch {
      return null;
    }
  }
}
