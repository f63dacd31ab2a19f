import type { Metadata } from './metadata.js';
import type { WrittenDetails } from './staged-file.js';

/** What an application answers and keeps of a stored file: plain JSON. */
export interface FileInfo {
  /** Name of the storage that has the file. */
  readonly storage: string;
  readonly id: string;
  /** `<storage>/<id>`: what `depot.getFile` and `depot.urlFor` take. */
  readonly path: string;
  /** Where the middleware serves the file. Of a private storage it works for an hour at most: keep the `path`. */
  readonly url: string;
  readonly filename: string;
  readonly contentType: string;
  /** Bytes. */
  readonly size: number;
  /** Hexadecimal digest of the content; absent for files that others wrote. */
  readonly sha256?: string | undefined;
  /** ISO 8601, in UTC. */
  readonly lastModified: string;
  readonly metadata: Metadata;
}

/** Every `FileInfo` that this package has made. */
const ISSUED = new WeakSet<object>();

/** The JSON form of a file in a storage of the given name, served at the given URL. */
export function toFileInfo(storage: string, details: WrittenDetails, url: string): FileInfo {
  const { id, filename, contentType, size, sha256, metadata } = details;
  const lastModified = details.lastModified.toISOString();
  return issued({
    storage,
    id,
    path: `${storage}/${id}`,
    url,
    filename,
    contentType,
    size,
    sha256,
    lastModified,
    metadata,
  });
}

/** Notes that an object tells of a file that was stored here, and is nothing that a client has sent as JSON. */
export function issued<Info extends object>(info: Info): Info {
  ISSUED.add(info);
  return info;
}

/** Whether an object is the `FileInfo` of a file that was stored here: nobody can make one up. */
export function isIssued(value: unknown): value is FileInfo {
  return typeof value === 'object' && value !== null && ISSUED.has(value);
}

/** The file that was stored here, if a value is its `FileInfo`, or the `req.file` of its upload. */
export function uploadedFileOf(value: unknown): FileInfo | undefined {
  if (isIssued(value)) return value;
  const depot = typeof value === 'object' && value !== null && 'depot' in value ? value.depot : undefined;
  return isIssued(depot) ? depot : undefined;
}
