import contentDisposition from 'content-disposition';
import { cleanFileName } from '../contract/file-name.js';

export type Disposition = 'inline' | 'attachment';

/** Pictures of pixels alone: an SVG can hold scripts. */
const SAFE_IMAGES: ReadonlySet<string> = new Set([
  'image/apng',
  'image/avif',
  'image/bmp',
  'image/gif',
  'image/heic',
  'image/heif',
  'image/jpeg',
  'image/jxl',
  'image/png',
  'image/tiff',
  'image/vnd.microsoft.icon',
  'image/webp',
  'image/x-icon',
]);

/** Sound and films; no subtype with a `+`, since browsers read every `+xml` as a document. */
const SOUND_OR_FILM = /^(?:audio|video)\/[a-z0-9._-]+$/;

/** What the quoted form of a name may hold for the clients that read no `filename*`. */
const NOT_ASCII = /[^\x20-\x7e]/g;

/**
 * Whether browsers may show content of this type in the application's origin. An allow-list: HTML, SVG, XML, PDF and
 * whatever else could be active is none of it.
 */
export function isSafeInline(contentType: string): boolean {
  const [type = ''] = contentType.split(';');
  const essence = type.trim().toLowerCase();
  return essence === 'text/plain' || SAFE_IMAGES.has(essence) || SOUND_OR_FILM.test(essence);
}

/** A Content-Disposition (RFC 6266) with the name in ASCII, and in UTF-8 (RFC 8187) where that is not all of it. */
export function formatDisposition(type: Disposition, filename: string): string {
  const name = cleanFileName(filename);
  return contentDisposition(name, { type, fallback: name.replace(NOT_ASCII, '_') });
}
