import { DepotError } from '../../errors.js';
import type { HeldContent, ObjectUpload } from '../../object-storage/staging-area.js';
import { Backlog } from './backlog.js';
import { asJson, type GCSBucket } from './bucket.js';
import { type Answer, INCOMPLETE } from './connection.js';
import { isConditionRefused, isTransient, statusOf, toStorageError } from './errors.js';
import type { ObjectResource } from './object-format.js';
import { CHUNK_UNIT } from './options.js';
import { accessQuery, type Condition } from './parameters.js';
import { pauseAfter } from './retry.js';

/** An object, as far as something is to be said of it. */
type NewResource = Pick<ObjectResource, 'name'> & Partial<ObjectResource>;

/**
 * An upload in pieces, one after the other. The last one makes the object, all at once; it waits in memory until then.
 * @see https://cloud.google.com/storage/docs/performing-resumable-uploads#chunked-upload
 */
export class ResumableUpload implements ObjectUpload {
  readonly key: string;
  readonly #bucket: GCSBucket;
  readonly #session: Promise<string>;
  readonly #backlog = new Backlog();
  readonly #abort = new AbortController();
  readonly #signal: AbortSignal;

  /** @param signal gives up the pieces; `abort` must be called nevertheless */
  constructor(
    bucket: GCSBucket,
    resource: NewResource,
    condition: Condition,
    signal: AbortSignal | undefined,
  ) {
    this.key = resource.name;
    this.#bucket = bucket;
    this.#signal = signal ? AbortSignal.any([signal, this.#abort.signal]) : this.#abort.signal;
    this.#session = this.#begin(resource, condition);
    this.#session.catch(ignore);
  }

  /** Sends all but the end of what there is, and keeps that. */
  async write({ chunks, byteLength }: HeldContent): Promise<void> {
    const backlog = this.#backlog;
    backlog.add(chunks, byteLength);
    const units = Math.floor((backlog.end - 1) / CHUNK_UNIT);
    try {
      const answer = await this.#send(units * CHUNK_UNIT, undefined, this.#signal);
      if (answer) throw new DepotError('STORAGE_FAILED', `${this.#bucket.place} took a part for the whole`);
    } catch (error) {
      this.#signal.throwIfAborted();
      throw this.#toError(error);
    }
    backlog.own();
  }

  /** What is not at the server yet was copied. */
  async finish(): Promise<void> {}

  /**
   * Makes the object, and resolves to its generation.
   * @throws RefusedRequest where the condition is not met: see `isConditionRefused`
   */
  async complete(): Promise<string> {
    const { end } = this.#backlog;
    try {
      const answer = await this.#send(end, end);
      return String(JSON.parse(answer?.body ?? '{}').generation);
    } catch (error) {
      throw isConditionRefused(error) ? error : this.#toError(error);
    }
  }

  /** Has the server forget what it has. Never fails: an upload that cannot be cancelled is forgotten after a week. */
  async abort(): Promise<void> {
    this.#abort.abort();
    try {
      const url = await this.#session;
      await this.#bucket.callSession({ method: 'DELETE', url });
    } catch {
      // It was never begun, or it is gone: 499 is how the server says so.
    }
  }

  /** Not given up once it is sent: nobody could cancel an upload whose address has not come. */
  async #begin(resource: NewResource, condition: Condition): Promise<string> {
    const access = accessQuery(this.#bucket.settings, 'predefinedAcl');
    const query = { uploadType: 'resumable', ...access, ...condition };
    const path = `/upload${this.#bucket.objectsPath(undefined, query)}`;
    const request = { method: 'POST', path, ...asJson(resource) } as const;
    const { headers } = await this.#bucket.call(request, { isExpected: isConditionRefused });
    if (headers.location) return headers.location;
    throw new DepotError('STORAGE_FAILED', `${this.#bucket.place} gave no address to an upload`);
  }

  /**
   * Sends content until the server has it up to a position, and with a total until there is an object. What became of a
   * request that failed is asked for: https://cloud.google.com/storage/docs/performing-resumable-uploads#status-check
   */
  async #send(end: number, total?: number, signal?: AbortSignal): Promise<Answer | undefined> {
    let failures = 0;
    let isKnown = true;
    while (total !== undefined || this.#backlog.start < end) {
      const { start } = this.#backlog;
      try {
        const answer = await this.#put(isKnown ? end : start, total, signal);
        if (answer.status !== INCOMPLETE) return answer;
        this.#backlog.confirm(positionIn(answer));
        if (this.#backlog.start > start) failures = 0;
        else if (isKnown) throw nothingTaken();
        isKnown = true;
      } catch (error) {
        signal?.throwIfAborted();
        if (!isTransient(error) || ++failures >= this.#bucket.settings.maxAttempts) throw error;
        isKnown = false;
        await pauseAfter(failures, signal);
      }
    }
    return undefined;
  }

  /** Sends what comes before a position; where that is nothing, asks what the server has. */
  async #put(end: number, total: number | undefined, signal: AbortSignal | undefined): Promise<Answer> {
    const { start } = this.#backlog;
    const range = end > start ? `${start}-${end - 1}` : '*';
    return this.#bucket.callSession({
      method: 'PUT',
      url: await this.#session,
      headers: { 'content-range': `bytes ${range}/${total ?? '*'}` },
      body: this.#backlog.before(end),
      signal,
    });
  }

  /** A condition is refused at once where it is not met when the upload begins: that there is no such object. */
  #toError(error: unknown): unknown {
    if (isConditionRefused(error)) return new DepotError('FILE_EXISTS', undefined, { cause: error });
    const status = statusOf(error);
    if (status !== 404 && status !== 410) return toStorageError(error, this.#bucket.place);
    return new DepotError('STORAGE_FAILED', `${this.#bucket.place} has forgotten an upload`, {
      cause: error,
    });
  }
}

/** `Range: bytes=0-1023`: 1,024 bytes are there; none without the header. */
function positionIn({ headers }: Answer): number {
  const last = /^bytes=0-(\d+)$/.exec(headers.range ?? '')?.[1];
  return last === undefined ? 0 : Number(last) + 1;
}

function nothingTaken(): Error {
  return Object.assign(new Error('The server takes nothing of an upload'), { code: 'EAGAIN' });
}

function ignore(): void {}
