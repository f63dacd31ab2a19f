import { DepotError } from '../errors.js';

/** The name of a file that was given none. */
export const UNNAMED = 'unnamed';

/** What file systems and headers carry without trouble, in bytes of UTF-8. */
export const MAX_FILE_NAME_BYTES = 255;

/** Controls (C0, DEL, C1, line and paragraph separators) and the marks that reorder text (Unicode Bidi_Control). */
// biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is removed
const UNSAFE_CHARACTERS = /[\u0000-\u001f\u007f-\u009f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff]/g;

/** Longest ending that is kept when a name is cut. */
const MAX_EXTENSION_CHARACTERS = 16;

/** @throws DepotError `INVALID_METADATA` for what is no text, as JSON of a client's may hold */
export function assertFileName(name: unknown): asserts name is string | null | undefined {
  if (name === undefined || name === null || typeof name === 'string') return;
  throw new DepotError('INVALID_METADATA', 'A file name must be a text');
}

/**
 * The one door for file names: the last part of a path, without control or direction marks, in Unicode's NFC form,
 * at most 255 bytes long with its extension kept; `unnamed` where nothing is left.
 * @throws DepotError `INVALID_METADATA` for what is no text
 */
export function cleanFileName(name: string | null | undefined): string {
  assertFileName(name);
  if (!name) return UNNAMED;
  const lastPart = name.toWellFormed().replace(/^.*[/\\]/s, '');
  const cleaned = lastPart.normalize('NFC').replace(UNSAFE_CHARACTERS, '').trim();
  if (/^\.*$/.test(cleaned)) return UNNAMED;
  return shortened(cleaned);
}

function shortened(name: string): string {
  if (Buffer.byteLength(name) <= MAX_FILE_NAME_BYTES) return name;
  const extension = /\.[^.\s]+$/.exec(name)?.[0] ?? '';
  const ending = extension.length <= MAX_EXTENSION_CHARACTERS ? extension : '';
  const stem = name.slice(0, name.length - ending.length);
  return cutToBytes(stem, MAX_FILE_NAME_BYTES - Buffer.byteLength(ending)) + ending;
}

/** Cuts between characters, never inside one. */
function cutToBytes(text: string, maxBytes: number): string {
  const bytes = Buffer.from(text).subarray(0, maxBytes);
  return bytes.toString('utf8').replace(/\ufffd+$/, '');
}
