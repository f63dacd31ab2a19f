import { randomUUID } from 'node:crypto';
import { isDeepStrictEqual } from 'node:util';
import type { ExpectedFile, NewFileDetails, StagingArea, StagingOptions } from '../../contract/storage.js';
import type { FileDetails } from '../../contract/stored-file.js';
import { DepotError } from '../../errors.js';
import type { GCSBucket } from './bucket.js';
import { ABSENT, createObject, replaceObject } from './conditional-write.js';
import { DirectUpload, type Publication, SingleInsert, StagedUpload, targetOf } from './publication.js';
import { ResumableUpload } from './resumable-upload.js';

/** Where objects are on their way to another name. */
export const STAGING_FOLDER = '.staging/';

/** Deleted at once, other classes cost as much as a month. */
const STAGING_CLASS = 'STANDARD';

/** Content up to this many bytes is sent as one buffer: to copy it costs less than to send its pieces one by one. */
const ONE_BUFFER_BYTES = 1024 * 1024;

/** What waits in memory. */
interface HeldContent {
  readonly chunks: readonly Buffer[];
  readonly byteLength: number;
}

/**
 * One piece waits in memory, and is sent as one object. More are uploaded one by one, and nobody sees them before the
 * last one. Google wants to know name, type, metadata and condition before the first:
 *
 * - of a new file that is known by then the upload is that of its object; what is known only at the end, the digest, is
 *   added afterwards;
 * - any other file is completed in the staging folder, and copied to its name with all that there is to say.
 */
export class GCSStagingArea implements StagingArea {
  readonly #bucket: GCSBucket;
  readonly #options: StagingOptions;
  readonly #revision = randomUUID();
  #file: ExpectedFile | undefined;
  #held: HeldContent | undefined;
  #upload: ResumableUpload | undefined;
  #publication: Publication | undefined;

  constructor(bucket: GCSBucket, options: StagingOptions) {
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
    if (held) await this.#upload.write(held.chunks, held.byteLength);
    await this.#upload.write(chunks, byteLength);
  }

  /** Who stages content may use its buffers again: what waits for a later commit is copied. */
  async finish(): Promise<void> {
    if (this.#upload) return;
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
    if (this.#file) throw changedMeanwhile();
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
    await upload?.cancel();
    await publication?.discard();
  }

  /** Content has one owner: this area, then its publication. */
  #publish(details: NewFileDetails): Publication {
    const target = targetOf(this.#bucket, details, this.#revision);
    const [held, upload] = [this.#held, this.#upload];
    this.#held = undefined;
    this.#upload = undefined;
    if (held) this.#publication = new SingleInsert(target, held.chunks);
    else if (!upload) throw new DepotError('STORAGE_FAILED', 'Nothing was staged');
    else if (!this.#file) this.#publication = new StagedUpload(target, upload);
    else this.#publication = new DirectUpload(target, upload);
    if (this.#file && !isSameFile(this.#file, details)) throw changedMeanwhile();
    return this.#publication;
  }

  /** A replacement cannot wait with its condition: what it replaces may be another content by its end. */
  #beginUpload(): ResumableUpload {
    const { signal, expected, replaces } = this.#options;
    if (!replaces) this.#file = expected?.();
    if (this.#file) {
      const { resource } = targetOf(this.#bucket, this.#file, this.#revision);
      return new ResumableUpload(this.#bucket, resource, ABSENT, signal);
    }
    const name = this.#bucket.key(STAGING_FOLDER + randomUUID());
    return new ResumableUpload(this.#bucket, { name, storageClass: STAGING_CLASS }, {}, signal);
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
