import { randomUUID } from 'node:crypto';
import type { IncomingHttpHeaders, OutgoingHttpHeaders } from 'node:http';
import type { FileDetails } from '../contract/stored-file.js';
import { DepotError } from '../errors.js';
import { parsedContentType, UNKNOWN_CONTENT_TYPE } from '../internal/content-type.js';
import { evaluatePreconditions, ifRangeHolds } from './conditional.js';
import { type Disposition, formatDisposition, isSafeInline } from './disposition.js';
import { formatHttpDate } from './http-date.js';
import { redirectCacheControl, type ServeSettings } from './options.js';
import { type ResolvedRange, selectRanges } from './range.js';

/** What matters of a request. */
export interface RequestHead {
  readonly method: 'GET' | 'HEAD';
  readonly headers: IncomingHttpHeaders;
  /** Whether the query asks for a download. */
  readonly download: boolean;
}

/** A piece of a body: text of the protocol's, or bytes of the file. */
export type BodyPart = string | ResolvedRange;

/** Bytes of the file follow. */
export interface ContentPlan {
  readonly kind: 'content';
  readonly status: 200 | 206;
  readonly headers: OutgoingHttpHeaders;
  readonly body: readonly BodyPart[];
}

/** The headers are all: to a HEAD, of a 304, or because a proxy sends the content. */
export interface EmptyPlan {
  readonly kind: 'empty';
  readonly status: 200 | 304;
  readonly headers: OutgoingHttpHeaders;
}

/** What is made of the file follows. */
export interface VariantPlan {
  readonly kind: 'variant';
  readonly status: 200;
  readonly headers: OutgoingHttpHeaders;
}

/** The storage has a URL for the client. */
export interface RedirectPlan {
  readonly kind: 'redirect';
  readonly status: 302;
  readonly headers: OutgoingHttpHeaders;
}

/** The request asked for what cannot be had. */
export interface RefusalPlan {
  readonly kind: 'refusal';
  readonly error: DepotError;
  readonly headers: OutgoingHttpHeaders;
}

/** How a request is to be answered. */
export type ResponsePlan = ContentPlan | EmptyPlan | RedirectPlan | RefusalPlan;

/** What the headers of an answer tell. */
type Described = Pick<FileDetails, 'filename' | 'contentType' | 'lastModified' | 'etag'>;

type PlanSettings = Pick<ServeSettings, 'cacheControl' | 'disposition'>;

/** Seconds that we ask a storage to sign a URL for. */
export const SIGNED_URL_SECONDS = 3600;

/** Of a URL that is asked for with our own signature at its end: clients need a moment to follow. */
const MIN_SIGNED_URL_SECONDS = 60;

/** Nothing that a file brings can run in the application's origin, whatever a browser makes of its type. */
const CONTENT_SECURITY_POLICY =
  "default-src 'none'; img-src 'self'; media-src 'self'; style-src 'unsafe-inline'; sandbox";

/** The answer to a GET or HEAD for a file, by RFC 9110 sections 13.2.2 and 14. */
export function planResponse(
  request: RequestHead,
  file: FileDetails,
  settings: PlanSettings,
  createBoundary: () => string = randomUUID,
): ContentPlan | EmptyPlan | RefusalPlan {
  const early = planUnmet(request, file, settings);
  if (early) return early;
  const headers = fileHeaders(request, file, settings);
  headers['Accept-Ranges'] = 'bytes';
  const selection = selectionOf(request, file);
  if (selection === 'unsatisfiable') return planUnsatisfiable(file);
  if (selection === 'whole') return planWhole(request, file, headers);
  const [range, ...others] = selection;
  if (others.length === 0) return planRange(file, headers, range);
  return planRanges(file, headers, selection, createBoundary());
}

/**
 * The answer where something is made of a file. As long as it is not made its length is unknown, and may be left out
 * (RFC 9110 section 8.6); it has no ranges (section 14.2).
 * @param made what is told of it
 */
export function planVariant(
  request: RequestHead,
  made: Described,
  settings: PlanSettings,
): VariantPlan | EmptyPlan | RefusalPlan {
  const early = planUnmet(request, made, settings);
  if (early) return early;
  const headers = fileHeaders(request, made, settings);
  return { kind: request.method === 'HEAD' ? 'empty' : 'variant', status: 200, headers };
}

/** The answer where the preconditions do not let a request have more. */
function planUnmet(
  { headers }: RequestHead,
  file: Described,
  settings: PlanSettings,
): EmptyPlan | RefusalPlan | undefined {
  const verdict = evaluatePreconditions(headers, file);
  if (verdict === 'notModified') return planNotModified(file, settings);
  return verdict === 'preconditionFailed' ? refusal(new DepotError('PRECONDITION_FAILED')) : undefined;
}

/**
 * Sends the client to the storage. The Location is what the storage gave, and nothing of the request.
 * @param url public, or signed for `signedUrlSeconds`
 * @param urlSeconds for which a signed one works, where the storage has told
 */
export function planRedirect(
  file: FileDetails,
  url: string,
  settings: ServeSettings,
  urlSeconds = Number.POSITIVE_INFINITY,
): RedirectPlan {
  const isPublic = url === file.publicUrl;
  const cacheControl = isPublic ? settings.cacheControl : signedCacheControl(settings, urlSeconds);
  const headers = { Location: url, 'Content-Length': 0, ...cacheControlHeader(cacheControl) };
  return { kind: 'redirect', status: 302, headers };
}

/**
 * Seconds for which a storage is to sign a URL: not more than are left of our own signature. One of a few numbers, so
 * that requests that come one after the other get the same URL.
 */
