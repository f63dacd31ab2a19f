import { createHash } from 'node:crypto';
import { parse } from 'node:path';
import type { FileDetails } from '../contract/stored-file.js';
import type { Variant } from '../contract/variant.js';

/**
 * What is told of something that is not made yet: it changes when the file does, or what is made of it. So whoever has it
 * already need not be sent it again, and it need not be made for that.
 */
export function detailsOfVariant(
  { filename, lastModified, etag }: FileDetails,
  { contentType, extension, fingerprint }: Variant,
): Pick<FileDetails, 'filename' | 'contentType' | 'lastModified' | 'etag'> {
  const digest = createHash('sha256')
    .update(JSON.stringify([etag, fingerprint]))
    .digest('base64url');
  return { filename: `${parse(filename).name}.${extension}`, contentType, lastModified, etag: `"${digest}"` };
}
