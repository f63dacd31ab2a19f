import { randomUUID } from 'node:crypto';
import type { Publication } from '../../object-storage/conditional-write.js';
import type { WrittenFile } from '../../object-storage/object-metadata.js';
import { asJson, type GCSBucket } from './bucket.js';
import { isConditionRefused } from './errors.js';
import { describeObject, type ObjectResource } from './object-format.js';
import { accessQuery, conditionOf } from './parameters.js';
import type { ResumableUpload } from './resumable-upload.js';

/** What a publication makes, and where. */
export interface Target {
  readonly bucket: GCSBucket;
  readonly resource: ObjectResource;
}

/** @param file as far as it is known */
export function targetOf(bucket: GCSBucket, file: WrittenFile, revision: string): Target {
  const { storageClass } = bucket.settings;
  const resource = describeObject(bucket.key(file.id), file, revision);
  return { bucket, resource: { ...resource, ...(storageClass !== undefined && { storageClass }) } };
}

/** Content that has waited in memory: one request makes the object. */
export class SingleInsert implements Publication {
  readonly isUnconditional = false;
  readonly #target: Target;
  readonly #chunks: readonly Buffer[];

  constructor(target: Target, chunks: readonly Buffer[]) {
    this.#target = target;
    this.#chunks = chunks;
  }

  /** https://cloud.google.com/storage/docs/uploading-objects#uploading-an-object, "multipart" */
  async write(etag: string | undefined): Promise<void> {
    const { bucket, resource } = this.#target;
    const access = accessQuery(bucket.settings, 'predefinedAcl');
    const query = { uploadType: 'multipart', fields: 'generation', ...access, ...conditionOf(etag) };
    const path = `/upload${bucket.objectsPath(undefined, query)}`;
    const request = { method: 'POST', path, ...relatedParts(resource, this.#chunks) } as const;
    await bucket.call(request, { isExpected: isConditionRefused });
  }

  async settle(): Promise<void> {}

  async discard(): Promise<void> {}
}

/** An upload that was begun with all that is kept of a new file, but for the digest. */
export class DirectUpload implements Publication {
  readonly isUnconditional = false;
  readonly #target: Target;
  readonly #upload: ResumableUpload;
  #generation = '';

  constructor(target: Target, upload: ResumableUpload) {
    this.#target = target;
    this.#upload = upload;
  }

  /** The condition was given when the upload was begun: that there is no such object. */
  async write(): Promise<void> {
    this.#generation = await this.#upload.complete();
  }

  /** Adds the digest. The file is whole without it: a failure is no reason to fail. */
  async settle(): Promise<void> {
    const { bucket, resource } = this.#target;
    const query = { ifGenerationMatch: this.#generation, fields: 'generation' };
    const path = bucket.objectsPath(resource.name, query);
    const { metadata } = resource;
    await bucket.call({ method: 'PATCH', path, ...asJson({ metadata }) }).catch(ignore);
  }

  discard(): Promise<void> {
    return this.#upload.abort();
  }
}

/** An upload to the staging folder. */
export class StagedUpload implements Publication {
  readonly isUnconditional = false;
  readonly #target: Target;
  readonly #upload: ResumableUpload;
  #completion: Promise<string> | undefined;

  constructor(target: Target, upload: ResumableUpload) {
    this.#target = target;
    this.#upload = upload;
  }

  /** Has the server copy the object, which takes it several requests if the copy is of another storage class. */
  async write(etag: string | undefined): Promise<void> {
    const { bucket, resource } = this.#target;
    this.#completion ??= this.#upload.complete();
    const sourceGeneration = await this.#completion;
    const access = accessQuery(bucket.settings, 'destinationPredefinedAcl');
    let rewriteToken: string | undefined;
    do {
      const query = {
        sourceGeneration,
        rewriteToken,
        fields: 'rewriteToken',
        ...access,
        ...conditionOf(etag),
      };
      const path = bucket.rewritePath(this.#upload.key, resource.name, query);
      const options = { isExpected: isConditionRefused };
      const { body } = await bucket.call({ method: 'POST', path, ...asJson(resource) }, options);
      rewriteToken = JSON.parse(body).rewriteToken || undefined;
    } while (rewriteToken !== undefined);
  }

  /** An object that cannot be deleted now is swept later. */
  async settle(): Promise<void> {
    await this.#target.bucket.remove(this.#upload.key).catch(ignore);
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

/** A body of two parts, what is said of an object and its content (RFC 2387). */
function relatedParts(resource: ObjectResource, content: readonly Buffer[]) {
  const boundary = randomUUID();
  const lines = [
    `--${boundary}`,
    'content-type: application/json; charset=UTF-8',
    '',
    JSON.stringify(resource),
    `--${boundary}`,
    `content-type: ${resource.contentType}`,
    '',
    '',
  ];
  return {
    headers: { 'content-type': `multipart/related; boundary=${boundary}` },
    body: [Buffer.from(lines.join('\r\n')), ...content, Buffer.from(`\r\n--${boundary}--\r\n`)],
  };
}

function ignore(): void {}
