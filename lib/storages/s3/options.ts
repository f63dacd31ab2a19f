import { DepotError } from '../../errors.js';

/** Keys to an account. */
export interface S3Credentials {
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
  readonly sessionToken?: string;
  /** When they stop to work. */
  readonly expiration?: Date;
}

/** An `S3Client` of the AWS SDK, version 3. */
export interface S3ClientLike {
  readonly config: object;
  send(command: never): unknown;
}

export interface S3StorageOptions {
  readonly bucket: string;
  /** @default what the environment says (`AWS_REGION`, the shared configuration files) */
  readonly region?: string | undefined;
  /** URL of a server that is not Amazon's. */
  readonly endpoint?: string | undefined;
  /** With `secretAccessKey`. @default what the environment says, as the AWS SDK looks for it */
  readonly accessKeyId?: string | undefined;
  readonly secretAccessKey?: string | undefined;
  readonly sessionToken?: string | undefined;
  /** Credentials or what provides them, in place of the three options above. */
  readonly credentials?: S3Credentials | (() => Promise<S3Credentials>) | undefined;
  /** A client of the application's own, in place of all options of the connection; `close()` leaves it open. */
  readonly client?: S3ClientLike | undefined;
  /** What the keys of all objects begin with, e.g. `photos/`. @default '' */
  readonly prefix?: string | undefined;
  /** Access control of the objects: `public-read` lets everybody read them. @default 'private' */
  readonly policy?: 'public-read' | 'private' | undefined;
  /** E.g. `STANDARD_IA`. @default the bucket's */
  readonly storageClass?: string | undefined;
  /** `AES256` or `aws:kms`. @default the bucket's */
  readonly serverSideEncryption?: string | undefined;
  /** Key of `aws:kms`. @default the account's */
  readonly kmsKeyId?: string | undefined;
  /** Where everybody can read the objects, e.g. a CDN: the URL to which the id is added. */
  readonly publicUrl?: string | undefined;
  /** The bucket in the path of URLs, not in their host. @default true with `endpoint`, else false */
  readonly forcePathStyle?: boolean | undefined;
  /** Makes the bucket if it is missing. @default false */
  readonly createBucket?: boolean | undefined;
  /** How files come to clients: `stream` never sends them on to S3. @default 'auto' */
  readonly serve?: 'auto' | 'redirect' | 'stream' | undefined;
  /** Bytes: what is larger is uploaded in parts of this size, at most 10,000. @default 6291456 */
  readonly partSize?: number | undefined;
  /** Parts of a file that are uploaded at once. @default 2 */
  readonly queueSize?: number | undefined;
  /** Whether the server understands `If-Match` and `If-None-Match` of writes. @default true */
  readonly conditionalWrites?: boolean | undefined;
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
  createBucket: false,
  serve: 'auto',
  partSize: 6 * 1024 * 1024,
  queueSize: 2,
  conditionalWrites: true,
  maxAttempts: 5,
  connectTimeout: 5000,
  idleTimeout: 20_000,
} as const satisfies Partial<S3StorageOptions>;

/** Options that were checked, with their defaults. */
export type S3Settings = S3StorageOptions & {
  readonly [Name in keyof typeof DEFAULTS]: NonNullable<S3StorageOptions[Name]>;
};

/** https://docs.aws.amazon.com/AmazonS3/latest/userguide/qfacts.html */
const MIN_PART_SIZE = 5 * 1024 * 1024;
const MAX_PART_SIZE = 5 * 1024 * 1024 * 1024;

/** Longer keys than 1,024 bytes do not exist, and an id has up to 128. */
const MAX_PREFIX_BYTES = 896;

/** @throws DepotError `INVALID_OPTION` */
export function checkedOptions(options: S3StorageOptions): S3Settings {
  const given = Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined));
  const settings = { ...DEFAULTS, ...given } as S3Settings;
  const { bucket, prefix, policy, serve, accessKeyId, secretAccessKey, endpoint, publicUrl } = settings;
  require(typeof bucket === 'string' && bucket !== '', 'bucket must name a bucket');
  require(isPrefix(prefix), 'prefix must be a text of at most 896 bytes that does not begin with "/"');
  require(policy === 'public-read' || policy === 'private', 'policy must be "public-read" or "private"');
  require(['auto', 'redirect', 'stream'].includes(serve), 'serve must be "auto", "redirect" or "stream"');
  require(!accessKeyId === !secretAccessKey, 'accessKeyId and secretAccessKey must be given together');
  for (const [name, url] of Object.entries({ endpoint, publicUrl })) {
    require(url === undefined || isHttpUrl(url), `${name} must be an http: or https: URL`);
  }
  checkNumbers(settings);
  return settings;
}

function checkNumbers({ partSize, ...settings }: S3Settings): void {
  require(isWhole(partSize) &&
    partSize >= MIN_PART_SIZE &&
    partSize <= MAX_PART_SIZE, 'partSize must be 5 MiB to 5 GiB, in bytes');
  for (const name of ['queueSize', 'maxAttempts', 'connectTimeout', 'idleTimeout'] as const) {
    require(isWhole(settings[name]) && settings[name] > 0, `${name} must be a whole number from 1`);
  }
}

function isPrefix(prefix: unknown): boolean {
  if (typeof prefix !== 'string' || prefix.startsWith('/') || prefix.includes('\0')) return false;
  return Buffer.byteLength(prefix) <= MAX_PREFIX_BYTES;
}

function isHttpUrl(url: unknown): boolean {
  return typeof url === 'string' && /^https?:\/\//i.test(url) && URL.canParse(url);
}

function isWhole(value: unknown): value is number {
  return Number.isSafeInteger(value);
}

function require(condition: boolean, message: string): void {
  if (!condition) throw new DepotError('INVALID_OPTION', message);
}
