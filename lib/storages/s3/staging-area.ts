import { randomUUID } from 'node:crypto';
import { isDeepStrictEqual } from 'node:util';
import type { ExpectedFile, NewFileDetails, StagingArea, StagingOptions } from '../../contract/storage.js';
import type { FileDetails } from '../../contract/stored-file.js';
import { DepotError } from '../../errors.js';
import type { RequestBody } from './body.js';
import type { S3Bucket } from './bucket.js';
import { createObject, replaceObject } from './conditional-write.js';
import { MultipartUpload } from './multipart-upload.js';
import { writeParameters } from './parameters.js';
import { DirectUpload, type Publication, SinglePut, StagedUpload } from './publication.js';

/** Where objects are on their way to another key. */
export const STAGING_FOLDER = '.staging/';

/** Content up to this many bytes is sent as one buffer: to copy it costs less than to send its pieces one by one. */
const ONE_BUFFER_BYTES = 1024 * 1024;

/**
 * One piece waits in memory, and is put as one object. More are uploaded in parts, which nobody sees until they are
 * completed. S3 wants to know name, type and metadata before the first part:
 *
 * - of a file that is known by then the upload is that of its object; what is known only at the end, the digest, is
 *   added by a copy of the object onto itself;
 * - any other file is completed in the staging folder, and copied to its key with all that there is to say.
 */
export class S3StagingArea implements StagingArea {
  readonly #bucket: S3Bucket;
  readonly #options: StagingOptions;
  readonly #revision = randomUUID();
  #file: ExpectedFile | undefined;
  #held: RequestBody | undefined;
  #upload: MultipartUpload | undefined;
  #publication: Publication | undefined;

  constructor(bucket: S3Bucket, options: StagingOptions) {
    this.#bucket = bucket;
    this.#options = options;
  }

  get newId(): string | undefined {
    return this.#file?.id;
  }

  /** The first piece is held until there is a second one. */
  async write(chunks: readonly Buffer[], byteLength: number): Promise<void> {
    const held = this.#held;
    this.#held = undefined;
    if (!held && !this.#upload) {
      this.#held = { chunks, byteLength };
      return;
    }
    this.#upload ??= this.#beginUpload();
    if (held) await this.#upload.write(held);
    await this.#upload.write({ chunks, byteLength });
  }

  /** Who stages content may use its buffers again: what waits for a later commit is copied. */
  async finish(): Promise<void> {
    if (this.#upload) {
      await this.#upload.finish();
      return;
    }
    // What waits in memory has not told yet whether there is anything to wait for.
    if (!this.#options.expected) await this.#bucket.firstUse();
    const { chunks, byteLength } = this.#held ?? { chunks: [], byteLength: 0 };
    const isToCopy = !this.#options.expected || byteLength <= ONE_BUFFER_BYTES;
    this.#held = { chunks: isToCopy ? [Buffer.concat(chunks, byteLength)] : chunks, byteLength };
  }

  async commit(details: NewFileDetails): Promise<void> {
    const publication = this.#publish(details);
    await createObject(this.#bucket, details.id, this.#revision, publication);
    this.#publication = undefined;
    await publication.settle();
  }

  async replace(details: NewFileDetails, old: FileDetails): Promise<void> {
    const publication = this.#publish(details);
    await replaceObject(this.#bucket, old, this.#revision, publication);
    this.#publication = undefined;
    await publication.settle();
  }

  async discard(): Promise<void> {
    const [upload, publication] = [this.#upload, this.#publication];
    this.#held = undefined;
    this.#upload = undefined;
    this.#publication = undefined;
    await upload?.abort();
    await publication?.discard();
  }

  /** Content has one owner: this area, then its publication. */
  #publish(details: NewFileDetails): Publication {
    const bucket = this.#bucket;
    const target = { bucket, details, parameters: writeParameters(bucket.settings, details, this.#revision) };
    const [held, upload] = [this.#held, this.#upload];
    this.#held = undefined;
    this.#upload = undefined;
    if (held) this.#publication = new SinglePut(target, held);
    else if (!upload) throw new DepotError('STORAGE_FAILED', 'Nothing was staged');
    else if (!this.#file) this.#publication = new StagedUpload(target, upload);
    else this.#publication = new DirectUpload(target, upload);
    if (this.#file && !isSameFile(this.#file, details)) throw changedMeanwhile();
    return this.#publication;
  }

  #beginUpload(): MultipartUpload {
    const { signal, expected } = this.#options;
    this.#file = expected?.();
    const key = this.#file ? this.#file.id : STAGING_FOLDER + randomUUID();
    const parameters = this.#file && writeParameters(this.#bucket.settings, this.#file, this.#revision);
    return new MultipartUpload(this.#bucket, this.#bucket.key(key), parameters ?? {}, signal);
  }
}

function isSameFile(one: ExpectedFile, other: ExpectedFile): boolean {
  const facts = ({ id, filename, contentType, metadata }: ExpectedFile) => [
    id,
    filename,
    contentType,
    metadata,
  ];
  return isDeepStrictEqual(facts(one), facts(other));
}

function changedMeanwhile(): DepotError {
  return new DepotError('CONFLICT', 'The file is not to be what it was expected to be when its upload began');
}
