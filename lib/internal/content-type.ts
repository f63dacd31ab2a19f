import { lookup } from 'mime-types';

/** What is said of content of which nothing is known (RFC 9110 section 8.3). */
export const UNKNOWN_CONTENT_TYPE = 'application/octet-stream';

/** How many bytes of the beginning are looked at to tell a type. */
export const HEAD_BYTES = 4100;

/** The media type that a file name promises, if any. */
export function contentTypeOfName(filename: string): string | undefined {
  return lookup(filename) || undefined;
}

/** The media type that content shows by its magic bytes, if any; text has none. */
export async function detectContentType(head: Uint8Array): Promise<string | undefined> {
  const { fileTypeFromBuffer } = await import('file-type');
  return (await fileTypeFromBuffer(head))?.mime ?? (isTiff(head) ? 'image/tiff' : undefined);
}

/** TIFF 6.0 section 2: the directory that file-type looks for is at the end of large files, far from their head. */
function isTiff(head: Uint8Array): boolean {
  const magic = Buffer.from(head.subarray(0, 4)).toString('latin1');
  return magic === 'II*\0' || magic === 'MM\0*';
}

/** A type and a subtype of token characters, and parameters without controls (RFC 9110 section 8.3.1). */
const MEDIA_TYPE = /^[\w!#$%&'*+.^`|~-]+\/[\w!#$%&'*+.^`|~-]+(?:[ \t]*;[\x20-\x7e\t]*)?$/;

/** The media type in lower case (its parameters as they are), or nothing where it is not one. */
export function parsedContentType(contentType: string | undefined): string | undefined {
  if (typeof contentType !== 'string' || !MEDIA_TYPE.test(contentType)) return undefined;
  const [type = '', ...parameters] = contentType.split(';');
  return [type.trim().toLowerCase(), ...parameters].join(';');
}
