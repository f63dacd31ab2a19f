import type { IncomingHttpHeaders } from 'node:http';
import type { FileDetails } from '../../contract/stored-file.js';
import { UNKNOWN_CONTENT_TYPE } from '../../internal/content-type.js';
import {
  formatDisposition,
  formatUserMetadata,
  parseUserMetadata,
  type UserMetadata,
  type WrittenFile,
} from '../../object-storage/object-metadata.js';
import { generationOf } from './bucket.js';

/** All keys and values together, in bytes: https://cloud.google.com/storage/quotas#objects */
const MAX_USER_METADATA_BYTES = 8192;

/** Where Python's filedepot looks for the type. */
const CONTENT_TYPE_KEY = 'x-depot-content-type';

/** How the headers of answers are called that tell user metadata. */
const USER_METADATA_HEADER = 'x-goog-meta-';

/** What is kept of a file beside its content: https://cloud.google.com/storage/docs/json_api/v1/objects */
export interface ObjectResource {
  readonly name: string;
  readonly contentType: string;
  readonly contentDisposition: string;
  readonly metadata: UserMetadata;
  readonly storageClass?: string;
}

export function describeObject(name: string, file: WrittenFile, revision: string): ObjectResource {
  const { contentType, filename } = file;
  const userMetadata = formatUserMetadata(file, revision, MAX_USER_METADATA_BYTES);
  return {
    name,
    contentType,
    contentDisposition: formatDisposition('inline', filename),
    metadata: { ...userMetadata, [CONTENT_TYPE_KEY]: contentType },
  };
}

/** The details of a file, whoever wrote its object. */
export function parseObject(
  id: string,
  head: IncomingHttpHeaders,
  publicUrl: string | undefined,
): FileDetails {
  return {
    id,
    lastModified: new Date(head['last-modified'] ?? 0),
    ...parseUserMetadata(userMetadataIn(head), head['content-disposition']),
    contentType: head['content-type'] || UNKNOWN_CONTENT_TYPE,
    // Of the whole content, whatever part of it was asked for.
    size: Number(head['x-goog-stored-content-length'] ?? head['content-length']),
    etag: `"${generationOf(head)}"`,
    publicUrl,
  };
}

export function userMetadataIn(head: IncomingHttpHeaders): UserMetadata {
  const entries = Object.entries(head).filter(([name]) => name.startsWith(USER_METADATA_HEADER));
  return Object.fromEntries(
    entries.map(([name, value]) => [name.slice(USER_METADATA_HEADER.length), String(value)]),
  );
}

/** The generation of the content that details belong to. */
export function generationIn({ etag }: Pick<FileDetails, 'etag'>): string {
  return etag.slice(1, -1);
}
