import type {
  GetObjectCommandOutput,
  HeadObjectCommandOutput,
  PutObjectCommandInput,
} from '@aws-sdk/client-s3';
import contentDisposition from 'content-disposition';
import { cleanFileName, UNNAMED } from '../../contract/file-name.js';
import { checkedMetadata, type Metadata } from '../../contract/metadata.js';
import type { ExpectedFile } from '../../contract/storage.js';
import type { FileDetails } from '../../contract/stored-file.js';
import { UNKNOWN_CONTENT_TYPE } from '../../internal/content-type.js';
import { formatTimestamp, parseTimestamp } from '../../internal/timestamp.js';

/** User metadata of an object. The first two are those of Python's filedepot. */
const KEYS = {
  filename: 'x-depot-filename',
  lastModified: 'x-depot-modified',
  sha256: 'x-depot-sha256',
  metadata: 'x-depot-metadata',
  /** Of each write another one: tells our own object where the answer to a request was lost. */
  revision: 'x-depot-revision',
} as const;

/** All keys and values together, in bytes: https://docs.aws.amazon.com/AmazonS3/latest/userguide/UsingMetadata.html */
const MAX_USER_METADATA_BYTES = 2048;

/** What headers carry as it is: ASCII without controls. */
const PRINTABLE = /^[\x20-\x7e]*$/;

const NOT_PRINTABLE = /[^\x20-\x7e]/g;

const SHA256 = /^[0-9a-f]{64}$/;

/** A file as far as it is known when its object is written. */
export type WrittenFile = ExpectedFile & Partial<Pick<FileDetails, 'sha256' | 'lastModified'>>;

/** What is kept of a file beside its content, as parameters of the requests that write objects. */
export type ObjectDescription = Required<
  Pick<PutObjectCommandInput, 'ContentType' | 'ContentDisposition' | 'Metadata'>
>;

export function describeObject(file: WrittenFile, revision: string): ObjectDescription {
  return {
    ContentType: file.contentType,
    ContentDisposition: formatDisposition('inline', file.filename),
    Metadata: userMetadata(file, revision),
  };
}

/** A Content-Disposition (RFC 6266) with the name in ASCII, and in UTF-8 (RFC 8187) where that is not all of it. */
export function formatDisposition(type: 'inline' | 'attachment', filename: string): string {
  return contentDisposition(filename, { type, fallback: filename.replace(NOT_PRINTABLE, '_') });
}

/** A name that leaves no room for the rest is kept in the Content-Disposition alone. */
function userMetadata(file: WrittenFile, revision: string): Record<string, string> {
  const { filename, metadata, sha256, lastModified = new Date() } = file;
  const others = {
    [KEYS.lastModified]: formatTimestamp(lastModified),
    [KEYS.revision]: revision,
    ...(sha256 !== undefined && { [KEYS.sha256]: sha256 }),
    ...(Object.keys(metadata).length > 0 && { [KEYS.metadata]: encodeMetadata(metadata) }),
  };
  const all = { [KEYS.filename]: encodeURIComponent(filename), ...others };
  return sizeOf(all) <= MAX_USER_METADATA_BYTES ? all : others;
}

function sizeOf(userMetadata: Record<string, string>): number {
  return Object.entries(userMetadata).reduce((sum, [key, value]) => sum + key.length + value.length, 0);
}

/** JSON where headers can carry it, else base64url of it, which cannot begin like JSON does. */
function encodeMetadata(metadata: Metadata): string {
  const json = JSON.stringify(metadata);
  return PRINTABLE.test(json) && !json.includes('  ') ? json : Buffer.from(json).toString('base64url');
}

/** What S3 tells of an object. */
export type ObjectHead = Pick<
  HeadObjectCommandOutput & GetObjectCommandOutput,
  | 'ContentType'
  | 'ContentDisposition'
  | 'ContentLength'
  | 'ContentRange'
  | 'ETag'
  | 'LastModified'
  | 'Metadata'
>;

/** The details of a file, whoever wrote its object. */
export function parseObject(id: string, head: ObjectHead, publicUrl: string | undefined): FileDetails {
  const { Metadata = {}, LastModified = new Date(0) } = head;
  const sha256 = Metadata[KEYS.sha256] ?? '';
  return {
    id,
    filename: parseFilename(head),
    contentType: head.ContentType || UNKNOWN_CONTENT_TYPE,
    size: parseSize(head),
    lastModified: parseTimestamp(Metadata[KEYS.lastModified]) ?? LastModified,
    sha256: SHA256.test(sha256) ? sha256 : undefined,
    metadata: decodeMetadata(Metadata[KEYS.metadata]),
    etag: head.ETag ?? '',
    publicUrl,
  };
}

export function revisionOf({ Metadata }: ObjectHead): string | undefined {
  return Metadata?.[KEYS.revision];
}

/** The length of all content, also where only a part of it was asked for (RFC 9110 section 14.4). */
function parseSize({ ContentLength = 0, ContentRange }: ObjectHead): number {
  const total = /\/(\d+)$/.exec(ContentRange ?? '')?.[1];
  return total === undefined ? ContentLength : Number(total);
}

function parseFilename({ Metadata, ContentDisposition }: ObjectHead): string {
  const encoded = Metadata?.[KEYS.filename];
  return cleanFileName(encoded === undefined ? dispositionName(ContentDisposition) : decoded(encoded));
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
