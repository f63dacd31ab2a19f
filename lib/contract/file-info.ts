import type { Metadata } from './metadata.js';
import type { WrittenDetails } from './staged-file.js';

/** What an application answers and keeps of a stored file: plain JSON. */
export interface FileInfo {
  /** Name of the storage that has the file. */
  readonly storage: string;
  readonly id: string;
  /** `<storage>/<id>`: what `depot.getFile` and `depot.urlFor` take. */
  readonly path: string;
  /** Where the middleware serves the file. */
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

/** The JSON form of a file in a storage of the given name, served at the given URL. */
export function toFileInfo(storage: string, details: WrittenDetails, url: string): FileInfo {
  const { id, filename, contentType, size, sha256, metadata } = details;
  const lastModified = details.lastModified.toISOString();
  return {
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
  };
}
