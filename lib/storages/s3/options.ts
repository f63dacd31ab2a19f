import {
  checkCounts,
  checkSettings,
  checkUrls,
  OBJECT_STORAGE_DEFAULTS,
  type ObjectStorageOptions,
  require,
  type WithDefaults,
  withDefaults,
} from '../../object-storage/options.js';

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

export interface S3StorageOptions extends ObjectStorageOptions {
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
  /** `AES256` or `aws:kms`. @default the bucket's */
  readonly serverSideEncryption?: string | undefined;
  /** Key of `aws:kms`. @default the account's */
  readonly kmsKeyId?: string | undefined;
  /** The bucket in the path of URLs, not in their host. @default true with `endpoint`, else false */
  readonly forcePathStyle?: boolean | undefined;
  /** Bytes: what is larger is uploaded in parts of this size, at most 10,000. @default 6291456 */
  readonly partSize?: number | undefined;
  /** Parts of a file that are uploaded at once. @default 2 */
  readonly queueSize?: number | undefined;
  /** Whether the server understands `If-Match` and `If-None-Match` of writes. @default true */
  readonly conditionalWrites?: boolean | undefined;
}

const DEFAULTS = {
  ...OBJECT_STORAGE_DEFAULTS,
  partSize: 6 * 1024 * 1024,
  queueSize: 2,
  conditionalWrites: true,
} as const satisfies Partial<S3StorageOptions>;

/** Options that were checked, with their defaults. */
export type S3Settings = WithDefaults<S3StorageOptions, typeof DEFAULTS>;

/** https://docs.aws.amazon.com/AmazonS3/latest/userguide/qfacts.html */
const MIN_PART_SIZE = 5 * 1024 * 1024;
const MAX_PART_SIZE = 5 * 1024 * 1024 * 1024;

/** @throws DepotError `INVALID_OPTION` */
export function checkedOptions(options: S3StorageOptions): S3Settings {
  const settings = withDefaults(options, DEFAULTS);
  const { accessKeyId, secretAccessKey, endpoint, partSize } = settings;
  checkSettings(settings);
  require(!accessKeyId === !secretAccessKey, 'accessKeyId and secretAccessKey must be given together');
  checkUrls({ endpoint });
  require(isPartSize(partSize), 'partSize must be 5 MiB to 5 GiB, in bytes');
  checkCounts(settings, ['queueSize']);
  return settings;
}

function isPartSize(size: number): boolean {
  return Number.isSafeInteger(size) && size >= MIN_PART_SIZE && size <= MAX_PART_SIZE;
}
