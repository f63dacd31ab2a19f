import type { CompletedPart, UploadPartCopyCommandInput } from '@aws-sdk/client-s3';
import { DepotError } from '../../errors.js';
import type { HeldContent, ObjectUpload } from '../../object-storage/staging-area.js';
import type { PartParameters, S3Bucket } from './bucket.js';
import { type Condition, isWriteRefused, type WriteParameters } from './parameters.js';
import { PartBuffers } from './part-buffers.js';

/** https://docs.aws.amazon.com/AmazonS3/latest/userguide/qfacts.html */
const MAX_PARTS = 10_000;

/** An upload in parts, several of them at once. Nobody sees anything of it before `complete`. */
export class MultipartUpload implements ObjectUpload {
  readonly key: string;
  readonly #bucket: S3Bucket;
  readonly #id: Promise<string>;
  readonly #buffers: PartBuffers;
  readonly #parts: Promise<CompletedPart>[] = [];
  readonly #inFlight = new Set<Promise<CompletedPart>>();
  readonly #abort = new AbortController();
  readonly #signal: AbortSignal;

  /** @param signal gives up the parts; `abort` must be called nevertheless */
  constructor(
    bucket: S3Bucket,
    key: string,
    parameters: Partial<WriteParameters>,
    signal: AbortSignal | undefined,
  ) {
    this.key = key;
    this.#bucket = bucket;
    this.#buffers = new PartBuffers(bucket.settings.partSize);
    this.#signal = signal ? AbortSignal.any([signal, this.#abort.signal]) : this.#abort.signal;
    this.#id = this.#create(parameters);
    this.#id.catch(ignore);
  }

  /**
   * Resolves when there is room for more. The content is copied.
   * @throws DepotError `FILE_TOO_LARGE` for more parts than S3 takes; what an earlier part failed with
   */
  async write({ chunks }: HeldContent): Promise<void> {
    for (const part of this.#buffers.fill(chunks)) await this.#send(part);
  }

  /** Resolves when there is room for another part. Copies bytes of an object, the first and the last included. */
  async copy(
    source: Pick<UploadPartCopyCommandInput, 'CopySource' | 'CopySourceIfMatch'>,
    first: number,
    last: number,
  ): Promise<void> {
    const CopySourceRange = `bytes=${first}-${last}`;
    await this.#add(async (part) => {
      const { CopyPartResult } = await this.#bucket.send(
        (sdk) => new sdk.UploadPartCopyCommand({ ...part, ...source, CopySourceRange }),
        { signal: this.#signal },
        isWriteRefused,
      );
      return CopyPartResult?.ETag;
    });
  }

  #send(content: Buffer): Promise<void> {
    return this.#add(async (part) => {
      const body = { chunks: [content], byteLength: content.byteLength };
      const etag = await this.#bucket.putPart(part, body, this.#signal);
      this.#buffers.give(content);
      return etag;
    });
  }

  /** Resolves when there is room for another part. */
  async #add(send: (part: PartParameters) => Promise<string | undefined>): Promise<void> {
    const PartNumber = this.#parts.length + 1;
    const { bucket: Bucket, partSize, queueSize } = this.#bucket.settings;
    if (PartNumber > MAX_PARTS) throw tooManyParts(partSize);
    const part = this.#id.then(async (UploadId) => {
      const ETag = await send({ Bucket, Key: this.key, UploadId, PartNumber });
      return { ETag, PartNumber };
    });
    this.#parts.push(part);
    this.#inFlight.add(part);
    part.then(
      () => this.#inFlight.delete(part),
      (error) => this.#abort.abort(error),
    );
    while (this.#inFlight.size >= queueSize) await Promise.race(this.#inFlight);
  }

  /** Resolves when all parts are at the server. */
  async finish(): Promise<void> {
    const rest = this.#buffers.rest();
    if (rest) await this.#send(rest);
    await Promise.all(this.#parts);
  }

  /**
   * Makes the object, all at once, and resolves to its entity tag.
   * @throws S3's own error where it refuses the condition or knows nothing of the upload: see `isWriteRefused`
   */
  async complete(condition: Condition): Promise<string | undefined> {
    const { bucket: Bucket } = this.#bucket.settings;
    const [UploadId, ...Parts] = await Promise.all([this.#id, ...this.#parts]);
    const upload = { Bucket, Key: this.key, UploadId, MultipartUpload: { Parts } };
    const { ETag } = await this.#bucket.send(
      (sdk) => new sdk.CompleteMultipartUploadCommand({ ...upload, ...condition }),
      {},
      isWriteRefused,
    );
    return ETag;
  }

  /**
   * Has the server forget the parts, when none is under way any more: one that arrives later would stay. Never fails:
   * what stays at a server that cannot be reached is swept later.
   */
  async abort(): Promise<void> {
    this.#abort.abort();
    await Promise.allSettled(this.#parts);
    const { bucket: Bucket } = this.#bucket.settings;
    try {
      const upload = { Bucket, Key: this.key, UploadId: await this.#id };
      await this.#bucket.send((sdk) => new sdk.AbortMultipartUploadCommand(upload));
    } catch {
      // It was never begun, it is gone, or it will be swept.
    }
  }

  async #create(parameters: Partial<WriteParameters>): Promise<string> {
    const { bucket: Bucket } = this.#bucket.settings;
    const { UploadId } = await this.#bucket.send(
      (sdk) => new sdk.CreateMultipartUploadCommand({ Bucket, Key: this.key, ...parameters }),
    );
    if (UploadId) return UploadId;
    throw new DepotError('STORAGE_FAILED', `${this.#bucket.place} gave no id to an upload`);
  }
}

function tooManyParts(partSize: number): DepotError {
  const message = `S3 takes ${MAX_PARTS} parts of a file: with a partSize of ${partSize} bytes, it is too large`;
  return new DepotError('FILE_TOO_LARGE', message);
}

function ignore(): void {}
