import type { Readable } from 'node:stream';
import type { Capabilities } from '../contract/capabilities.js';
import { type FileOrId, toFileId } from '../contract/staged-file.js';
import {
  FileStorage,
  type ListOptions,
  type OpenFile,
  type OpenOptions,
  type ReadOptions,
  type StagingArea,
  type StagingOptions,
  type UrlOptions,
} from '../contract/storage.js';
import { type FileDetails, StoredFile, type StreamOptions } from '../contract/stored-file.js';
import type { ObjectBucket } from './object-bucket.js';
import { ObjectReader, type ObjectSource } from './object-reader.js';
import { PresignedUrls, type SignUrl } from './presigned-urls.js';
import { ABANDONED_AFTER } from './staging-area.js';

/** What each server does in its own way. */
export interface ObjectBackend {
  readonly bucket: ObjectBucket;
  readonly objects: ObjectSource;
  readonly signUrl: SignUrl;
  openStaging(options: StagingOptions): StagingArea;
  /** The ids below the prefix, in the order of the names; what is deeper down belongs to others. */
  listIds(options: ListOptions): AsyncIterable<string>;
  /** Removes what processes that were killed have left. */
  sweep(): Promise<void>;
}

/** Keeps files as objects of a bucket. */
export abstract class ObjectStorage extends FileStorage {
  readonly capabilities: Capabilities = new Set(['url', 'anyId']);
  override readonly serve: 'auto' | 'redirect' | 'stream';
  override readonly isPublic: boolean;
  protected override readonly pieceSize: number;
  readonly #backend: ObjectBackend;
  readonly #reader: ObjectReader;
  readonly #signedUrls: PresignedUrls;
  /** Milliseconds since the epoch. */
  #sweptAt = Number.NEGATIVE_INFINITY;

  constructor(backend: ObjectBackend, pieceSize: number) {
    super();
    const { serve, policy, publicUrl } = backend.bucket.settings;
    this.serve = serve;
    this.isPublic = policy === 'public-read' || publicUrl !== undefined;
    this.pieceSize = pieceSize;
    this.#backend = backend;
    this.#reader = new ObjectReader(backend.objects);
    this.#signedUrls = new PresignedUrls(backend.signUrl);
  }

  /** Name of the bucket. */
  get bucket(): string {
    return this.#backend.bucket.settings.bucket;
  }

  /** What the names of all objects begin with. */
  get prefix(): string {
    return this.#backend.bucket.settings.prefix;
  }

  /**
   * @throws DepotError `STORAGE_UNAVAILABLE`, `STORAGE_LOGIN_FAILED`, `STORAGE_ACCESS_DENIED`, `BUCKET_NOT_FOUND`,
   *   `WRONG_REGION` (of S3), `CLOCK_SKEW`, `MISSING_PACKAGE`
   */
  check(): Promise<void> {
    return this.#backend.bucket.check();
  }

  override close(): Promise<void> {
    return this.#backend.bucket.close();
  }

  /** One request, whose answer has details and content: those of `options.range`, if that is given. */
  override async open(fileOrId: FileOrId, options: OpenOptions = {}): Promise<OpenFile> {
    options.signal?.throwIfAborted();
    const object = await this.#reader.open(toFileId(fileOrId), options);
    const file = this.toStoredFile(object.details);
    return { file, stream: (range = {}) => object.stream(range), close: async () => object.close() };
  }

  /**
   * The public URL, where there is one and it does as is asked; else a signed one. Within half of its time a file's signed
   * URL stays the same, so that it works for half of `expiresIn` at least; never longer than the credentials.
   * @throws DepotError `FILE_NOT_FOUND` for an id; a file that is given is not looked for. `STORAGE_LOGIN_FAILED` where the
   *   credentials cannot sign
   */
  override async url(fileOrId: FileOrId, options: UrlOptions = {}): Promise<string> {
    const file = fileOrId instanceof StoredFile ? fileOrId : await this.stat(fileOrId);
    const isPlain = options.disposition !== 'attachment';
    return (isPlain ? file.publicUrl : undefined) ?? this.#signedUrls.get(file, options);
  }

  protected openStaging(options: StagingOptions): StagingArea {
    this.sweepAbandoned();
    return this.#backend.openStaging(options);
  }

  protected readDetails(id: string, options: ReadOptions): Promise<FileDetails> {
    return this.#reader.details(id, options);
  }

  protected openStream(details: FileDetails, options: StreamOptions): Readable {
    return this.#reader.stream(details, options);
  }

  protected remove(id: string): Promise<void> {
    const { bucket } = this.#backend;
    return bucket.delete(bucket.key(id));
  }

  protected listIds(options: ListOptions): AsyncIterable<string> {
    return this.#backend.listIds(options);
  }

  /** Once a day, in the background: whoever may write may not always list, and what stays does no harm. */
  protected sweepAbandoned(): void {
    if (Date.now() - this.#sweptAt < ABANDONED_AFTER) return;
    this.#sweptAt = Date.now();
    this.#backend.sweep().catch(() => {});
  }
}