export function signedUrlSeconds({ secondsLeft }: Pick<ServeSettings, 'secondsLeft'>): number {
  let seconds = SIGNED_URL_SECONDS;
  while (seconds > secondsLeft && seconds > MIN_SIGNED_URL_SECONDS) seconds = Math.floor(seconds / 2);
  return Math.max(seconds, MIN_SIGNED_URL_SECONDS);
}

/** Half of the signature's time: storages may give the same URL for a while, so that browsers can cache it. */
function signedCacheControl(settings: ServeSettings, urlSeconds: number): string | false {
  const seconds = Math.min(signedUrlSeconds(settings) / 2, settings.secondsLeft, urlSeconds);
  return redirectCacheControl(settings, Math.max(0, seconds));
}

/** Hands the file over to a proxy, which evaluates preconditions and ranges by itself. */
export function planSendfile(
  request: RequestHead,
  file: FileDetails,
  settings: PlanSettings,
  proxyHeader: OutgoingHttpHeaders,
): EmptyPlan {
  return { kind: 'empty', status: 200, headers: { ...fileHeaders(request, file, settings), ...proxyHeader } };
}

/** Inline only what is safe there, and what nobody wants otherwise. */
export function dispositionOf(request: RequestHead, file: Described, settings: PlanSettings): Disposition {
  const mayBeInline = settings.disposition === 'auto' && !request.download && isSafeInline(file.contentType);
  return mayBeInline ? 'inline' : 'attachment';
}

/** Range is defined for GET alone (RFC 9110 section 14.2). */
function selectionOf({ method, headers }: RequestHead, file: FileDetails) {
  if (method !== 'GET' || headers.range === undefined || !ifRangeHolds(headers, file)) return 'whole';
  return selectRanges(headers.range, file.size);
}

/** The headers that caches need to go on using what they have (RFC 9110 section 15.4.5). */
function planNotModified(file: Described, { cacheControl }: PlanSettings): EmptyPlan {
  return { kind: 'empty', status: 304, headers: { ETag: file.etag, ...cacheControlHeader(cacheControl) } };
}

/** With the size, so that the client can ask better (RFC 9110 sections 14.4 and 15.5.17). */
function planUnsatisfiable({ size }: FileDetails): RefusalPlan {
  return refusal(new DepotError('RANGE_NOT_SATISFIABLE'), { 'Content-Range': `bytes */${size}` });
}

/** A HEAD says what a GET would (RFC 9110 section 9.3.2). */
function planWhole({ method }: RequestHead, { size }: FileDetails, headers: OutgoingHttpHeaders) {
  headers['Content-Length'] = size;
  if (method === 'HEAD') return { kind: 'empty', status: 200, headers } as const;
  return {
    kind: 'content',
    status: 200,
    headers,
    body: size > 0 ? [{ start: 0, end: size - 1 }] : [],
  } as const;
}

/** A single part goes without multipart (RFC 9110 section 15.3.7.1). */
function planRange({ size }: FileDetails, headers: OutgoingHttpHeaders, range: ResolvedRange): ContentPlan {
  headers['Content-Range'] = contentRange(range, size);
  headers['Content-Length'] = lengthOf(range);
  return { kind: 'content', status: 206, headers, body: [range] };
}

/** Each part has the type and the range that a single one has in its headers (RFC 9110 sections 14.6 and 15.3.7.2). */
function planRanges(
  { size }: FileDetails,
  headers: OutgoingHttpHeaders,
  ranges: readonly ResolvedRange[],
  boundary: string,
): ContentPlan {
  const partHead = (range: ResolvedRange) =>
    `\r\n--${boundary}\r\nContent-Type: ${headers['Content-Type']}\r\nContent-Range: ${contentRange(range, size)}\r\n\r\n`;
  const body = [...ranges.flatMap((range) => [partHead(range), range]), `\r\n--${boundary}--\r\n`];
  headers['Content-Type'] = `multipart/byteranges; boundary=${boundary}`;
  headers['Content-Length'] = body.reduce((sum, part) => sum + lengthOf(part), 0);
  return { kind: 'content', status: 206, headers, body };
}

function fileHeaders(request: RequestHead, file: Described, settings: PlanSettings): OutgoingHttpHeaders {
  return {
    'Content-Type': servedType(file),
    'Content-Disposition': formatDisposition(dispositionOf(request, file, settings), file.filename),
    'Content-Security-Policy': CONTENT_SECURITY_POLICY,
    'X-Content-Type-Options': 'nosniff',
    ETag: file.etag,
    'Last-Modified': formatHttpDate(file.lastModified),
    ...cacheControlHeader(settings.cacheControl),
  };
}

/** Text that does not name its encoding is taken for UTF-8, where browsers would take it for windows-1252. */
function servedType({ contentType }: Described): string {
  const type = parsedContentType(contentType) ?? UNKNOWN_CONTENT_TYPE;
  return type === 'text/plain' ? 'text/plain; charset=utf-8' : type;
}

function cacheControlHeader(cacheControl: string | false): OutgoingHttpHeaders {
  return cacheControl === false ? {} : { 'Cache-Control': cacheControl };
}

function refusal(error: DepotError, headers: OutgoingHttpHeaders = {}): RefusalPlan {
  return { kind: 'refusal', error, headers };
}

function contentRange({ start, end }: ResolvedRange, size: number): string {
  return `bytes ${start}-${end}/${size}`;
}

/** Bytes; the protocol's own text is ASCII. */
export function lengthOf(part: BodyPart): number {
  return typeof part === 'string' ? part.length : part.end - part.start + 1;
}
