import contentDisposition from 'content-disposition';
import { cleanFileName, UNNAMED } from '../contract/file-name.js';
import { checkedMetadata, type Metadata } from '../contract/metadata.js';
import type { ExpectedFile } from '../contract/storage.js';
import type { FileDetails } from '../contract/stored-file.js';
import { formatTimestamp, parseTimestamp } from '../internal/timestamp.js';

/** User metadata of an object in a bucket. The first two are those of Python's filedepot. */
const KEYS = {
  filename: 'x-depot-filename',
  lastModified: 'x-depot-modified',
  sha256: 'x-depot-sha256',
  metadata: 'x-depot-metadata',
  /** Of each write another one: tells our own object where the answer to a request was lost. */
  revision: 'x-depot-revision',
} as const;

/** What headers carry as it is: ASCII without controls. */
const PRINTABLE = /^[\x20-\x7e]*$/;

const NOT_PRINTABLE = /[^\x20-\x7e]/g;

const SHA256 = /^[0-9a-f]{64}$/;

/** Keys and values, as clients of object storages take and give them. */
export type UserMetadata = Readonly<Record<string, string>>;

/** A file as far as it is known when its object is written. */
export type WrittenFile = ExpectedFile & Partial<Pick<FileDetails, 'sha256' | 'lastModified'>>;

/** What the user metadata of an object say of its file. */
export type DescribedFile = Pick<FileDetails, 'filename' | 'sha256' | 'metadata'> &
  Partial<Pick<FileDetails, 'lastModified'>>;

/**
 * The user metadata by which an object keeps a file. A name that leaves no room for the rest is left out: it is in the
 * Content-Disposition too.
 * @param maxBytes of all keys and values together
 */
export function formatUserMetadata(file: WrittenFile, revision: string, maxBytes: number): UserMetadata {
  const { filename, metadata, sha256, lastModified = new Date() } = file;
  const others = {
    [KEYS.lastModified]: formatTimestamp(lastModified),
    [KEYS.revision]: revision,
    ...(sha256 !== undefined && { [KEYS.sha256]: sha256 }),
    ...(Object.keys(metadata).length > 0 && { [KEYS.metadata]: encodeMetadata(metadata) }),
  };
  const all = { [KEYS.filename]: encodeURIComponent(filename), ...others };
  return sizeOf(all) <= maxBytes ? all : others;
}

/** The file of an object, whoever wrote it. */
export function parseUserMetadata(
  userMetadata: UserMetadata,
  disposition: string | undefined,
): DescribedFile {
  const sha256 = userMetadata[KEYS.sha256] ?? '';
  const encodedName = userMetadata[KEYS.filename];
  const filename = encodedName === undefined ? dispositionName(disposition) : decoded(encodedName);
  const lastModified = parseTimestamp(userMetadata[KEYS.lastModified]);
  return {
    filename: cleanFileName(filename),
    ...(lastModified && { lastModified }),
    sha256: SHA256.test(sha256) ? sha256 : undefined,
    metadata: decodeMetadata(userMetadata[KEYS.metadata]),
  };
}

export function revisionOf(userMetadata: UserMetadata): string | undefined {
  return userMetadata[KEYS.revision];
}

/** A Content-Disposition (RFC 6266) with the name in ASCII, and in UTF-8 (RFC 8187) where that is not all of it. */
export function formatDisposition(type: 'inline' | 'attachment', filename: string): string {
  return contentDisposition(filename, { type, fallback: filename.replace(NOT_PRINTABLE, '_') });
}

function sizeOf(userMetadata: UserMetadata): number {
  return Object.entries(userMetadata).reduce((sum, [key, value]) => sum + key.length + value.length, 0);
}

/** JSON where headers can carry it, else base64url of it, which cannot begin like JSON does. */
function encodeMetadata(metadata: Metadata): string {
  const json = JSON.stringify(metadata);
  return PRINTABLE.test(json) && !json.includes('  ') ? json : Buffer.from(json).toString('base64url');
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

function dispositionName(disposition: string | undefined): string {
  try {
    return contentDisposition.parse(disposition ?? '').parameters.filename ?? UNNAMED;
  } catch {
    return UNNAMED;
  }
}

/** What others may have written there is no reason to refuse a file. */
function decodeMetadata(text: string | undefined): Metadata {
  if (!text) return checkedMetadata(undefined);
  try {
    return checkedMetadata(
      JSON.parse(text.startsWith('{') ? text : Buffer.from(text, 'base64url').toString()),
    );
  } catch {
    return checkedMetadata(undefined);
  }
}
