import type { IncomingMessage } from 'node:http';
import { isAbsolute, resolve } from 'node:path';
import type { StoredFile } from '../contract/stored-file.js';
import type { Variant } from '../contract/variant.js';
import { DepotError } from '../errors.js';
import { type OnError, warnOf } from '../internal/failure-log.js';
import { assertOptionNames } from '../internal/option-names.js';

export interface ServeOptions {
  /** Where the files are, as the middleware sees paths: begins with `/`. @default '/depot' */
  readonly mountpoint?: string | undefined;
  /**
   * Cache-Control of files; `false` for none. A redirect to a URL that is signed for a while says no more than that, and
   * half of that while without this option.
   * @default 'public, max-age=0'; with `authorize`: 'private, no-cache'
   */
  readonly cacheControl?: string | false | undefined;
  /**
   * `'auto'`: pictures, sound, films and plain text are shown by browsers, all else is downloaded. A query of
   * `?download` asks for a download of any file. `'attachment'`: every file is downloaded.
   * @default 'auto'
   */
  readonly disposition?: 'auto' | 'attachment' | undefined;
  /** Requests for files that do not exist go on to the next handler, in place of a 404. @default false */
  readonly fallthrough?: boolean | undefined;
  /** Clients are sent on to the storage's own URL of a file, where it has one. @default true */
  readonly redirect?: boolean | undefined;
  /**
   * The backend is asked for each request that is sent on. Without it, what was found out is used for 10 seconds: for so
   * long clients may be sent to a file that another process has deleted or replaced, and `authorize` sees it as it was.
   * @default false
   */
  readonly verify?: boolean | undefined;
  /**
   * What clients may have made of a file, by the name that they ask for: `?variant=<name>`. Made for each request that no
   * cache answers, stored nowhere, and never redirected. Names are of letters, digits, `-` and `_`.
   * @default nothing
   */
  readonly variants?: Readonly<Record<string, Variant>> | undefined;
  /** Has a proxy in front send the files of storages that keep them on this machine. @default none: we send them */
  readonly sendfile?: SendfileOptions | undefined;
  /**
   * Whether a request may have a file: `false` answers with 403, and what it throws goes to the error handler.
   * Called once for each request, before anything of the file is told; again if the file is replaced meanwhile.
   * @default everybody may
   */
  authorize?(req: IncomingMessage, file: StoredFile): boolean | Promise<boolean>;
  /**
   * Told of what is wrong here and reaches no error handler: of a file that is damaged, which is a 404 for clients, once;
   * and of every failure that is not the client's, where there is no `next`.
   * @default a warning of the process (`process.emitWarning`)
   */
  onError?(error: unknown, req: IncomingMessage): void;
}

/**
 * How files are handed over to a proxy, which then sees to ranges and conditional requests. Files outside of `root` are
 * sent by us. nginx drops `X-Content-Type-Options` and `Content-Security-Policy`, unless its location adds them again.
 */
export interface SendfileOptions {
  /** `X-Accel-Redirect` for nginx, `X-Sendfile` for Apache and lighttpd. */
  readonly header: 'X-Accel-Redirect' | 'X-Sendfile';
  /** Folder whose files the proxy can read, as an absolute path. @default with `X-Sendfile`: '/' */
  readonly root?: string | undefined;
  /** Internal location of nginx that stands for `root`, e.g. `/files/`; only and always with `X-Accel-Redirect`. */
  readonly prefix?: string | undefined;
}

type CheckedSendfile = { readonly [Name in keyof SendfileOptions]-?: NonNullable<SendfileOptions[Name]> };

/** Options that were checked, with their defaults. */
export interface ServeSettings {
  /** Without a slash at its end: empty for `/`. */
  readonly mountpoint: string;
  readonly cacheControl: string | false;
  /** As it was given. */
  readonly givenCacheControl: string | false | undefined;
  readonly disposition: 'auto' | 'attachment';
  readonly fallthrough: boolean;
  readonly redirect: boolean;
  readonly verify: boolean;
  readonly variants: ReadonlyMap<string, Variant>;
  readonly sendfile: CheckedSendfile | undefined;
  readonly authorize: ((req: IncomingMessage, file: StoredFile) => boolean | Promise<boolean>) | undefined;
  readonly onError: OnError;
  /** For which the answer may be used, and what it leads to; finite only for a signed URL. */
  readonly secondsLeft: number;
}

/** Every option of a middleware. */
const OPTIONS: { readonly [Name in keyof ServeOptions]-?: true } = {
  mountpoint: true,
  cacheControl: true,
  disposition: true,
  fallthrough: true,
  redirect: true,
  verify: true,
  variants: true,
  sendfile: true,
  authorize: true,
  onError: true,
};

/** What only some may have is asked for each time (RFC 9111 section 5.2.2). */
const AUTHORIZED_CACHE_CONTROL = 'private, no-cache';

const DEFAULT_CACHE_CONTROL = 'public, max-age=0';

