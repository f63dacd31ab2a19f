import type { FileStorage } from '../contract/storage.js';
import { type GCSCredentials, GCSStorage, type GCSStorageOptions } from '../storages/gcs.js';
import { GridFSStorage, type GridFSStorageOptions } from '../storages/gridfs.js';
import { LocalStorage, type LocalStorageOptions } from '../storages/local.js';
import { MemoryStorage } from '../storages/memory.js';
import { type S3Credentials, S3Storage, type S3StorageOptions } from '../storages/s3.js';
import {
  callback,
  choice,
  count,
  either,
  flag,
  type GivenOptions,
  instance,
  invalidOption,
  listOf,
  type OptionReaders,
  readOptions,
  required,
  text,
  toCamelCase,
} from './options.js';
import {
  locatedBucket,
  locatedFolder,
  locatedMongo,
  locatedNowhere,
  parseStorageUrl,
  type StorageUrl,
} from './storage-url.js';

/** What a storage is made from, told apart by `backend`. */
export type StorageOptions =
  | ({ readonly backend: 'gcs' } & GCSStorageOptions)
  | ({ readonly backend: 'gridfs' } & GridFSStorageOptions)
  | ({ readonly backend: 'local' } & LocalStorageOptions)
  | { readonly backend: 'memory' }
  | ({ readonly backend: 's3' } & S3StorageOptions);

/** What is said of a storage of any kind. */
export interface StorageSettings {
  /** Its files are served at signed URLs alone, which `urlFor` gives; the manager needs keys for it. @default false */
  readonly private?: boolean | undefined;
}

/** A storage that is not opened yet, and what is said of it besides. */
export interface PlannedStorage {
  readonly settings: StorageSettings;
  /** To open a storage is to touch what it is about. */
  readonly open: () => FileStorage;
}

type BackendName = StorageOptions['backend'];
type OptionsOf<Name extends BackendName> = Omit<
  Extract<StorageOptions, { readonly backend: Name }>,
  'backend'
>;

/** How storages of one kind are configured. */
interface Backend<Options> {
  /** Schemes of its URLs. */
  readonly schemes: readonly string[];
  readonly options: OptionReaders<Options>;
  readonly readUrl: (url: StorageUrl) => GivenOptions;
  readonly create: (options: Options) => FileStorage;
}

/** Every backend that options, settings or a URL can ask for. */
const BACKENDS: { readonly [Name in BackendName]: Backend<OptionsOf<Name>> } = {
  gcs: {
    schemes: ['gs'],
    options: {
      bucket: required(text),
      projectId: text,
      credentials: instance<GCSCredentials>('client_email', 'private_key'),
      keyFilename: text,
      client: instance('apiEndpoint', 'authClient', 'bucket'),
      apiEndpoint: text,
      useAuthWithCustomEndpoint: flag,
      prefix: text,
      policy: choice('public-read', 'private'),
      uniformBucketLevelAccess: flag,
      storageClass: text,
      publicUrl: text,
      createBucket: flag,
      location: text,
      serve: choice('auto', 'redirect', 'stream'),
      chunkSize: count,
      maxAttempts: count,
      connectTimeout: count,
      idleTimeout: count,
    },
    readUrl: locatedBucket,
    create: (options) => new GCSStorage(options),
  },
  gridfs: {
    schemes: ['mongodb', 'mongodb+srv'],
    options: {
      uri: text,
      client: instance('db'),
      db: instance('collection', 'databaseName'),
      database: text,
      collection: text,
      chunkSizeBytes: count,
    },
    readUrl: locatedMongo,
    create: (options) => new GridFSStorage(options),
  },
  local: {
    schemes: ['file'],
    options: { storagePath: required(text), durability: choice('fsync', 'rename') },
    readUrl: locatedFolder,
    create: (options) => new LocalStorage(options),
  },
  memory: { schemes: ['memory'], options: {}, readUrl: locatedNowhere, create: () => new MemoryStorage() },
  s3: {
    schemes: ['s3'],
    options: {
      bucket: required(text),
      region: text,
      endpoint: text,
      accessKeyId: text,
      secretAccessKey: text,
      sessionToken: text,
      credentials: either(
        instance<S3Credentials>('accessKeyId', 'secretAccessKey'),
        callback<() => Promise<S3Credentials>>(),
      ),
      client: instance('config', 'send'),
      prefix: text,
      policy: choice('public-read', 'private'),
      storageClass: text,
      serverSideEncryption: text,
      kmsKeyId: text,
      publicUrl: text,
      forcePathStyle: flag,
      createBucket: flag,
      serve: choice('auto', 'redirect', 'stream'),
      partSize: count,
      queueSize: count,
      conditionalWrites: flag,
      maxAttempts: count,
      connectTimeout: count,
      idleTimeout: count,
    },
    readUrl: locatedBucket,
    create: (options) => new S3Storage(options),
  },
};

