import type { NewFileDetails } from '../../contract/storage.js';
import type { Publication } from '../../object-storage/conditional-write.js';
import { revisionOf } from '../../object-storage/object-metadata.js';
import type { RequestBody } from './body.js';
import type { S3Bucket } from './bucket.js';
import { copyObject } from './copy-object.js';
import { nameOf } from './errors.js';
import type { MultipartUpload } from './multipart-upload.js';
import { conditionOf, type WriteParameters } from './parameters.js';

/** What a publication makes, and where. */
export interface Target {
  readonly bucket: S3Bucket;
  readonly details: NewFileDetails;
  readonly parameters: WriteParameters;
}

/** Content that has waited in memory: one request makes the object. */
export class SinglePut implements Publication {
  readonly isUnconditional: boolean;
  readonly #target: Target;
  readonly #body: RequestBody;

  constructor(target: Target, body: RequestBody) {
    this.isUnconditional = !target.bucket.settings.conditionalWrites;
    this.#target = target;
    this.#body = body;
  }

  async write(etag: string | undefined): Promise<void> {
    const { bucket, details, parameters } = this.#target;
    const body = { ...this.#body, sha256: details.sha256 };
    const condition = conditionOf(bucket.settings, etag);
    await bucket.put(bucket.key(details.id), { ...parameters, ...condition }, body);
  }

  async settle(): Promise<void> {}

  async discard(): Promise<void> {}
}

/** Parts of an upload that was begun with all that is kept of the file, but for the digest. */
export class DirectUpload implements Publication {
  readonly isUnconditional: boolean;
  readonly #target: Target;
  readonly #upload: MultipartUpload;
  #etag: string | undefined;

  constructor(target: Target, upload: MultipartUpload) {
    this.isUnconditional = !target.bucket.settings.conditionalWrites;
    this.#target = target;
    this.#upload = upload;
  }

  async write(etag: string | undefined): Promise<void> {
    const { settings } = this.#target.bucket;
    this.#etag = await this.#upload.complete(conditionOf(settings, etag));
  }

  /** Adds the digest. The file is whole without it: a failure is no reason to fail. */
  async settle(): Promise<void> {
    await this.#addDigest().catch(ignore);
  }

  /** To our own object, never to one that has come in its place. */
  async #addDigest(): Promise<void> {
    const { bucket, details, parameters } = this.#target;
    const { key } = this.#upload;
    const etag = this.#etag ?? (await this.#findEtag());
    if (etag === undefined) return;
    const source = { key, size: details.size, etag };
    await copyObject(bucket, source, key, parameters, conditionOf(bucket.settings, etag));
  }

  /** Where the answer was lost that told it. */
  async #findEtag(): Promise<string | undefined> {
    const { bucket, parameters } = this.#target;
    const { ETag, Metadata } = (await bucket.head(this.#upload.key)) ?? {};
    return revisionOf(Metadata ?? {}) === revisionOf(parameters.Metadata ?? {}) ? ETag : undefined;
  }

  discard(): Promise<void> {
    return this.#upload.abort();
  }
}

/** Parts of an upload to the staging folder. */
export class StagedUpload implements Publication {
  readonly isUnconditional = true;
  readonly #target: Target;
  readonly #upload: MultipartUpload;
  #completion: Promise<unknown> | undefined;

  constructor(target: Target, upload: MultipartUpload) {
    this.#target = target;
    this.#upload = upload;
  }

  async write(etag: string | undefined): Promise<void> {
    const { bucket, details, parameters } = this.#target;
    this.#completion ??= this.#upload.complete({}).catch(unlessRepeated);
    await this.#completion;
    const source = { key: this.#upload.key, size: details.size };
    await copyObject(bucket, source, bucket.key(details.id), parameters, conditionOf(bucket.settings, etag));
  }

  /** An object that cannot be deleted now is swept later. */
  async settle(): Promise<void> {
    await this.#target.bucket.delete(this.#upload.key).catch(ignore);
  }

  /** Nobody knows of a completion that failed whether it was done. */
  async discard(): Promise<void> {
    const isComplete = await this.#completion?.then(
      () => true,
      () => false,
    );
    if (!isComplete) await this.#upload.abort();
    if (this.#completion) await this.settle();
  }
}

/** The server knows the upload no more: nobody else can have completed it, and its object is there. Copying it will tell. */
function unlessRepeated(error: unknown): void {
  if (nameOf(error) !== 'NoSuchUpload') throw error;
}

function ignore(): void {}
