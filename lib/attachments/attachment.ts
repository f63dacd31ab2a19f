import { randomUUID } from 'node:crypto';
import type { Readable } from 'node:stream';
import type { Content, LocalPath } from '../contract/content.js';
import { parseFilePath } from '../contract/file-path.js';
import type { Metadata } from '../contract/metadata.js';
import type { StorageDirectory } from '../contract/storage-directory.js';
import type { StoredFile, StreamOptions } from '../contract/stored-file.js';
import { DepotError } from '../errors.js';
import { parseAttachmentData } from './attachment-data.js';
import type { DerivedFile } from './filters.js';
import { lateStream } from './late-stream.js';

/**
 * A JSON value, as the types of an attachment tell of it: not by a type that contains itself, since those of some ORMs
 * take the types of columns apart, and would not come to an end.
 */
export type AttachmentFact = string | number | boolean | object | null;

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
  readonly metadata?: Readonly<Record<string, AttachmentFact>> | undefined;
  readonly [name: string]: AttachmentFact | undefined;
}

/** What may be said of content that is attached. */
export interface AttachOptions {
  /** @default the name that the content brings, else `unnamed` */
  readonly filename?: string | undefined;
  /** Media type. @default what the content says of itself, else what the name promises, unless its bytes show another */
  readonly contentType?: string | undefined;
  /** Facts of your own, kept with the file and in the attachment. @default {} */
  readonly metadata?: Metadata | undefined;
}

/** What a pending attachment has. */
export interface PendingContent {
  readonly content: Content | Attachment;
  readonly options: AttachOptions;
}

/**
 * What a field may be given without `attach`: what no JSON of a client can pretend to be. Texts and paths, and uploads
 * that multer has put on disk, need `attach`.
 */
export type AttachmentInput = Attachment | Exclude<Content, string | LocalPath>;

/**
 * Makes content an attachment, for a field of a model; it is stored when the model is saved. What is read from a stream
 * can be read once only; other content is read again where the same attachment goes to several rows, or is saved again
 * after a rollback.
 * @param content everything that can be stored, multer's `req.file` with all that it holds, another attachment
 * @throws DepotError `INVALID_CONTENT` where there is none, as in a form that came without a file
 */
export function attach(content: Content | Attachment, options: AttachOptions = {}): Attachment {
  if (content === undefined || content === null) throw nothingToAttach(content);
  return newPending({ content, options });
}

interface StoredState {
  readonly data: AttachmentData;
  readonly directory: StorageDirectory;
}

type State = StoredState | PendingContent;

let construct: (state: State) => Attachment;
let stateOf: (attachment: Attachment) => State;

/**
 * A file that belongs to a field of a model. It is *pending* until it is saved: it only has content then. Saved, it is a
 * new and frozen value in the same field. All that is read from a pending one fails with `ATTACHMENT_PENDING`.
 */
export class Attachment {
  static {
    construct = (state) => new Attachment(state);
    stateOf = (attachment) => attachment.#state;
  }

  /** Tells it from others, for comparisons by value: its path, or a random text while it is pending. */
  readonly key: string;
  readonly #state: State;

  private constructor(state: State) {
    this.#state = state;
    this.key = 'data' in state ? state.data.path : randomUUID();
    Object.freeze(this);
  }

  /**
   * An attachment from what a row holds: an object or its JSON text, ours or Python's.
   * @returns null for null, undefined and an empty text
   * @throws DepotError `INVALID_ATTACHMENT`
   */
  static fromJSON(value: unknown, directory: StorageDirectory): Attachment | null {
    const data = parseAttachmentData(value);
    return data && newStored(data, directory);
  }

  /** Whether it is saved. */
  get isStored(): boolean {
    return 'data' in this.#state;
  }

  /** What is stored in the row, deeply frozen. */
  get data(): AttachmentData {
    return this.#stored.data;
  }

  /** Name of the storage that has the file. */
  get depot(): string {
    return this.data.depot;
  }

  get id(): string {
    return this.data.id;
  }

  /** `<depot>/<id>`. */
  get path(): string {
    return this.data.path;
  }

  get filename(): string {
    return this.data.filename;
  }

  /** Media type. */
  get contentType(): string {
    return this.data.contentType;
  }

  /** Bytes; absent for what Python wrote. */
  get size(): number | undefined {
    return this.data.size;
  }

  /** Hexadecimal digest; absent for what Python wrote. */
  get sha256(): string | undefined {
    return this.data.sha256;
  }

  get uploadedAt(): Date {
    return new Date(this.data.uploadedAt);
  }

  /** Paths of all files that belong to it, its own first. */
  get files(): readonly string[] {
    return this.data.files;
  }

  /** Facts that the application or a filter has added. */
  get metadata(): Readonly<Record<string, AttachmentFact>> {
    return this.data.metadata ?? {};
  }

  /** A file that a filter has added, by its name. */
  derivative(name: string): DerivedFile | undefined {
    const value: unknown = Object.hasOwn(this.data, name) ? this.data[name] : undefined;
    return isDerivedFile(value) ? value : undefined;
  }

  /** @throws DepotError `STORAGE_NOT_FOUND`, `FILE_NOT_FOUND` */
  async file(): Promise<StoredFile> {
    const { data, directory } = this.#stored;
    const { storageName, id } = parseFilePath(data.path);
    return directory.get(storageName).get(id);
  }

  /** The content, or a part of it; errors arrive on the stream. */
  stream(options: StreamOptions = {}): Readable {
    return lateStream(() => this.file(), options);
  }

  /** The whole content, in memory. @throws DepotError those of `file` */
  async buffer(): Promise<Buffer> {
    return (await this.file()).buffer();
  }

  /** Where the middleware serves it: computed when it is asked for, and never kept. */
  url(): string {
    const { data, directory } = this.#stored;
    return directory.urlFor(data.path);
  }

  /** The same of a file that a filter has added; nothing where it has none. */
  thumbUrl(name = 'thumb'): string | undefined {
    const thumb = this.derivative(name);
    return thumb && this.#stored.directory.urlFor(thumb.path);
  }

  /** What is stored in the row; null while it is pending. */
  toJSON(): AttachmentData | null {
    return 'data' in this.#state ? this.#state.data : null;
  }

  /**
   * What drivers of MongoDB store in the row. One that is pending is none: its row would have no file.
   * @throws DepotError `ATTACHMENT_PENDING`
   */
  toBSON(): AttachmentData {
    return this.data;
  }

  get #stored(): StoredState {
    if ('data' in this.#state) return this.#state;
    throw new DepotError('ATTACHMENT_PENDING', 'The attachment is not saved yet: it has content only');
  }
}

/** An attachment in a row. */
export function newStored(data: AttachmentData, directory: StorageDirectory): Attachment {
  return construct({ data, directory });
}

/** Content that is not saved yet. */
export function newPending(pending: PendingContent): Attachment {
  return construct(pending);
}

/** The content of an attachment that is not saved yet; nothing for one that is. */
export function pendingContent(attachment: Attachment): PendingContent | undefined {
  const state = stateOf(attachment);
  return 'data' in state ? undefined : state;
}

function nothingToAttach(content: unknown): DepotError {
  return new DepotError(
    'INVALID_CONTENT',
    `There is nothing to attach, but ${content}; a form that came without a file has no req.file`,
  );
}

function isDerivedFile(value: unknown): value is DerivedFile {
  return typeof value === 'object' && value !== null && 'path' in value && 'depot' in value && 'id' in value;
}
