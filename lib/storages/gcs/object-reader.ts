import type { IncomingHttpHeaders, IncomingMessage } from 'node:http';
import type { Readable } from 'node:stream';
import type { OpenOptions, ReadOptions } from '../../contract/storage.js';
import type { FileDetails, StreamOptions } from '../../contract/stored-file.js';
import { DepotError, FileNotFoundError } from '../../errors.js';
import { type OpenBody, ResumingStream } from '../../internal/resuming-stream.js';
import type { GCSBucket, Query } from './bucket.js';
import { isMissing, statusOf } from './errors.js';
import { generationIn, parseObject } from './object-format.js';

/** One range, of which the server can be asked (RFC 9110 section 14.1.1). */
const SINGLE_RANGE = /^bytes=(?:\d+-\d*|-\d+)$/;

/** Content as it is stored: the server would unpack what others have stored compressed, and ranges are of the packed. */
const AS_STORED = { 'accept-encoding': 'gzip' };

/** An object of which details are known, and whose content may be on its way. */
export interface OpenObject {
  readonly details: FileDetails;
  stream(options: StreamOptions): Readable;
  close(): void;
}

/** Finds and reads objects. */
export class ObjectReader {
  readonly #bucket: GCSBucket;

  constructor(bucket: GCSBucket) {
    this.#bucket = bucket;
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
    const given = range !== undefined && SINGLE_RANGE.test(range) ? range : undefined;
    try {
      const answer = await this.#get(id, given, {}, signal);
      return this.#openObject(await this.#parse(id, answer.headers), answer);
    } catch (error) {
      if (isMissing(error)) throw new FileNotFoundError(id, { cause: error });
      if (!isUnsatisfiable(error)) throw error;
    }
    const details = await this.details(id, { signal });
    return { details, stream: (options) => this.stream(details, options), close: () => {} };
  }

  #openObject(details: FileDetails, body: IncomingMessage): OpenObject {
    const first = firstByte(body);
    const last = first + Number(body.headers['content-length']) - 1;
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

  #opener(details: FileDetails): OpenBody {
    const { id, size } = details;
    const generation = generationIn(details);
    return async (start, end, signal) => {
      const isPart = start <= end && (start > 0 || end < size - 1);
      try {
        const range = isPart ? `bytes=${start}-${end}` : undefined;
        const answer = await this.#get(id, range, { generation }, signal);
        if (!isPart || firstByte(answer) === start) return answer;
        answer.destroy();
      } catch (error) {
        if (!isMissing(error) && !isUnsatisfiable(error)) throw error;
        // The object may be there, but this generation is not any more.
        await this.details(id, { signal });
      }
      throw new DepotError('CONFLICT', 'The file was replaced since it was looked up');
    };
  }

  #get(
    id: string,
    range: string | undefined,
    query: Query,
    signal: AbortSignal | undefined,
  ): Promise<IncomingMessage> {
    const headers = { ...AS_STORED, ...(range !== undefined && { range }) };
    const path = this.#bucket.contentPath(this.#bucket.key(id), query);
    const isExpected = (error: unknown) => isMissing(error) || isUnsatisfiable(error);
    return this.#bucket.open({ method: 'GET', path, headers }, { signal, isExpected });
  }

  async #parse(id: string, head: IncomingHttpHeaders): Promise<FileDetails> {
    return parseObject(id, head, await this.#bucket.publicUrl(id));
  }
}

/** RFC 9110 section 15.5.17. */
function isUnsatisfiable(error: unknown): boolean {
  return statusOf(error) === 416;
}

/** `Content-Range: bytes 5-9/100` begins at 5 (RFC 9110 section 14.4). */
function firstByte({ headers }: IncomingMessage): number {
  return Number(/^bytes (\d+)-/.exec(headers['content-range'] ?? '')?.[1] ?? 0);
}
