import type { Long, ObjectId } from 'mongodb';
import { UNNAMED } from '../../contract/file-name.js';
import type { Metadata } from '../../contract/metadata.js';
import type { NewFileDetails } from '../../contract/storage.js';
import type { FileDetails } from '../../contract/stored-file.js';
import { parsedContentType, UNKNOWN_CONTENT_TYPE } from '../../internal/content-type.js';
import { formatTimestamp, parseTimestamp } from '../../internal/timestamp.js';

/**
 * A document of `<collection>.files`, as the GridFS specification has it, with the keys of older drivers that Python's
 * filedepot reads (`contentType`, `last_modified`), and ours in `metadata.depot`. Others may have left keys out.
 */
export interface FileDocument {
  readonly _id: ObjectId;
  readonly length: number | Long;
  readonly chunkSize: number;
  readonly uploadDate: Date;
  readonly filename?: string | null;
  readonly contentType?: string | null;
  readonly last_modified?: string | null;
  readonly metadata?: FileMetadata | null;
  /** What older drivers counted, and what nobody checks. */
  readonly md5?: string;
}

interface FileMetadata {
  /** Where current drivers expect it. */
  readonly contentType?: string;
  readonly depot?: DepotMetadata;
}

interface DepotMetadata {
  /** Which chunks are the content: they have the same value. */
  readonly revision: ObjectId;
  readonly sha256: string;
  /** JSON: keys with a dot, a dollar or a NUL come through. */
  readonly metadata: string;
}

/** A document of `<collection>.chunks`. */
export interface ChunkDocument {
  readonly _id: ObjectId;
  readonly files_id: ObjectId;
  readonly n: number;
  readonly data: Buffer;
  /** Absent in what others wrote. */
  readonly revision?: ObjectId;
}

/** The content that a file has at one moment. A replacement makes a new one. */
export interface ContentKey {
  readonly fileId: ObjectId;
  /** Nothing where others wrote it. */
  readonly revision: ObjectId | null;
  readonly uploadDate: Date;
  /** Bytes. */
  readonly length: number;
  /** Bytes of each chunk but the last. */
  readonly chunkSize: number;
}

/** Name of the key by which contents are told apart, for queries. */
export const REVISION = 'metadata.depot.revision';

export function contentKeyOf(document: FileDocument): ContentKey {
  const { _id, length, chunkSize, uploadDate, metadata } = document;
  const revision = metadata?.depot?.revision ?? null;
  return { fileId: _id, revision, uploadDate, length: Number(length), chunkSize: Number(chunkSize) };
}

/** Finds the file's document only while it has this content. */
export function whileUnchanged({ fileId, revision, uploadDate }: ContentKey) {
  return { _id: fileId, uploadDate, [REVISION]: revision };
}

export function parseDetails(document: FileDocument): FileDetails {
  const { filename, contentType, last_modified, uploadDate, metadata } = document;
  const { length } = contentKeyOf(document);
  const depot = metadata?.depot;
  const givenType = contentType ?? metadata?.contentType ?? undefined;
  return Object.freeze({
    id: document._id.toHexString(),
    filename: filename || UNNAMED,
    contentType: parsedContentType(givenType) ?? UNKNOWN_CONTENT_TYPE,
    size: length,
    lastModified: parseTimestamp(last_modified) ?? wholeSeconds(uploadDate),
    sha256: depot?.sha256,
    metadata: parseMetadata(depot?.metadata),
    etag: `"${depot?.sha256 ?? `${length.toString(36)}-${uploadDate.getTime().toString(36)}`}"`,
  });
}

function parseMetadata(json: string | undefined): Metadata {
  return JSON.parse(json ?? '{}', (_key, value) => Object.freeze(value));
}

function wholeSeconds(date: Date): Date {
  return new Date(Math.floor(date.getTime() / 1000) * 1000);
}

/** What the storage itself knows of a new content. */
export interface NewContent {
  readonly fileId: ObjectId;
  readonly revision: ObjectId;
  /** 64 bits, as the specification has it: Python takes no floating-point number for a length. */
  readonly length: Long;
  readonly chunkSize: number;
}

export function formatDocument(content: NewContent, details: NewFileDetails): FileDocument {
  const { filename, contentType, lastModified, sha256 = '', metadata } = details;
  const { fileId, revision, length, chunkSize } = content;
  return {
    _id: fileId,
    length,
    chunkSize,
    uploadDate: new Date(),
    filename,
    contentType,
    last_modified: formatTimestamp(lastModified),
    metadata: { contentType, depot: { revision, sha256, metadata: JSON.stringify(metadata) } },
  };
}

/** A new document in place of an old one, with all that others have added to that, but for its digest. */
export function mergedDocument(old: FileDocument, fresh: FileDocument): FileDocument {
  const { md5: _outdated, ...kept } = old;
  const others = typeof old.metadata === 'object' ? old.metadata : {};
  return { ...kept, ...fresh, metadata: { ...others, ...fresh.metadata } };
}
