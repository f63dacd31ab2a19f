import { randomUUID } from 'node:crypto';
import { isDeepStrictEqual } from 'node:util';
import type { ExpectedFile, NewFileDetails, StagingArea, StagingOptions } from '../contract/storage.js';
import type { FileDetails } from '../contract/stored-file.js';
import { DepotError } from '../errors.js';
import { ConditionalWrite, type Publication, type WriteRules } from './conditional-write.js';
import type { ObjectBucket } from './object-bucket.js';
import type { ObjectSource } from './object-reader.js';

/** Where objects are on their way to another name. */
export const STAGING_FOLDER = '.staging/';

/** Milliseconds after which what was staged counts as abandoned: nobody knows whether its process lives. */
export const ABANDONED_AFTER = 24 * 60 * 60 * 1000;

/** Content up to this many bytes is sent as one buffer: to copy it costs less than to send its pieces one by one. */
const ONE_BUFFER_BYTES = 1024 * 1024;

/** What waits in memory. */
export interface HeldContent {
  readonly chunks: readonly Buffer[];
  readonly byteLength: number;
}

/** An upload in pieces. Nobody sees anything of it before it is completed. */
export interface ObjectUpload {
  write(content: HeldContent): Promise<void>;
  /** Resolves when all that was written is safe. */
  finish(): Promise<void>;
  /** Has the server forget it. Never fails. */
  abort(): Promise<void>;
}

/** A backend's half of staging. */
export interface ObjectWriter<Upload extends ObjectUpload> extends WriteRules {
  readonly bucket: ObjectBucket;
  readonly objects: ObjectSource;
  /** Bytes that wait in memory; more is uploaded in pieces. */
  readonly maxHeld: number;
  /** Whether an upload is begun with its condition, that there is no such object: then it can replace none. */
  readonly isConditionEarly: boolean;
  /** Begins the upload of an object with all that is kept of its file, as far as it is known. */
  uploadFile(file: ExpectedFile, revision: string, signal: AbortSignal | undefined): Upload;
  /** Begins an upload to the staging folder. */
  uploadTo(key: string, signal: AbortSignal | undefined): Upload;
  /** Content that has waited in memory: one request makes the object. */
  publishHeld(details: NewFileDetails, revision: string, content: HeldContent): Publication;
  publishFile(details: NewFileDetails, revision: string, upload: Upload): Publication;
  publishStaged(details: NewFileDetails, revision: string, upload: Upload): Publication;
}

/**
 * A little content waits in memory, and is sent as one object. More is uploaded in pieces, and nobody sees them before
 * the upload is completed. Servers want to know name, type and metadata before the first:
 *
 * - of a file that is known by then the upload is that of its object; what is known only at the end, the digest, is
 *   added afterwards;
 * - any other file is completed in the staging folder, and copied to its name with all that there is to be kept.
 */
export class ObjectStagingArea<Upload extends ObjectUpload> implements StagingArea {
  readonly #writer: ObjectWriter<Upload>;
  readonly #options: StagingOptions;
  readonly #revision = randomUUID();
  readonly #conditionalWrite: ConditionalWrite;
  #file: ExpectedFile | undefined;
  #held: HeldContent | undefined;
  #upload: Upload | undefined;
  #publication: Publication | undefined;

  constructor(writer: ObjectWriter<Upload>, options: StagingOptions) {
    this.#writer = writer;
    this.#options = options;
    this.#conditionalWrite = new ConditionalWrite(writer.bucket, writer.objects, writer, this.#revision);
  }

  get newId(): string | undefined {
    return this.#file?.id;
  }

  async write(chunks: readonly Buffer[], byteLength: number): Promise<void> {
    const content = this.#held ? joined(this.#held, chunks, byteLength) : { chunks, byteLength };
    this.#held = undefined;
    if (!this.#upload && content.byteLength <= this.#writer.maxHeld) {
      this.#held = content;
      return;
    }
    this.#upload ??= this.#beginUpload();
    await this.#upload.write(content);
  }

  /** Who stages content may use its buffers again: what waits for a later commit is copied. */
  async finish(): Promise<void> {
    if (this.#upload) {
      await this.#upload.finish();
      return;
    }
    // What waits in memory has not told yet whether there is anything to wait for.
    if (!this.#options.expected) await this.#writer.bucket.firstUse();
    const { chunks, byteLength } = this.#held ?? { chunks: [], byteLength: 0 };
    const isToCopy = !this.#options.expected || byteLength <= ONE_BUFFER_BYTES;
    this.#held = { chunks: isToCopy ? [Buffer.concat(chunks, byteLength)] : chunks, byteLength };
  }

  async commit(details: NewFileDetails): Promise<void> {
    const publication = this.#publish(details);
    await this.#conditionalWrite.create(details.id, publication);
    this.#publication = undefined;
    await publication.settle();
  }

  async replace(details: NewFileDetails, old: FileDetails): Promise<void> {
    if (this.#file && this.#writer.isConditionEarly) throw changedMeanwhile();
    const publication = this.#publish(details);
    await this.#conditionalWrite.replace(old, publication);
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
    const publication = this.#publicationOf(details);
    this.#publication = publication;
    this.#held = undefined;
    this.#upload = undefined;
    if (this.#file && !isSameFile(this.#file, details)) throw changedMeanwhile();
    return publication;
  }

  #publicationOf(details: NewFileDetails): Publication {
    const [writer, revision, upload] = [this.#writer, this.#revision, this.#upload];
    if (this.#held) return writer.publishHeld(details, revision, this.#held);
    if (!upload) throw new DepotError('STORAGE_FAILED', 'Nothing was staged');
    if (this.#file) return writer.publishFile(details, revision, upload);
    return writer.publishStaged(details, revision, upload);
  }

  /** What replaces cannot be uploaded with an early condition: the file may be another by its end. */
  #beginUpload(): Upload {
    const { signal, expected, replaces } = this.#options;
    if (!replaces || !this.#writer.isConditionEarly) this.#file = expected?.();
    if (this.#file) return this.#writer.uploadFile(this.#file, this.#revision, signal);
    return this.#writer.uploadTo(this.#writer.bucket.key(STAGING_FOLDER + randomUUID()), signal);
  }
}

function joined(held: HeldContent, chunks: readonly Buffer[], byteLength: number): HeldContent {
  return { chunks: [...held.chunks, ...chunks], byteLength: held.byteLength + byteLength };
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
