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
import { S3Bucket } from './s3/bucket.js';
import { listIds } from './s3/id-list.js';
import { ObjectReader } from './s3/object-reader.js';
import { checkedOptions, type S3StorageOptions } from './s3/options.js';
import { urlSigner } from './s3/signed-urls.js';
import { S3StagingArea, STAGING_FOLDER } from './s3/staging-area.js';
import { sweep } from './s3/sweep.js';

export type { S3ClientLike, S3Credentials, S3StorageOptions } from './s3/options.js';

/**
 * Keeps files as objects of a bucket, of Amazon S3 or of a server that speaks its protocol, in a format shared with
 * Python's filedepot. Needs the package `@aws-sdk/client-s3`, and for signed URLs `@aws-sdk/s3-request-presigner`.
 */
export class S3Storage extends FileStorage {
  readonly capabilities: Capabilities = new Set(['url', 'anyId']);
  override readonly serve: 'auto' | 'redirect' | 'stream';
  protected override readonly pieceSize: number;
  readonly #bucket: S3Bucket;
  readonly #reader: ObjectReader;
  readonly #signedUrls: PresignedUrls;
  #isSwept = false;

  /**
   * Connects to nothing yet: `check()` tells whether the bucket can be used.
   * @throws DepotError `INVALID_OPTION`
   */
  constructor(options: S3StorageOptions) {
    super();
    const settings = checkedOptions(options);
    this.serve = settings.serve;
    this.pieceSize = settings.partSize;
    this.#bucket = new S3Bucket(settings);
    this.#reader = new ObjectReader(this.#bucket);
    this.#signedUrls = new PresignedUrls(urlSigner(this.#bucket));
  }

  /** Name of the bucket. */
  get bucket(): string {
    return this.#bucket.settings.bucket;
  }

  /** What the keys of all objects begin with. */
  get prefix(): string {
    return this.#bucket.settings.prefix;
  }

  /**
   * @throws DepotError `STORAGE_UNAVAILABLE`, `STORAGE_LOGIN_FAILED`, `STORAGE_ACCESS_DENIED`, `BUCKET_NOT_FOUND`,
   *   `WRONG_REGION`, `CLOCK_SKEW`, `MISSING_PACKAGE`
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
   * URL stays the same, so that it works for half of `expiresIn` at least; never longer than the credentials.
   * @throws DepotError `FILE_NOT_FOUND` for an id; a file that is given is not looked for
   */
  override async url(fileOrId: FileOrId, options: UrlOptions = {}): Promise<string> {
    const file = fileOrId instanceof StoredFile ? fileOrId : await this.stat(fileOrId);
    const isPlain = options.disposition !== 'attachment';
    return (isPlain ? file.publicUrl : undefined) ?? this.#signedUrls.get(file, options);
  }

  protected openStaging(options: StagingOptions): StagingArea {
    if (!this.#isSwept) this.#sweep();
    return new S3StagingArea(this.#bucket, options);
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
