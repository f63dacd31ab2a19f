import { join } from 'node:path';
import { isFileId } from '../../contract/file-id.js';
import { UNNAMED } from '../../contract/file-name.js';
import { type Metadata, parseFrozen } from '../../contract/metadata.js';
import type { FileDetails } from '../../contract/stored-file.js';
import { UNKNOWN_CONTENT_TYPE } from '../../internal/content-type.js';
import { formatTimestamp, parseTimestamp } from '../../internal/timestamp.js';

const CONTENT = 'file';
const DETAILS = 'details.json';
const SHARED_METADATA = 'metadata.json';

/**
 * Where everything lies. A file is a folder named by its id:
 * - `file`: the content,
 * - `metadata.json`: exactly the four keys of Python's filedepot, which fails on any other,
 * - `details.json`: all that we keep; where it is absent, Python wrote the file.
 *
 * While it is being replaced there are also `.replacing`, the lock, and `file.<revision>`, the new content, which
 * `details.json` names before it becomes `file`.
 */
export class LocalLayout {
  readonly root: string;
  readonly staging: string;

  constructor(root: string) {
    this.root = root;
    this.staging = join(root, '.staging');
  }

  folder(id: string): string {
    return `${this.root}/${id}`;
  }

  content(id: string, revision?: string): string {
    return `${this.folder(id)}/${revision === undefined ? CONTENT : `${CONTENT}.${revision}`}`;
  }

  details(id: string): string {
    return `${this.folder(id)}/${DETAILS}`;
  }

  sharedMetadata(id: string): string {
    return `${this.folder(id)}/${SHARED_METADATA}`;
  }

  lock(id: string): string {
    return `${this.folder(id)}/.replacing`;
  }
}

/** Names within a folder that is being staged; the same as in the folder of a file. */
export const STAGED = {
  content: CONTENT,
  details: DETAILS,
  sharedMetadata: SHARED_METADATA,
  lock: 'lock',
} as const;

/** A staged replacement tells in its folder's name what it replaces, so that a crash can be settled. */
export function replacementFolderName(revision: string, id: string): string {
  return `${revision}~${id}`;
}

/** The other way round; nothing for a folder that replaces nothing. */
export function parseReplacementFolderName(name: string): { revision: string; id: string } | undefined {
  const [revision, id, ...rest] = name.split('~');
  return isFileId(revision) && isFileId(id) && rest.length === 0 ? { revision, id } : undefined;
}

/** What `details.json` holds. */
export interface LocalDetails extends Omit<FileDetails, 'publicUrl'> {
  readonly revision?: string | undefined;
}

export function formatDetails(details: Omit<LocalDetails, 'etag'>): string {
  const { filename, contentType, size, sha256, lastModified, metadata, revision } = details;
  return JSON.stringify({ filename, contentType, size, sha256, lastModified, metadata, revision });
}

/** @throws SyntaxError or TypeError for what `formatDetails` did not write */
export function parseDetails(id: string, json: string): LocalDetails {
  const { filename, contentType, size, sha256, lastModified, metadata, revision } = parseFrozen(json);
  const etag = `"${sha256}"`;
  return Object.freeze({
    id,
    filename: filename as string,
    contentType: contentType as string,
    size: size as number,
    sha256: sha256 as string,
    lastModified: new Date(lastModified),
    metadata: metadata as Metadata,
    revision: revision as string | undefined,
    etag,
  });
}

export function formatSharedMetadata(
  details: Pick<FileDetails, 'filename' | 'contentType' | 'size' | 'lastModified'>,
) {
  return JSON.stringify({
    filename: details.filename,
    content_type: details.contentType,
    content_length: details.size,
    last_modified: formatTimestamp(details.lastModified),
  });
}

/** Size and time of a content on the disk, as far as they are asked for here. */
export interface ContentStats {
  readonly ino: number;
  readonly size: number;
  readonly mtimeMs: number;
}

/** Details of a file that Python wrote: there is no digest, so the validator is made of what changes with the content. */
export function parseSharedMetadata(id: string, json: string, stats: ContentStats): LocalDetails {
  const { filename, content_type, last_modified } = JSON.parse(json);
  return Object.freeze({
    id,
    filename: filename || UNNAMED,
    contentType: content_type || UNKNOWN_CONTENT_TYPE,
    size: stats.size,
    lastModified: parseTimestamp(last_modified) ?? new Date(Math.floor(stats.mtimeMs / 1000) * 1000),
    metadata: Object.freeze({}),
    etag: `"${stats.size.toString(36)}-${stats.ino.toString(36)}-${Math.round(stats.mtimeMs * 1000).toString(36)}"`,
  });
}
