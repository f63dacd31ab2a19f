import type { Connection, mongo } from 'mongoose';
import type { Note, Notes } from './notes.js';
import { openDatabase } from './notes.js';
import { ANYWHERE, type Places, type Row } from './places.js';

/**
 * Which files rows refer to. Where a collection has its attachments is noted in the journal's own collection, so that
 * they are found also by processes that do not know its model, or know a newer one.
 */
export class References {
  readonly #connection: Connection;
  readonly #notes: Notes;
  readonly #noted = new Map<string, { readonly places: Places; readonly done: Promise<void> }>();

  constructor(connection: Connection, notes: Notes) {
    this.#connection = connection;
    this.#notes = notes;
  }

  /** Notes where a collection has attachments, once. To be awaited before the first of them is announced. */
  note(collection: string, places: Places): Promise<void> {
    const noted = this.#noted.get(collection);
    if (noted?.places === places) return noted.done;
    const done = this.#write(collection, places.queryPaths);
    this.#noted.set(collection, { places, done });
    done.catch(() => this.#noted.delete(collection));
    return done;
  }

  /** The database was dropped: nothing is noted any more. */
  forget(): void {
    this.#noted.clear();
  }

  async isReferenced(path: string): Promise<boolean> {
    const notes = await this.#notes.open();
    const database = await openDatabase(this.#connection);
    for await (const { _id, paths } of notes.find({ state: 'places' })) {
      if (await refersTo(database.collection(_id.slice(PLACES.length)), paths, path)) return true;
    }
    return false;
  }

  async #write(collection: string, paths: readonly string[]): Promise<void> {
    const notes = await this.#notes.open();
    const places: mongo.UpdateFilter<Note> = {
      $addToSet: { paths: { $each: [...paths] } },
      $setOnInsert: { state: 'places', createdAt: new Date() },
    };
    const write = () => notes.updateOne({ _id: PLACES + collection }, places, { upsert: true });
    // Two that insert it at once: the second finds it when it tries again.
    await write().catch(write);
  }
}

const PLACES = 'places/';

/** Numbers of rows that are read at once where each must be looked through. */
const BATCH_SIZE = 500;

/** Whatever the application reads from: a secondary may not have heard of a row yet. */
const CURRENT = { readPreference: 'primary' } as const;

async function refersTo(rows: mongo.Collection, places: Note['paths'], path: string): Promise<boolean> {
  if (places.includes(ANYWHERE)) return hasRowWith(rows, path);
  const conditions = places.flatMap((place) => [
    { [`${place}.files`]: path },
    { [`${place}.path`]: path },
    { [place]: { $regex: escaped(path) } },
  ]);
  const options = { projection: { _id: 1 }, ...CURRENT } as const;
  return (await rows.findOne({ $or: conditions }, options)) !== null;
}

async function hasRowWith(rows: mongo.Collection, path: string): Promise<boolean> {
  for await (const row of rows.find({}, { batchSize: BATCH_SIZE, ...CURRENT }))
    if (mentions(row, path)) return true;
  return false;
}

/** Whether a text is in a row, by itself or as a part of JSON. */
function mentions(value: unknown, text: string): boolean {
  if (typeof value === 'string') return value.includes(text);
  if (typeof value !== 'object' || value === null) return false;
  return Object.values(value as Row).some((part) => mentions(part, text));
}

function escaped(text: string): string {
  return text.replace(/[^\w/-]/g, '\\$&');
}
