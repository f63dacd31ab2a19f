import { DepotError } from '../errors.js';
import type { FileTarget } from './target.js';

/** What a signed URL says: all that changes the answer. HEAD and GET have the same URL. */
export interface SignedLink extends Pick<FileTarget, 'storage' | 'id' | 'filename' | 'download' | 'variant'> {
  /** Seconds since the epoch, in digits, at which it expires. */
  readonly expires: string;
}

/** Names of the parameters that count; others are free, for what mail programs and trackers add. */
const PARAMETERS = ['download', 'variant', 'expires', 'signature'] as const;

/** Tells these texts from all others that the same key may sign, and from those of a later form. */
const FORM = 'filedepot URL 1';

/** The text that is signed. JSON keeps apart where one part ends and the next begins. */
export function canonicalText(link: SignedLink): string {
  const { storage, id, filename = '', download, variant, expires } = link;
  const parts = [FORM, storage, id, filename, download ? 'attachment' : 'inline', expires];
  return JSON.stringify(variant === undefined ? parts : [...parts, variant]);
}

/** The query of a URL that is not signed, without its question mark: often there is none. */
export function plainQuery({ download, variant }: Pick<FileTarget, 'download' | 'variant'>): string {
  const parts = [download && 'download', variant !== undefined && `variant=${encodeURIComponent(variant)}`];
  return parts.filter(Boolean).join('&');
}

/** The query of a signed URL, without its question mark. */
export function signedQuery(link: SignedLink, sign: (text: string) => string): string {
  const plain = plainQuery(link);
  return `${plain}${plain && '&'}expires=${link.expires}&signature=${sign(canonicalText(link))}`;
}

/**
 * Seconds for which a URL still works; nothing for one that is not signed.
 * @param isSigned whether a text has a signature, told in constant time
 * @param now milliseconds since the epoch
 * @throws DepotError `URL_INVALID`, `URL_EXPIRED`
 */
export function secondsLeft(
  target: FileTarget,
  isSigned: (text: string, signature: string) => boolean,
  now: number,
): number | undefined {
  const { parameters } = target;
  const signature = parameters.get('signature');
  if (signature === null) return undefined;
  const link = { ...target, expires: parameters.get('expires') ?? '' };
  const isAmbiguous = PARAMETERS.some((name) => parameters.getAll(name).length > 1);
  if (isAmbiguous || !isSigned(canonicalText(link), signature)) throw new DepotError('URL_INVALID');
  const seconds = Number(link.expires) - now / 1000;
  if (seconds > 0) return seconds;
  throw new DepotError('URL_EXPIRED');
}
