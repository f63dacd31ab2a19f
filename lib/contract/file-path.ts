import { DepotError } from '../errors.js';
import { isFileId } from './file-id.js';

/** Letters, digits, `_`, `-` and `.`, beginning with a letter or digit: the same in a path, a URL and a setting. */
const STORAGE_NAME = /^[a-z0-9][a-z0-9_.-]{0,127}$/i;

/** Where a file is found by a manager: `<storage>/<id>`. */
export interface FilePath {
  readonly storageName: string;
  readonly id: string;
}

/** @throws DepotError `INVALID_OPTION` */
export function assertStorageName(name: string): void {
  if (STORAGE_NAME.test(name)) return;
  throw new DepotError(
    'INVALID_OPTION',
    `Not a name for a storage: ${JSON.stringify(name)}; letters, digits, "_", "-" and "." can be used`,
  );
}

/**
 * The two parts of a path.
 * @throws DepotError `INVALID_PATH`
 */
export function parseFilePath(path: string): FilePath {
  const [storageName = '', id, ...rest] = String(path).split('/');
  if (STORAGE_NAME.test(storageName) && isFileId(id) && rest.length === 0) return { storageName, id };
  throw new DepotError('INVALID_PATH', `Not a file path: ${JSON.stringify(String(path).slice(0, 100))}`);
}
