import type { Readable } from 'node:stream';
import type { Capabilities } from '../contract/capabilities.js';
import { PresignedUrls } from '../contract/presigned-urls.js';
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
import { GCSBucket } from './gcs/bucket.js';
import { listIds } from './gcs/id-list.js';
import { ObjectReader } from './gcs/object-reader.js';
import { checkedOptions, type GCSStorageOptions } from './gcs/options.js';
import { urlSigner } from './gcs/signed-urls.js';
import { GCSStagingArea, STAGING_FOLDER } from './gcs/staging-area.js';
import { sweep } from './gcs/sweep.js';

export type { GCSClientLike, GCSCredentials, GCSStorageOptions } from './gcs/options.js';

/**
 * Keeps files as objects of a bucket of Google Cloud Storage, in a format shared with Python's filedepot. Needs the
 * package `@google-cloud/storage`.
 */
export class GCSStorage extends FileStorage {
  readonly capabilities: Capabilities = new Set(['url', 'anyId']);
  override readonly serve: 'auto' | 'redirect' | 'stream';
  protected override readonly pieceSize: number;
  readonly #bucket: GCSBucket;
  readonly #reader: ObjectReader;
  readonly #signedUrls: PresignedUrls;
  #isSwept = false;

  /**
   * Connects to nothing yet: `check()` tells whether the bucket can be used.
   * @throws DepotError `INVALID_OPTION`
   */
  constructor(options: GCSStorageOptions) {
    super();
    const settings = checkedOptions(options);
    this.serve = settings.serve;
    this.pieceSize = settings.chunkSize;
    this.#bucket = new GCSBucket(settings);
    this.#reader = new ObjectReader(this.#bucket);
    this.#signedUrls = new PresignedUrls(urlSigner(this.#bucket));
  }

  /** Name of the bucket. */
  get bucket(): string {
    return this.#bucket.settings.bucket;
  }

  /** What the names of all objects begin with. */
  get prefix(): string {
    return this.#bucket.settings.prefix;
  }

  /**
   * @throws DepotError `STORAGE_UNAVAILABLE`, `STORAGE_LOGIN_FAILED`, `STORAGE_ACCESS_DENIED`, `BUCKET_NOT_FOUND`,
   *   `CLOCK_SKEW`, `MISSING_PACKAGE`
   */
  check(): Promise<void> {
    return this.#bucket.check();
  }

  override close(): Promise<void> {
    return this.#bucket.close();
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
   * URL stays the same, so that it works for half of `expiresIn` at least.
   * @throws DepotError `FILE_NOT_FOUND` for an id; a file that is given is not looked for. `STORAGE_LOGIN_FAILED` where the
   *   credentials cannot sign
   */
  override async url(fileOrId: FileOrId, options: UrlOptions = {}): Promise<string> {
    const file = fileOrId instanceof StoredFile ? fileOrId : await this.stat(fileOrId);
    const isPlain = options.disposition !== 'attachment';
    return (isPlain ? file.publicUrl : undefined) ?? this.#signedUrls.get(file, options);
  }

  protected openStaging(options: StagingOptions): StagingArea {
    if (!this.#isSwept) this.#sweep();
    return new GCSStagingArea(this.#bucket, options);
  }

  protected readDetails(id: string, options: ReadOptions): Promise<FileDetails> {
    return this.#reader.details(id, options);
  }

  protected openStream(details: FileDetails, options: StreamOptions): Readable {
    return this.#reader.stream(details, options);
  }

  protected remove(id: string): Promise<void> {
    return this.#bucket.delete(this.#bucket.key(id));
  }

  protected listIds(options: ListOptions): AsyncIterable<string> {
    return listIds(this.#bucket, options);
  }

  /** Once, in the background: whoever may write may not always list, and what stays does no harm. */
  #sweep(): void {
    this.#isSwept = true;
    sweep(this.#bucket, this.#bucket.key(STAGING_FOLDER)).catch(() => {});
  }
}
