import type { IncomingHttpHeaders } from 'node:http';
import type { FileDetails } from '../contract/stored-file.js';
import { parseHttpDate } from './http-date.js';

/** What tells one state of a file from another (RFC 9110 section 8.8). */
export type Validators = Pick<FileDetails, 'etag' | 'lastModified'>;

/** What the preconditions of a request come to: the answer is given, or it is a 304 or a 412. */
export type Verdict = 'proceed' | 'notModified' | 'preconditionFailed';

/** `entity-tag = [ "W/" ] DQUOTE *etagc DQUOTE` (RFC 9110 section 8.8.3); a tag may hold commas. */
const ENTITY_TAG = /(?:W\/)?"[\x21\x23-\x7e\x80-\xff]*"/g;

/**
 * Evaluates the preconditions of a GET or HEAD for an existing file, in the order of RFC 9110 section 13.2.2.
 * If-Range is no part of it: it decides about the Range alone.
 */
export function evaluatePreconditions(headers: IncomingHttpHeaders, validators: Validators): Verdict {
  if (isStale(headers, validators)) return 'preconditionFailed';
  return isUnchanged(headers, validators) ? 'notModified' : 'proceed';
}

/**
 * Whether the Range of a request counts (RFC 9110 section 13.1.5): there is no If-Range, or it names this very state,
 * by a strong comparison of tags or by the exact date.
 */
export function ifRangeHolds(headers: IncomingHttpHeaders, validators: Validators): boolean {
  const ifRange = headers['if-range'];
  if (typeof ifRange !== 'string') return true;
  if (ifRange.endsWith('"')) return ifRange === validators.etag && isStrong(ifRange);
  return parseHttpDate(ifRange) === inSeconds(validators.lastModified);
}

/** Steps 1 and 2: If-Match, and only without it If-Unmodified-Since. */
function isStale(headers: IncomingHttpHeaders, validators: Validators): boolean {
  const ifMatch = headers['if-match'];
  if (ifMatch !== undefined) return !matchesStrongly(ifMatch, validators.etag);
  return isNotAfter(validators.lastModified, headers['if-unmodified-since']) === false;
}

/** Steps 3 and 4: If-None-Match, and only without it If-Modified-Since. */
function isUnchanged(headers: IncomingHttpHeaders, validators: Validators): boolean {
  const ifNoneMatch = headers['if-none-match'];
  if (ifNoneMatch !== undefined) return matchesWeakly(ifNoneMatch, validators.etag);
  return isNotAfter(validators.lastModified, headers['if-modified-since']) === true;
}

/** Strong comparison, which no weak tag survives (RFC 9110 sections 13.1.1 and 8.8.3.2). */
function matchesStrongly(list: string, etag: string): boolean {
  return isAny(list) || (isStrong(etag) && tagsOf(list).includes(etag));
}

/** Weak comparison: the tags are the same, whether marked weak or not (RFC 9110 sections 13.1.2 and 8.8.3.2). */
function matchesWeakly(list: string, etag: string): boolean {
  if (list === etag || isAny(list)) return true;
  const wanted = withoutWeakness(etag);
  return tagsOf(list).some((tag) => withoutWeakness(tag) === wanted);
}

/** Whether a time is at or before the date of a header; nothing where the header is absent or to be ignored. */
function isNotAfter(time: Date, header: string | undefined): boolean | undefined {
  if (header === undefined) return undefined;
  const limit = parseHttpDate(header);
  return limit === undefined ? undefined : inSeconds(time) <= limit;
}

function isAny(list: string): boolean {
  return list.trim() === '*';
}

function isStrong(tag: string): boolean {
  return !tag.startsWith('W/');
}

function withoutWeakness(tag: string): string {
  return isStrong(tag) ? tag : tag.slice(2);
}

function tagsOf(list: string): readonly string[] {
  return list.match(ENTITY_TAG) ?? [];
}

/** HTTP dates know no fractions of a second. */
function inSeconds(date: Date): number {
  return Math.floor(date.getTime() / 1000);
}
