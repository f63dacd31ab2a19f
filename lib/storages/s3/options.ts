import type { FileOptions } from '../../contract/staged-file.js';
import type { StageOptions } from '../../contract/storage.js';
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
  /** URL of a server that is not Amazon's. @default what the environment says (`AWS_ENDPOINT_URL_S3`, `AWS_ENDPOINT_URL`) */
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

/** What a client may upload past the application. S3 holds it to that. */
export interface DirectUploadOptions {
  /** Bytes, or text such as `'10mb'` (1 kb = 1024 bytes); at most 5 GiB. */
  readonly maxSize: number | string;
  /**
   * Media type that the client must declare: one (`image/png`), or a range (`image/*`, or that of all types) of which it
   * says one in the field `Content-Type`. Nobody has looked at the content yet. @default none: the client may declare no type
   */
  readonly contentType?: string | undefined;
  /** Seconds until which the upload must have begun; at most 604,800. @default 3600 */
  readonly expiresIn?: number | undefined;
}

/** A form that makes one object, as JSON for the client. */
export interface DirectUpload {
  /** Id of the file that `adopt` will make of the upload. */
  readonly id: string;
  /** Where the form goes, by POST as `multipart/form-data`. */
  readonly url: string;
  /** To be sent as they are, before the field `file` with the content. */
  readonly fields: Readonly<Record<string, string>>;
}

/** What is asked of an upload, and what it is called as a file. */
export interface AdoptOptions
  extends Pick<FileOptions, 'filename' | 'metadata'>,
    Pick<StageOptions, 'checkType' | 'signal'> {
  /** Bytes, or text such as `'10mb'` (1 kb = 1024 bytes). @default no limit: the form had one */
  readonly maxSize?: number | string | undefined;
  /**
   * Media types (`image/png`), ranges (`image/*`) and endings of names (`.pdf`), checked against the content.
   * @default everything
   */
  readonly accept?: readonly string[] | undefined;
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
