import { Readable } from 'node:stream';
import type { ReadableStream } from 'node:stream/web';
import type { ReadOptions } from '../../contract/storage.js';
import { FileNotFoundError } from '../../errors.js';
import { revisionOf } from '../../object-storage/object-metadata.js';
import type {
  FoundObject,
  ObjectContent,
  ObjectPart,
  ObjectSource,
} from '../../object-storage/object-reader.js';
import type { S3Bucket } from './bucket.js';
import { isConditionRefused, isObjectMissing, statusOf } from './errors.js';
import { parseObject } from './object-format.js';

/** Finds and reads objects of S3. */
export class S3Objects implements ObjectSource {
  readonly #bucket: S3Bucket;

  constructor(bucket: S3Bucket) {
    this.#bucket = bucket;
  }

  async find(id: string, { signal }: ReadOptions): Promise<FoundObject | undefined> {
    const bucket = this.#bucket;
    const head = await bucket.head(bucket.key(id), { signal });
    if (!head) return undefined;
    const details = parseObject(id, head, await bucket.publicUrl(id));
    return { details, revision: revisionOf(head.Metadata ?? {}) };
  }

  async get(
    id: string,
    { range, etag }: ObjectPart,
    signal: AbortSignal | undefined,
  ): Promise<ObjectContent | undefined> {
    const bucket = this.#bucket;
    const part = { ...(etag && { IfMatch: etag }), ...(range !== undefined && { Range: range }) };
    const object = { Bucket: bucket.settings.bucket, Key: bucket.key(id), ...part };
    const isExpected = (error: unknown) => isObjectMissing(error) || isNotGiven(error);
    try {
      const output = await bucket.send((sdk) => new sdk.GetObjectCommand(object), { signal }, isExpected);
      const body = toReadable(output.Body as Readable | ReadableStream).on('error', ignore);
      const details = parseObject(id, output, await bucket.publicUrl(id));
      return { details, body, contentRange: output.ContentRange, contentLength: output.ContentLength ?? 0 };
    } catch (error) {
      if (isObjectMissing(error)) throw new FileNotFoundError(id, { cause: error });
      if (isNotGiven(error)) return undefined;
      throw error;
    }
  }
}

/** A client of the application's own may have another way to send requests, as by `fetch`. */
function toReadable(body: Readable | ReadableStream): Readable {
  return 'getReader' in body ? Readable.fromWeb(body) : body;
}

/** 412 and 416 (RFC 9110 sections 15.5.13 and 15.5.17). */
function isNotGiven(error: unknown): boolean {
  return isConditionRefused(error) || statusOf(error) === 416;
}

function ignore(): void {}
