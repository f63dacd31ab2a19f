import type { FileStorage } from './storage.js';

/** Storages by name: all that uploads and downloads need to know of a manager. */
export interface StorageDirectory {
  /**
   * The name itself, or what it is an alias of; without a name, the default storage's.
   * @throws DepotError `STORAGE_NOT_FOUND`
   */
  resolveAlias(name?: string): string;
  /**
   * The storage of that name or alias; without a name, the default one.
   * @throws DepotError `STORAGE_NOT_FOUND`
   */
  get(name?: string): FileStorage;
  /** Where the middleware serves the file of that path (`<storage>/<id>`). */
  urlFor(path: string): string;
}