/** A path as requests have it: of segments (RFC 3986 section 3.3) that are not empty, nor followed by a query. */
const MOUNTPOINT = /^(?:\/|(?:\/(?:[\w.~!$&'()*+,;=:@-]|%[\da-f]{2})+)+\/?)$/i;

/** Answers that are not kept, or not used again without asking us (RFC 9111 sections 5.2.2.4 and 5.2.2.5). */
const ALWAYS_ASKED = /(?:^|[\s,])no-(?:store|cache)(?:[\s,]|$)/i;

const MAX_AGE = /(?:^|[\s,])max-age="?(\d+)/i;

const VARIANT_NAME = /^[\w-]{1,64}$/;

/** What a header value may hold (RFC 9110 section 5.5). */
const HEADER_VALUE = /^[\t\x20-\x7e\x80-\xff]*$/;

/** @throws DepotError `INVALID_OPTION` */
export function checkedOptions(options: ServeOptions): ServeSettings {
  assertOptionNames(options, Object.keys(OPTIONS), 'Middleware');
  const { disposition = 'auto', fallthrough = false, redirect = true, verify = false } = options;
  const { authorize, onError = warnOf } = options;
  require(disposition === 'auto' ||
    disposition === 'attachment', 'disposition must be "auto" or "attachment"');
  for (const [name, value] of Object.entries({ fallthrough, redirect, verify }))
    require(typeof value === 'boolean', `${name} must be true or false`);
  require(authorize === undefined || typeof authorize === 'function', 'authorize must be a function');
  require(typeof onError === 'function', 'onError must be a function');
  return {
    mountpoint: checkedMountpoint(options.mountpoint ?? '/depot'),
    cacheControl: checkedCacheControl(
      options.cacheControl ?? (authorize ? AUTHORIZED_CACHE_CONTROL : DEFAULT_CACHE_CONTROL),
    ),
    givenCacheControl: options.cacheControl,
    disposition,
    fallthrough,
    redirect,
    verify,
    variants: checkedVariants(options.variants ?? {}),
    sendfile: options.sendfile && checkedSendfile(options.sendfile),
    authorize,
    onError,
    secondsLeft: Number.POSITIVE_INFINITY,
  };
}

/** Settings for a request whose URL works only for so many seconds: no cache may use the answer for longer. */
export function limitedTo(secondsLeft: number, settings: ServeSettings): ServeSettings {
  const cacheControl = settings.cacheControl || '';
  if (ALWAYS_ASKED.test(cacheControl)) return { ...settings, secondsLeft };
  const limited = `private, max-age=${cappedMaxAge(cacheControl, secondsLeft)}, must-revalidate`;
  return { ...settings, secondsLeft, cacheControl: limited };
}

/** Cache-Control of a redirect that leads somewhere for so many seconds. */
export function redirectCacheControl(
  { authorize, givenCacheControl }: ServeSettings,
  seconds: number,
): string | false {
  if (authorize) return AUTHORIZED_CACHE_CONTROL;
  if (givenCacheControl === undefined) return `private, max-age=${Math.floor(seconds)}`;
  if (givenCacheControl === false || ALWAYS_ASKED.test(givenCacheControl)) return givenCacheControl;
  return `private, max-age=${cappedMaxAge(givenCacheControl, seconds)}`;
}

function cappedMaxAge(cacheControl: string, seconds: number): number {
  return Math.floor(Math.min(Number(MAX_AGE.exec(cacheControl)?.[1] ?? 0), seconds));
}

function checkedMountpoint(mountpoint: string): string {
  require(MOUNTPOINT.test(
    mountpoint,
  ), `mountpoint must be an absolute path, percent-encoded, e.g. "/depot", not ${quoted(mountpoint)}`);
  return mountpoint.replace(/\/$/, '');
}

function checkedCacheControl(cacheControl: string | false): string | false {
  const isValid =
    cacheControl === false || (typeof cacheControl === 'string' && HEADER_VALUE.test(cacheControl));
  require(isValid, 'cacheControl must be a header value, or false');
  return cacheControl;
}

/** A Map has no names but those that were given. */
function checkedVariants(variants: Readonly<Record<string, Variant>>): ReadonlyMap<string, Variant> {
  require(typeof variants === 'object' && variants !== null, 'variants must be an object');
  for (const [name, variant] of Object.entries(variants)) {
    require(isVariantName(
      name,
    ), `the variant ${quoted(name)} must have a name of letters, digits, "-" and "_"`);
    require(isVariant(variant), `the variant "${name}" must be one, as imageVariant(…) makes them`);
  }
  return new Map(Object.entries(variants));
}

/** Whether a variant can be called so: what needs no encoding, wherever it is written. */
export function isVariantName(name: unknown): name is string {
  return typeof name === 'string' && VARIANT_NAME.test(name);
}

function isVariant(value: unknown): value is Variant {
  if (typeof value !== 'object' || value === null) return false;
  const { make, contentType, extension, fingerprint } = value as Partial<Record<keyof Variant, unknown>>;
  return (
    typeof make === 'function' &&
    [contentType, extension, fingerprint].every((text) => typeof text === 'string')
  );
}

function checkedSendfile({ header, root = '', prefix = '' }: SendfileOptions): CheckedSendfile {
  const isAccel = header === 'X-Accel-Redirect';
  require(isAccel || header === 'X-Sendfile', 'sendfile.header must be "X-Accel-Redirect" or "X-Sendfile"');
  require(!isAccel || root !== '', 'sendfile.root must be given with X-Accel-Redirect');
  require(root === '' || isAbsolute(root), 'sendfile.root must be an absolute path');
  require(isAccel ===
    prefix.startsWith('/'), 'sendfile.prefix must be an absolute path, only with X-Accel-Redirect');
  return { header, root: resolve(root || '/'), prefix: prefix.replace(/\/$/, '') };
}

function require(condition: boolean, message: string): void {
  if (!condition) throw new DepotError('INVALID_OPTION', message);
}

function quoted(value: unknown): string {
  return JSON.stringify(value) ?? String(value);
}
