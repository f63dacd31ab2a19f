import type { Recoverable } from './recovery.js';
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
  /** Whether the files of the storage of that name or alias are served at signed URLs alone. @default they are not */
  isPrivate?(name: string): boolean;
  /** Whether a text has that signature; absent where nothing is ever signed. */
  readonly isSigned?: ((text: string, signature: string) => boolean) | undefined;
  /** Has the directory's own `recover`, where it has one, settle this as well. */
  addRecoverable?(recoverable: Recoverable): void;
}
