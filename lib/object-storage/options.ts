import { DepotError } from '../errors.js';

/** What can be said of any bucket. */
export interface ObjectStorageOptions {
  readonly bucket: string;
  /** What the names of all objects begin with, e.g. `photos/`. @default '' */
  readonly prefix?: string | undefined;
  /** Access to the objects: `public-read` lets everybody read them. @default 'private' */
  readonly policy?: 'public-read' | 'private' | undefined;
  /** E.g. `STANDARD_IA` of S3, `NEARLINE` of Google. @default the bucket's */
  readonly storageClass?: string | undefined;
  /** Where everybody can read the objects, e.g. a CDN: the URL to which their names are added. */
  readonly publicUrl?: string | undefined;
  /** Makes the bucket if it is missing. @default false */
  readonly createBucket?: boolean | undefined;
  /** How files come to clients: `stream` never sends them on to the server of the bucket. @default 'auto' */
  readonly serve?: 'auto' | 'redirect' | 'stream' | undefined;
  /** How often a request is tried that fails for no fault of its own. @default 5 */
  readonly maxAttempts?: number | undefined;
  /** Milliseconds to establish a connection. @default 5000 */
  readonly connectTimeout?: number | undefined;
  /** Milliseconds without a byte after which a request fails. @default 20000 */
  readonly idleTimeout?: number | undefined;
}

export const OBJECT_STORAGE_DEFAULTS = {
  prefix: '',
  policy: 'private',
  createBucket: false,
  serve: 'auto',
  maxAttempts: 5,
  connectTimeout: 5000,
  idleTimeout: 20_000,
} as const satisfies Partial<ObjectStorageOptions>;

/** Options with the defaults of those that were left out. */
export type WithDefaults<Options, Defaults> = Options & {
  readonly [Name in keyof Defaults & keyof Options]: NonNullable<Options[Name]>;
};

/** Options that were checked, with their defaults. */
export type ObjectStorageSettings = WithDefaults<ObjectStorageOptions, typeof OBJECT_STORAGE_DEFAULTS>;

/** Longer names than 1,024 bytes do not exist, and an id has up to 128. */
const MAX_PREFIX_BYTES = 896;

/** What is `undefined` counts as left out. */
export function withDefaults<Options extends object, Defaults extends Partial<Options>>(
  options: Options,
  defaults: Defaults,
): WithDefaults<Options, Defaults> {
  const given = Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined));
  return { ...defaults, ...(given as Options) } as WithDefaults<Options, Defaults>;
}

/** @throws DepotError `INVALID_OPTION` */
export function checkSettings(settings: ObjectStorageSettings): void {
  const { bucket, prefix, policy, serve, publicUrl } = settings;
  require(typeof bucket === 'string' && bucket !== '', 'bucket must name a bucket');
  require(isPrefix(
    prefix,
  ), 'prefix must be a text of at most 896 bytes that does not begin with "/", without folders "." and ".."');
  require(policy === 'public-read' || policy === 'private', 'policy must be "public-read" or "private"');
  require(['auto', 'redirect', 'stream'].includes(serve), 'serve must be "auto", "redirect" or "stream"');
  checkUrls({ publicUrl });
  checkCounts(settings, ['maxAttempts', 'connectTimeout', 'idleTimeout']);
}

/** @throws DepotError `INVALID_OPTION` */
export function checkUrls(urls: Readonly<Record<string, unknown>>): void {
  for (const [name, url] of Object.entries(urls))
    require(url === undefined || isHttpUrl(url), `${name} must be an http: or https: URL`);
}

/** @throws DepotError `INVALID_OPTION` */
export function checkCounts<Name extends string>(
  settings: Readonly<Record<Name, number>>,
  names: readonly Name[],
): void {
  for (const name of names) require(isCount(settings[name]), `${name} must be a whole number from 1`);
}

export function isCount(value: unknown): value is number {
  return Number.isSafeInteger(value) && Number(value) > 0;
}

/** @throws DepotError `INVALID_OPTION` */
export function require(condition: boolean, message: string): void {
  if (!condition) throw new DepotError('INVALID_OPTION', message);
}

function isHttpUrl(url: unknown): boolean {
  return typeof url === 'string' && /^https?:\/\//i.test(url) && URL.canParse(url);
}

/**
 * Line breaks are in no name of Google's (https://cloud.google.com/storage/docs/objects#naming), nor survive in XML. Browsers
 * take the folders "." and ".." out of URLs (RFC 3986 section 5.2.4), which name other objects then.
 */
function isPrefix(prefix: unknown): boolean {
  if (typeof prefix !== 'string' || prefix.startsWith('/') || /[\0\r\n]/.test(prefix)) return false;
  return Buffer.byteLength(prefix) <= MAX_PREFIX_BYTES && !/(^|\/)\.\.?\//.test(prefix);
}
