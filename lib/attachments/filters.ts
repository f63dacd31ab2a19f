import type { Readable } from 'node:stream';
import type { Content } from '../contract/content.js';
import type { JsonValue, Metadata } from '../contract/metadata.js';
import type { ByteRange } from '../contract/stored-file.js';

/**
 * Work done on an attachment as it is saved. Filters run in the order of their list, when the original is stored and no
 * row refers to it yet. What a filter throws refuses the attachment: nothing of it stays stored. A refusal that the
 * client is to blame for is a `DepotError` with a status below 500, e.g. `CONTENT_TYPE_NOT_ACCEPTED`.
 */
export interface AttachmentFilter {
  apply(context: FilterContext): Promise<void> | void;
}

/** The attachment that a filter works on. */
export interface FilterContext {
  /** What is known of the original. */
  readonly original: OriginalFile;
  /** Its content, as often as it is wanted. */
  readonly source: FilterSource;
  /** All filters of the field, in their order: those that share work can see what will be wanted. */
  readonly filters: readonly AttachmentFilter[];
  /** Aborted when the transaction ends before the save does, so that long work can stop. */
  readonly signal: AbortSignal;
  /**
   * What all filters of this attachment share, e.g. one decoded image: made when it is first asked for, and gone when the
   * last filter has ended.
   * @param key a symbol or an object of the filter's own module
   */
  share<Value>(key: symbol | object, create: () => Value): Value;
  /** Something to do when the last filter has ended, however it ended: release what was shared. */
  atEnd(release: () => Promise<void> | void): void;
  /**
   * Stores a file beside the original. It is recorded in the attachment's `files`, and goes with the attachment.
   * @param name the key in the attachment's JSON under which it is found, e.g. `thumb`
   * @throws DepotError `INVALID_OPTION` for a name that is taken; those of `FileStorage.create`
   */
  addFile(name: string, content: Content, options?: AddFileOptions): Promise<DerivedFile>;
  /**
   * Adds facts to the attachment's `metadata`; later ones win.
   * @throws DepotError `INVALID_METADATA` for what JSON cannot carry
   */
  addMetadata(metadata: Metadata): void;
}

/** What is known of a file that filters work on. */
export interface OriginalFile {
  readonly filename: string;
  /** Media type as it will be stored: told by the content where it can be. */
  readonly contentType: string;
  /** Media type by the content's magic bytes; absent for text and for what nobody knows. */
  readonly detectedType?: string | undefined;
  /** Bytes. */
  readonly size: number;
  /** Hexadecimal digest. */
  readonly sha256: string;
}

/** The content of the original: from where it came if it can be read again, else from the storage. */
export interface FilterSource {
  /** Where the content lies on this machine, in its storage or from where it came, if it does: only to be read there. */
  localPath(): Promise<string | undefined>;
  /** Opens a new stream, of the whole or a part. */
  open(range?: ByteRange): Readable;
  /** The whole in memory; read once for all filters. */
  buffer(): Promise<Buffer>;
}

export interface AddFileOptions {
  /** @default the original's name, after the file's own and a dash: `thumb-photo.jpg` */
  readonly filename?: string | undefined;
  /** @default what the name promises */
  readonly contentType?: string | undefined;
  /** Facts for the attachment's JSON, e.g. `{ width: 100, height: 80 }`. @default {} */
  readonly details?: Metadata | undefined;
  /** Name or alias of its storage. @default the original's */
  readonly storage?: string | undefined;
}

/** A file that a filter has added, as it stands in the attachment's JSON. What Python wrote has no more than a path. */
export interface DerivedFile {
  /** Name of the storage that has it. */
  readonly depot: string;
  readonly id: string;
  /** `<depot>/<id>`. */
  readonly path: string;
  readonly filename?: string | undefined;
  readonly contentType?: string | undefined;
  /** Bytes. */
  readonly size?: number | undefined;
  /** What the filter says of it. */
  readonly [detail: string]: JsonValue | undefined;
}
