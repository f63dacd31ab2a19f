import type { UrlOptions } from '../contract/storage.js';
import type { FileDetails } from '../contract/stored-file.js';
import { DepotError } from '../errors.js';
import { Recent } from '../internal/recent.js';

/** Seconds, where nobody says how long something that is signed is to work. */
const DEFAULT_EXPIRES_IN = 3600;

/** A week, the longest that the signature of an object storage lives. */
const MAX_EXPIRES_IN = 604_800;

/** URLs that are kept, about 1 KiB each. */
const MAX_KEPT = 4096;

/** What a backend is asked to sign. */
export interface UrlRequest {
  readonly disposition: 'inline' | 'attachment';
  /** Whole seconds from `signedAt`. */
  readonly expiresIn: number;
  /** The beginning of the URL's time: the same for all that are asked for within a stretch. */
  readonly signedAt: Date;
}

export interface SignedUrl {
  readonly url: string;
  /** When there will be a better one: what signed it has an end of its own. Milliseconds since the epoch. */
  readonly freshUntil?: number | undefined;
  /** That end: the URL works no longer, whatever its time is. Milliseconds since the epoch. */
  readonly signerEnd?: number | undefined;
}

/** Makes the URL of a file. */
export type SignUrl = (file: FileDetails, request: UrlRequest) => Promise<SignedUrl>;

/**
 * URLs that a backend signs. They are signed for the beginning of a stretch of time, half as long as they work: within
 * it a file has one URL, so that browsers can cache what is there, and each works for half of its time at least.
 */
export class PresignedUrls {
  readonly #sign: SignUrl;
  readonly #kept = new Recent<SignedUrl>(MAX_KEPT);

  constructor(sign: SignUrl) {
    this.#sign = sign;
  }

  /** @throws DepotError `INVALID_OPTION`, and what signing fails with */
  async get(file: FileDetails, options: UrlOptions): Promise<string> {
    const { disposition = 'inline' } = options;
    const expiresIn = wholeSeconds(options.expiresIn);
    const stretch = Math.max(1, Math.floor(expiresIn / 2)) * 1000;
    const now = Date.now();
    const start = now - (now % stretch);
    const question = JSON.stringify([file.id, file.filename, file.contentType, disposition, expiresIn]);
    const request = { disposition, expiresIn, signedAt: new Date(start) };
    const find = () => this.#kept.get(question, start + stretch, () => this.#sign(file, request));
    const signed = await this.#fresh(question, now, find);
    options.onExpiry?.(
      new Date(Math.min(start + expiresIn * 1000, signed.signerEnd ?? Number.POSITIVE_INFINITY)),
    );
    return signed.url;
  }

  async #fresh(question: string, now: number, find: () => Promise<SignedUrl>): Promise<SignedUrl> {
    const signed = await find();
    if (now < (signed.freshUntil ?? Number.POSITIVE_INFINITY)) return signed;
    this.#kept.forget(question);
    return find();
  }
}

/**
 * How long a signature is to live.
 * @throws DepotError `INVALID_OPTION`
 */
export function wholeSeconds(expiresIn = DEFAULT_EXPIRES_IN): number {
  if (Number.isFinite(expiresIn) && expiresIn >= 1 && expiresIn <= MAX_EXPIRES_IN)
    return Math.floor(expiresIn);
  throw new DepotError('INVALID_OPTION', 'expiresIn must be 1 to 604800 seconds');
}
