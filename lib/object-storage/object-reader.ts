import type { Readable } from 'node:stream';
import type { OpenOptions, ReadOptions } from '../contract/storage.js';
import type { FileDetails, StreamOptions } from '../contract/stored-file.js';
import { DepotError, FileNotFoundError } from '../errors.js';
import { type OpenBody, ResumingStream } from './resuming-stream.js';

/** One range, of which servers can be asked (RFC 9110 section 14.1.1). */
const SINGLE_RANGE = /^bytes=(?:\d+-\d*|-\d+)$/;

/** What is told of an object. */
export interface FoundObject {
  readonly details: FileDetails;
  /** That of the write that made it; absent where others did. */
  readonly revision: string | undefined;
}

/** A part of an object. */
export interface ObjectPart {
  /** Value of a `Range` header; the whole content if it is left out. */
  readonly range?: string | undefined;
  /** The state of which it must be; any if it is left out. */
  readonly etag?: string | undefined;
}

/** Content that is on its way, and what comes with it. */
export interface ObjectContent {
  readonly details: FileDetails;
  /** Its errors are heard already: one that breaks off before it is read must not end the process. */
  readonly body: Readable;
  /** Value of the `Content-Range` header. */
  readonly contentRange: string | undefined;
  /** Bytes of the body. */
  readonly contentLength: number;
}

/** A bucket's half of finding and reading objects. */
export interface ObjectSource {
  /** What is told of an object; nothing where there is none. */
  find(id: string, options: ReadOptions): Promise<FoundObject | undefined>;
  /**
   * Content of an object; nothing where the object is there, but not the range or the state that is asked for.
   * @throws DepotError `FILE_NOT_FOUND`
   */
  get(id: string, part: ObjectPart, signal: AbortSignal | undefined): Promise<ObjectContent | undefined>;
}

/** An object of which details are known, and whose content may be on its way. */
export interface OpenObject {
  readonly details: FileDetails;
  stream(options: StreamOptions): Readable;
  close(): void;
}

/** Finds and reads objects. */
export class ObjectReader {
  readonly #source: ObjectSource;

  constructor(source: ObjectSource) {
    this.#source = source;
  }

  /** @throws DepotError `FILE_NOT_FOUND` */
  async details(id: string, options: ReadOptions): Promise<FileDetails> {
    const found = await this.#source.find(id, options);
    if (!found) throw new FileNotFoundError(id);
    return found.details;
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
    const single = range !== undefined && SINGLE_RANGE.test(range) ? range : undefined;
    const content = await this.#source.get(id, { range: single }, signal);
    if (content) return this.#openObject(content);
    const details = await this.details(id, { signal });
    return { details, stream: (options) => this.stream(details, options), close: () => {} };
  }

  #openObject(content: ObjectContent): OpenObject {
    const { details, body } = content;
    const first = firstByte(content);
    const last = first + content.contentLength - 1;
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

  /** Whoever answers with another part than was asked for has another content. */
  #opener({ id, size, etag }: FileDetails): OpenBody {
    return async (start, end, signal) => {
      const isPart = start <= end && (start > 0 || end < size - 1);
      const range = isPart ? `bytes=${start}-${end}` : undefined;
      const content = await this.#source.get(id, { range, etag }, signal);
      if (content && (!isPart || firstByte(content) === start)) return content.body;
      content?.body.destroy();
      throw new DepotError('CONFLICT', 'The file was replaced since it was looked up');
    };
  }
}

/** `Content-Range: bytes 5-9/100` begins at 5 (RFC 9110 section 14.4). */
function firstByte({ contentRange = '' }: ObjectContent): number {
  return Number(/^bytes (\d+)-/.exec(contentRange)?.[1] ?? 0);
}
