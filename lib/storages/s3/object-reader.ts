import type { Readable } from 'node:stream';
import type { GetObjectCommandInput, GetObjectCommandOutput } from '@aws-sdk/client-s3';
import type { OpenOptions, ReadOptions } from '../../contract/storage.js';
import type { FileDetails, StreamOptions } from '../../contract/stored-file.js';
import { DepotError, FileNotFoundError } from '../../errors.js';
import { type OpenBody, ResumingStream } from '../../internal/resuming-stream.js';
import type { S3Bucket } from './bucket.js';
import { isConditionRefused, isObjectMissing, statusOf } from './errors.js';
import { type ObjectHead, parseObject } from './object-format.js';
import { PublicUrls } from './public-urls.js';

/** One range, of which S3 can be asked (RFC 9110 section 14.1.1). */
const SINGLE_RANGE = /^bytes=(?:\d+-\d*|-\d+)$/;

/** An object of which details are known, and whose content may be on its way. */
export interface OpenObject {
  readonly details: FileDetails;
  stream(options: StreamOptions): Readable;
  close(): void;
}

/** Finds and reads objects. */
export class ObjectReader {
  readonly #bucket: S3Bucket;
  readonly #publicUrls: PublicUrls;

  constructor(bucket: S3Bucket) {
    this.#bucket = bucket;
    this.#publicUrls = new PublicUrls(bucket);
  }

  /** @throws DepotError `FILE_NOT_FOUND` */
  async details(id: string, { signal }: ReadOptions): Promise<FileDetails> {
    const head = await this.#bucket.head(this.#bucket.key(id), { signal });
    if (!head) throw new FileNotFoundError(id);
    return this.#parse(id, head);
  }

  /** The content of an object as it was when its details were found; `CONFLICT` if it was replaced since. */
  stream(details: FileDetails, options: StreamOptions): ResumingStream {
    return new ResumingStream(this.#opener(details), details.size, options);
  }

  /**
   * Details and content by one request.
   * @throws DepotError `FILE_NOT_FOUND`
   */
  async open(id: string, { range, signal }: OpenOptions): Promise<OpenObject> {
    const Range = range !== undefined && SINGLE_RANGE.test(range) ? range : undefined;
    const output = await this.#get(id, Range === undefined ? {} : { Range }, signal);
    if (output) return this.#openObject(await this.#parse(id, output), output);
    const details = await this.details(id, { signal });
    return { details, stream: (options) => this.stream(details, options), close: () => {} };
  }

  #openObject(details: FileDetails, output: GetObjectCommandOutput): OpenObject {
    const body = bodyOf(output);
    const first = firstByte(output);
    const last = first + (output.ContentLength ?? 0) - 1;
    let isFree = true;
    return {
      details,
      stream: (options) => {
        const { start = 0, end = details.size } = options;
        const isOpen =
          isFree && !body.destroyed && start === first && Math.min(end, details.size - 1) === last;
        if (!isOpen) return this.stream(details, options);
        isFree = false;
        return new ResumingStream(this.#opener(details), details.size, options, body);
      },
      close: () => {
        if (isFree) body.destroy();
      },
    };
  }

  #opener({ id, size, etag }: FileDetails): OpenBody {
    return async (start, end, signal) => {
      const isWhole = start === 0 && end >= size - 1;
      const part = { ...(etag && { IfMatch: etag }), ...(!isWhole && { Range: `bytes=${start}-${end}` }) };
      const output = await this.#get(id, part, signal);
      if (output) return bodyOf(output);
      throw new DepotError('CONFLICT', 'The file was replaced since it was looked up');
    };
  }

  /** Nothing where what was asked for is not there: the range, or the state. */
  async #get(
    id: string,
    part: Pick<GetObjectCommandInput, 'IfMatch' | 'Range'>,
    signal: AbortSignal | undefined,
  ): Promise<GetObjectCommandOutput | undefined> {
    const object = { Bucket: this.#bucket.settings.bucket, Key: this.#bucket.key(id), ...part };
    const isExpected = (error: unknown) => isObjectMissing(error) || isNotGiven(error);
    try {
      return await this.#bucket.send((sdk) => new sdk.GetObjectCommand(object), { signal }, isExpected);
    } catch (error) {
      if (isObjectMissing(error)) throw new FileNotFoundError(id, { cause: error });
      if (isNotGiven(error)) return undefined;
      throw error;
    }
  }

  async #parse(id: string, head: ObjectHead): Promise<FileDetails> {
    return parseObject(id, head, await this.#publicUrls.of(id));
  }
}

/** 412 and 416 (RFC 9110 sections 15.5.13 and 15.5.17). */
function isNotGiven(error: unknown): boolean {
  return isConditionRefused(error) || statusOf(error) === 416;
}

/** Its errors are heard from the beginning: a body that breaks off before it is read must not end the process. */
function bodyOf({ Body }: GetObjectCommandOutput): Readable {
  return (Body as Readable).on('error', ignore);
}

/** `Content-Range: bytes 5-9/100` begins at 5 (RFC 9110 section 14.4). */
function firstByte({ ContentRange }: GetObjectCommandOutput): number {
  return Number(/^bytes (\d+)-/.exec(ContentRange ?? '')?.[1] ?? 0);
}

function ignore(): void {}
