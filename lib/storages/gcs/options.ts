import { DepotError } from '../../errors.js';

/** Keys of a service account, as in its key file. */
export interface GCSCredentials {
  readonly client_email: string;
  readonly private_key: string;
}

/** A `Storage` of the package `@google-cloud/storage`, version 7. */
export interface GCSClientLike {
  readonly apiEndpoint: string;
  readonly authClient: object;
  bucket(name: string): object;
}

export interface GCSStorageOptions {
  readonly bucket: string;
  /** Needed for `createBucket` alone. @default what the environment says */
  readonly projectId?: string | undefined;
  /** @default what the environment says (`GOOGLE_APPLICATION_CREDENTIALS`, the account of the machine) */
  readonly credentials?: GCSCredentials | undefined;
  /** Path of a key file, in place of `credentials`. */
  readonly keyFilename?: string | undefined;
  /** A client of the application's own, in place of all options of the connection but the time limits. */
  readonly client?: GCSClientLike | undefined;
  /** URL of a server that is not Google's. @default what the environment says (`STORAGE_EMULATOR_HOST`) */
  readonly apiEndpoint?: string | undefined;
  /** Whether that server wants credentials too. @default false */
  readonly useAuthWithCustomEndpoint?: boolean | undefined;
  /** What the names of all objects begin with, e.g. `photos/`. @default '' */
  readonly prefix?: string | undefined;
  /** `public-read` lets everybody read the objects. @default 'private' */
  readonly policy?: 'public-read' | 'private' | undefined;
  /** Whether access is the bucket's alone: then its own policy must let everybody read what is `public-read`. @default false */
  readonly uniformBucketLevelAccess?: boolean | undefined;
  /** E.g. `NEARLINE`. @default the bucket's */
  readonly storageClass?: string | undefined;
  /** Where everybody can read the objects, e.g. a CDN: the URL to which their names are added. */
  readonly publicUrl?: string | undefined;
  /** Makes the bucket if it is missing. @default false */
  readonly createBucket?: boolean | undefined;
  /** Where a bucket is made, e.g. `EU`. @default 'US', as Google says */
  readonly location?: string | undefined;
  /** How files come to clients: `stream` never sends them on to Google. @default 'auto' */
  readonly serve?: 'auto' | 'redirect' | 'stream' | undefined;
  /** Bytes, a multiple of 262144: what is larger is uploaded in pieces of this size. @default 4194304 */
  readonly chunkSize?: number | undefined;
  /** How often a request is tried that fails for no fault of its own. @default 5 */
  readonly maxAttempts?: number | undefined;
  /** Milliseconds to establish a connection. @default 5000 */
  readonly connectTimeout?: number | undefined;
  /** Milliseconds without a byte after which a request fails. @default 20000 */
  readonly idleTimeout?: number | undefined;
}

const DEFAULTS = {
  prefix: '',
  policy: 'private',
  uniformBucketLevelAccess: false,
  createBucket: false,
  serve: 'auto',
  chunkSize: 4 * 1024 * 1024,
  maxAttempts: 5,
  connectTimeout: 5000,
  idleTimeout: 20_000,
} as const satisfies Partial<GCSStorageOptions>;

/** Options that were checked, with their defaults. */
export type GCSSettings = GCSStorageOptions & {
  readonly [Name in keyof typeof DEFAULTS]: NonNullable<GCSStorageOptions[Name]>;
};

/** Bytes of which each piece of an upload but the last has a multiple. */
export const CHUNK_UNIT = 256 * 1024;

/** Longer names than 1,024 bytes do not exist, and an id has up to 128. */
const MAX_PREFIX_BYTES = 896;

/** @throws DepotError `INVALID_OPTION` */
export function checkedOptions(options: GCSStorageOptions): GCSSettings {
  const given = Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined));
  const settings = { ...DEFAULTS, ...given } as GCSSettings;
  const { bucket, prefix, policy, serve, credentials, keyFilename, apiEndpoint, publicUrl } = settings;
  require(typeof bucket === 'string' && bucket !== '', 'bucket must name a bucket');
  require(isPrefix(prefix), 'prefix must be a text of at most 896 bytes that does not begin with "/"');
  require(policy === 'public-read' || policy === 'private', 'policy must be "public-read" or "private"');
  require(['auto', 'redirect', 'stream'].includes(serve), 'serve must be "auto", "redirect" or "stream"');
  require(!credentials || !keyFilename, 'Either credentials or keyFilename can be given, not both');
  for (const [name, url] of Object.entries({ apiEndpoint, publicUrl })) {
    require(url === undefined || isHttpUrl(url), `${name} must be an http: or https: URL`);
  }
  checkNumbers(settings);
  return settings;
}

function checkNumbers({ chunkSize, ...settings }: GCSSettings): void {
  require(isCount(chunkSize) && chunkSize % CHUNK_UNIT === 0, 'chunkSize must be a multiple of 262144 bytes');
  for (const name of ['maxAttempts', 'connectTimeout', 'idleTimeout'] as const) {
    require(isCount(settings[name]), `${name} must be a whole number from 1`);
  }
}

/** https://cloud.google.com/storage/docs/objects#naming */
function isPrefix(prefix: unknown): boolean {
  if (typeof prefix !== 'string' || prefix.startsWith('/') || /[\0\r\n]/.test(prefix)) return false;
  return Buffer.byteLength(prefix) <= MAX_PREFIX_BYTES;
}

function isHttpUrl(url: unknown): boolean {
  return typeof url === 'string' && /^https?:\/\//i.test(url) && URL.canParse(url);
}

function isCount(value: unknown): value is number {
  return Number.isSafeInteger(value) && Number(value) > 0;
}

function require(condition: boolean, message: string): void {
  if (!condition) throw new DepotError('INVALID_OPTION', message);
}
