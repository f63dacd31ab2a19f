import type { UrlOptions } from '../../contract/storage.js';
import type { FileDetails } from '../../contract/stored-file.js';
import { DepotError } from '../../errors.js';
import { OptionalPeer } from '../../internal/peer.js';
import type { S3Bucket } from './bucket.js';
import { toStorageError } from './errors.js';
import { formatDisposition } from './object-format.js';

const presignerPeer = new OptionalPeer(
  '@aws-sdk/s3-request-presigner',
  () => import('@aws-sdk/s3-request-presigner'),
);

/** Seconds, where nobody says how long a URL is to work. */
const DEFAULT_EXPIRES_IN = 3600;

/** A week, the longest that a signature lives. */
const MAX_EXPIRES_IN = 604_800;

/** URLs that are kept, about 1 KiB each. */
const MAX_KEPT = 4096;

interface KeptUrl {
  readonly url: Promise<string>;
  /** When it was signed for: milliseconds since the epoch. */
  readonly signedAt: number;
}

/**
 * Presigned URLs. They are signed for the beginning of a stretch of time, half as long as they work: within it a file
 * has one URL, so that browsers can cache what is there, and each works for half of its time at least.
 */
export class SignedUrls {
  readonly #bucket: S3Bucket;
  readonly #kept = new Map<string, KeptUrl>();

  constructor(bucket: S3Bucket) {
    this.#bucket = bucket;
  }

  /** @throws DepotError `INVALID_OPTION`, `MISSING_PACKAGE`, those of the credentials */
  async sign(file: FileDetails, options: UrlOptions): Promise<string> {
    const { expiresIn = DEFAULT_EXPIRES_IN, disposition = 'inline' } = options;
    if (!(Number.isFinite(expiresIn) && expiresIn >= 1 && expiresIn <= MAX_EXPIRES_IN)) {
      throw new DepotError('INVALID_OPTION', 'expiresIn must be 1 to 604800 seconds');
    }
    const seconds = Math.floor(expiresIn);
    const signedAt = startOfStretch(Date.now(), seconds);
    const key = JSON.stringify([file.id, file.filename, file.contentType, disposition, seconds]);
    const kept = this.#kept.get(key);
    if (kept?.signedAt === signedAt) return kept.url;
    const url = this.#sign(file, disposition, seconds, new Date(signedAt));
    this.#keep(key, { url, signedAt });
    return url;
  }

  async #sign(
    file: FileDetails,
    disposition: 'inline' | 'attachment',
    expiresIn: number,
    signingDate: Date,
  ): Promise<string> {
    const { getSignedUrl } = await presignerPeer.load();
    const { sdk, client } = await this.#bucket.connect();
    const command = new sdk.GetObjectCommand({
      Bucket: this.#bucket.settings.bucket,
      Key: this.#bucket.key(file.id),
      ResponseContentType: file.contentType,
      ResponseContentDisposition: formatDisposition(disposition, file.filename),
    });
    try {
      return await getSignedUrl(client, command, { expiresIn, signingDate });
    } catch (error) {
      throw toStorageError(error, this.#bucket.place);
    }
  }

  /** A failure is not kept; what was signed longest ago goes first. */
  #keep(key: string, kept: KeptUrl): void {
    this.#kept.delete(key);
    this.#kept.set(key, kept);
    kept.url.catch(() => this.#kept.delete(key));
    const [oldest] = this.#kept.size > MAX_KEPT ? this.#kept.keys() : [];
    if (oldest !== undefined) this.#kept.delete(oldest);
  }
}

function startOfStretch(now: number, expiresIn: number): number {
  const stretch = Math.max(1, Math.floor(expiresIn / 2)) * 1000;
  return now - (now % stretch);
}
