import { fileURLToPath, pathToFileURL } from 'node:url';
import { type GivenOptions, invalidOption, toCamelCase } from './options.js';

/** The parts of a URL that describes a storage, e.g. `file:./var/files?durability=rename`. */
export interface StorageUrl {
  /** In lower case, without its colon. */
  readonly scheme: string;
  /** All between the scheme and the query, still percent-encoded. */
  readonly location: string;
  readonly query: GivenOptions;
}

const STORAGE_URL = /^(?<scheme>[a-z][a-z0-9+.-]*):(?<location>[^?#]*)(?:\?(?<query>[^#]*))?$/i;

/**
 * Takes a URL apart. Its text is kept out of the error: it may hold a password.
 * @throws DepotError `INVALID_OPTION`
 */
export function parseStorageUrl(url: unknown): StorageUrl {
  const parts = typeof url === 'string' ? STORAGE_URL.exec(url)?.groups : undefined;
  if (!parts) throw invalidOption('Not the URL of a storage; it is written like file:./folder or memory:');
  const { scheme = '', location = '', query = '' } = parts;
  // A plus is one, as secrets of AWS have it, and not the space that it would be in a form.
  const parameters = new URLSearchParams(query.replaceAll('+', '%2B'));
  return { scheme: scheme.toLowerCase(), location, query: [...parameters] };
}

/**
 * A folder of this machine (RFC 8089), or one relative to the working directory: `file:///absolute` or `file:./relative`.
 * @throws DepotError `INVALID_OPTION`
 */
export function locatedFolder({ location, query }: StorageUrl): GivenOptions {
  if (location === '' || location === '//')
    throw invalidOption('A file: URL needs a path, as in file:./folder');
  try {
    const workingDirectory = pathToFileURL(`${process.cwd()}/`);
    return [['storagePath', fileURLToPath(new URL(`file:${location}`, workingDirectory))], ...query];
  } catch (cause) {
    throw invalidOption('A file: URL is written like file:./relative or file:///absolute', cause);
  }
}

/** @throws DepotError `INVALID_OPTION` */
export function locatedNowhere({ location, query }: StorageUrl): GivenOptions {
  if (location === '' || location === '//') return query;
  throw invalidOption('A memory: URL has no path');
}

/** Options of a GridFS storage that may stand among those of the driver in the query of a URL. */
const GRIDFS_OPTIONS = new Set(['collection', 'chunkSizeBytes', 'private']);

/** `mongodb://host/database?collection=files&replicaSet=rs0`: whatever is not ours goes to the driver, as it is. */
export function locatedMongo({ scheme, location, query }: StorageUrl): GivenOptions {
  const isOurs = ([name]: GivenOptions[number]) => GRIDFS_OPTIONS.has(toCamelCase(name));
  const others = query
    .filter((option) => !isOurs(option))
    .map(([name, value]): [string, string] => [name, String(value)]);
  const uri = `${scheme}:${location}${others.length > 0 ? `?${new URLSearchParams(others)}` : ''}`;
  return [['uri', uri], ...query.filter(isOurs)];
}

/**
 * `s3://bucket/folder?region=eu-west-1`, `gs://bucket/folder`: keys begin with the folder and a slash.
 * @throws DepotError `INVALID_OPTION`
 */
export function locatedBucket({ scheme, location, query }: StorageUrl): GivenOptions {
  const [, bucket, folder = ''] = /^\/\/([^/@]+)(?:\/(.*))?$/.exec(location) ?? [];
  if (bucket === undefined)
    throw invalidOption(`The URL of a bucket is written like ${scheme}://bucket/folder`);
  const prefix = decodedFolder(folder.replace(/\/*$/, ''));
  return [['bucket', bucket], ...(prefix === '' ? [] : [['prefix', `${prefix}/`] as const]), ...query];
}

function decodedFolder(folder: string): string {
  try {
    return decodeURIComponent(folder);
  } catch (cause) {
    throw invalidOption('The folder of a URL is not well encoded', cause);
  }
}
