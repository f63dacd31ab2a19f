import { lookup } from 'mime-types';
import { DepotError } from '../errors.js';
import { contentTypeOfName, parsedContentType, UNKNOWN_CONTENT_TYPE } from './content-type.js';
import { canonicalType, isContradicted, isGenericType, isKindOf, withCanonicalType } from './media-types.js';

/** All that is said of the type of some content. */
export interface TypeClaims {
  /** By the content's magic bytes. */
  readonly detected?: string | undefined;
  /** By the client. */
  readonly declared?: string | undefined;
  /** Name that the client gives. */
  readonly filename?: string | undefined;
  /** Of the file that the content is to replace. */
  readonly previous?: string | undefined;
}

/** Types that are accepted. */
export interface AcceptList {
  /** As it was given, for messages. */
  readonly text: string;
  has(contentType: string): boolean;
}

const MEDIA_RANGE = /^(?:\*\/\*|[\w!#$&^.+-]+\/(?:\*|[\w!#$&^.+-]+))$/;

/**
 * Reads a list of media types (`image/png`), ranges (`image/*`) and endings of names (`.pdf`, which stands for the type
 * that it promises).
 * @throws DepotError `INVALID_OPTION`
 */
export function parseAccept(items: readonly string[] | undefined): AcceptList {
  if (items === undefined) return { text: '*/*', has: () => true };
  if (!Array.isArray(items))
    throw new DepotError('INVALID_OPTION', "accept must be a list, such as ['image/*', '.pdf']");
  const ranges = new Set(items.map(toMediaRange));
  return {
    text: items.join(', '),
    has: (contentType) => rangesOf(canonicalType(contentType)).some((range) => ranges.has(range)),
  };
}

function toMediaRange(item: string): string {
  const type = item.startsWith('.') ? lookup(item) : item.trim();
  if (type === false) throw new DepotError('INVALID_OPTION', `accept: no media type is known for ${item}`);
  if (!MEDIA_RANGE.test(type)) throw new DepotError('INVALID_OPTION', `accept: ${item} is not a media type`);
  return canonicalType(type);
}

function rangesOf(type: string): string[] {
  return [type, `${type.slice(0, type.indexOf('/'))}/*`, '*/*'];
}

/**
 * The media type of content, decided by the content where it can be told, and by what is said of it where it cannot.
 * @throws DepotError `CONTENT_TYPE_MISMATCH` where the content is not what the client declares, and the one or the other
 *   would be accepted; `CONTENT_TYPE_NOT_ACCEPTED`
 */
export function decideContentType(claims: TypeClaims, accepted: AcceptList): string {
  refuseContradiction(claims, accepted);
  const contentType = typeOf(claims);
  if (accepted.has(contentType)) return contentType;
  const promised = promisedType(claims);
  if (claims.detected === undefined && promised !== undefined && accepted.has(promised)) return promised;
  throw notAccepted(`The content is ${canonicalType(contentType)}`, accepted);
}

function refuseContradiction(claims: TypeClaims, accepted: AcceptList): void {
  const detected = claims.detected && canonicalType(claims.detected);
  const declared = parsedContentType(claims.declared);
  if (declared === undefined || !isContradicted(canonicalType(declared), detected)) return;
  const declaration = `The content is declared as ${canonicalType(declared)}`;
  const isOneAccepted = accepted.has(declared) || (detected !== undefined && accepted.has(detected));
  throw isOneAccepted
    ? new DepotError('CONTENT_TYPE_MISMATCH', `${declaration}, but is ${detected ?? 'something else'}`)
    : notAccepted(declaration, accepted);
}

function notAccepted(finding: string, accepted: AcceptList): DepotError {
  return new DepotError('CONTENT_TYPE_NOT_ACCEPTED', `${finding}; accepted: ${accepted.text}`);
}

function typeOf(claims: TypeClaims): string {
  const detected = claims.detected && canonicalType(claims.detected);
  const declared = parsedContentType(claims.declared);
  const claim = declared !== undefined && !isGenericType(declared) ? declared : promisedType(claims);
  if (claim === undefined) return detected ?? UNKNOWN_CONTENT_TYPE;
  return detected === undefined || isKindOf(canonicalType(claim), detected)
    ? withCanonicalType(claim)
    : detected;
}

/** What the name, or the file that is replaced, lets expect, unless the content is something else. */
function promisedType({ detected, filename, previous }: TypeClaims): string | undefined {
  const content = detected && canonicalType(detected);
  const types = [filename && contentTypeOfName(filename), previous];
  return types.find((type) => type && !isContradicted(canonicalType(type), content)) || undefined;
}
