import {
  checkSettings,
  checkUrls,
  isCount,
  OBJECT_STORAGE_DEFAULTS,
  type ObjectStorageOptions,
  require,
  type WithDefaults,
  withDefaults,
} from '../../object-storage/options.js';

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

export interface GCSStorageOptions extends ObjectStorageOptions {
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
  /** Whether access is the bucket's alone: then its own policy must let everybody read what is `public-read`. @default false */
  readonly uniformBucketLevelAccess?: boolean | undefined;
  /** Where a bucket is made, e.g. `EU`. @default 'US', as Google says */
  readonly location?: string | undefined;
  /** Bytes, a multiple of 262144: what is larger is uploaded in pieces of this size. @default 4194304 */
  readonly chunkSize?: number | undefined;
}

const DEFAULTS = {
  ...OBJECT_STORAGE_DEFAULTS,
  uniformBucketLevelAccess: false,
  chunkSize: 4 * 1024 * 1024,
} as const satisfies Partial<GCSStorageOptions>;

/** Options that were checked, with their defaults. */
export type GCSSettings = WithDefaults<GCSStorageOptions, typeof DEFAULTS>;

/** Bytes of which each piece of an upload but the last has a multiple. */
export const CHUNK_UNIT = 256 * 1024;

/** @throws DepotError `INVALID_OPTION` */
export function checkedOptions(options: GCSStorageOptions): GCSSettings {
  const settings = withDefaults(options, DEFAULTS);
  const { credentials, keyFilename, apiEndpoint, chunkSize } = settings;
  checkSettings(settings);
  require(!credentials || !keyFilename, 'Either credentials or keyFilename can be given, not both');
  checkUrls({ apiEndpoint });
  require(isCount(chunkSize) && chunkSize % CHUNK_UNIT === 0, 'chunkSize must be a multiple of 262144 bytes');
  return settings;
}