const BACKEND_NAMES = Object.keys(BACKENDS) as BackendName[];

/** Of a storage of any kind. */
const SETTINGS: OptionReaders<StorageSettings> = { private: flag };

/** Every name that can stand in the configuration of a storage, in camelCase. */
export const OPTION_NAMES: ReadonlySet<string> = new Set([
  'backend',
  'url',
  'private',
  ...BACKEND_NAMES.flatMap((name) => Object.keys(BACKENDS[name].options)),
]);

/**
 * The storage that options describe, by a `backend` or a `url`.
 * @throws DepotError `INVALID_OPTION`
 */
export function planStorage(given: GivenOptions): PlannedStorage {
  const { backend, url } = Object.fromEntries(given.filter(([name]) => name === 'backend' || name === 'url'));
  const options = given.filter(([name]) => name !== 'backend' && name !== 'url');
  if (url === undefined) return planBackend(backendNamed(backend), options);
  if (backend !== undefined) throw invalidOption('A storage has either a "backend" or a "url", not both');
  const parts = parseStorageUrl(url);
  const name = backendOfScheme(parts.scheme);
  return planBackend(name, [...BACKENDS[name].readUrl(parts), ...options]);
}

/**
 * What is said of a storage that was made elsewhere.
 * @throws DepotError `INVALID_OPTION`
 */
export function readSettings(given: GivenOptions): StorageSettings {
  return readOptions(SETTINGS, given, 'A storage of your own');
}

function planBackend<Name extends BackendName>(name: Name, given: GivenOptions): PlannedStorage {
  const owner = `Backend "${name}"`;
  const isSetting = ([option]: GivenOptions[number]) => Object.hasOwn(SETTINGS, toCamelCase(option));
  const settings = readOptions<StorageSettings>(SETTINGS, given.filter(isSetting), owner);
  const own = given.filter((option) => !isSetting(option));
  if (settings.private) assertNotPublic(own, owner);
  const { options: readers, create } = BACKENDS[name];
  const options = readOptions(readers, own, owner);
  return { settings, open: () => create(options) };
}

/** What everybody can read elsewhere is not private here. */
function assertNotPublic(options: GivenOptions, owner: string): void {
  const isPublic = ([name, value]: GivenOptions[number]) =>
    toCamelCase(name) === 'publicUrl' || (toCamelCase(name) === 'policy' && value === 'public-read');
  const contradiction = options.find(isPublic);
  if (contradiction)
    throw invalidOption(`${owner}: what is "private" cannot have the option "${contradiction[0]}" too`);
}

function backendNamed(given: unknown): BackendName {
  const name = BACKEND_NAMES.find((known) => known === given);
  if (name) return name;
  const problem =
    given === undefined ? 'A storage needs a "backend"' : `There is no backend ${JSON.stringify(given)}`;
  throw invalidOption(`${problem}; there are: ${listOf(BACKEND_NAMES)}`);
}

function backendOfScheme(scheme: string): BackendName {
  const name = BACKEND_NAMES.find((known) => BACKENDS[known].schemes.includes(scheme));
  if (name) return name;
  const schemes = BACKEND_NAMES.flatMap((known) => BACKENDS[known].schemes.map((each) => `${each}:`));
  throw invalidOption(`There is no storage for URLs of "${scheme}:"; there are: ${listOf(schemes)}`);
}
