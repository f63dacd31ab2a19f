import type { Readable } from 'node:stream';
import type { Content } from '../contract/content.js';
import type { JsonValue, Metadata } from '../contract/metadata.js';
import type { StorageDirectory } from '../contract/storage-directory.js';
import type { StoredFile, StreamOptions } from '../contract/stored-file.js';
import type { DerivedFile } from './filters.js';

/** An attachment in its row: plain JSON. Files that filters have added stand beside these under their own names. */
export interface AttachmentData {
  /** Name of the storage that has the file. */
  readonly depot: string;
  readonly id: string;
  /** `<depot>/<id>`. */
  readonly path: string;
  readonly filename: string;
  readonly contentType: string;
  /** Bytes; absent for what Python wrote. */
  readonly size?: number | undefined;
  /** Hexadecimal digest; absent for what Python wrote. */
  readonly sha256?: string | undefined;
  /** ISO 8601, in UTC. */
  readonly uploadedAt: string;
  /** Paths of all files that belong to the attachment, its own first. */
  readonly files: readonly string[];
  readonly metadata?: Metadata | undefined;
  readonly [name: string]: JsonValue | undefined;
}

/** What may be said of content that is attached. */
export interface AttachOptions {
  /** @default the name that the content brings, else `unnamed` */
  readonly filename?: string | undefined;
  /** Media type. @default told by the content, else what it says of itself, else what the name promises */
  readonly contentType?: string | undefined;
  /** Facts of your own, kept with the file and in the attachment. @default {} */
  readonly metadata?: Metadata | undefined;
}

/**
 * What a field may be given without `attach`: what no JSON of a client can pretend to be. Texts and paths, and uploads
 * that multer has put on disk, need `attach`.
 */
export type AttachmentInput = Attachment | Exclude<Content, string | URL | { path: string }>;

/**
 * Makes content an attachment, for a field of a model; it is stored when the model is saved.
 * @param content everything that can be stored, multer's `req.file` with all that it holds, another attachment
 * @throws DepotError `INVALID_CONTENT` for a value that cannot be stored
 */
export declare function attach(content: Content | Attachment, options?: AttachOptions): Attachment;

/**
 * A file that belongs to a field of a model. It is *pending* until it is saved: it only has content then. Saved, it is a
 * new and frozen value in the same field.
 */
export declare class Attachment {
  private constructor();
  /** Whether it is saved. All below but `toJSON` fails with `ATTACHMENT_PENDING` before. */
  readonly isStored: boolean;
  readonly data: AttachmentData;
  readonly depot: string;
  readonly id: string;
  readonly path: string;
  readonly filename: string;
  readonly contentType: string;
  readonly size: number | undefined;
  readonly sha256: string | undefined;
  readonly uploadedAt: Date;
  readonly files: readonly string[];
  readonly metadata: Metadata;

  /**
   * An attachment from what a row holds: an object or its JSON text, ours or Python's.
   * @returns null for null, undefined and an empty text
   * @throws DepotError `INVALID_ATTACHMENT`
   */
  static fromJSON(value: unknown, directory: StorageDirectory): Attachment | null;
  /** A file that a filter has added, by its name. */
  derivative(name: string): DerivedFile | undefined;
  /** @throws DepotError `STORAGE_NOT_FOUND`, `FILE_NOT_FOUND` */
  file(): Promise<StoredFile>;
  /** The content, or a part of it; errors arrive on the stream. */
  stream(options?: StreamOptions): Readable;
  /** The whole content, in memory. */
  buffer(): Promise<Buffer>;
  /** Where the middleware serves it: computed when asked for, never kept. */
  url(): string;
  /** The same of a file that a filter has added; nothing where it has none. @param name @default 'thumb' */
  thumbUrl(name?: string): string | undefined;
  /** What is stored in the row; null while it is pending. */
  toJSON(): AttachmentData | null;
}
