import { cleanFileName } from '../contract/file-name.js';

const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/** What UTF-8 read as Latin-1 consists of, besides ASCII. */
const LATIN1 = /[\u0080-\u00ff]/;

/** A character that no byte read as Latin-1 can be: a file name that came as `filename*`, with its own charset. */
const BEYOND_LATIN1 = /[\u0100-\uffff]/;

/**
 * The name of a field or a file as it was meant. Browsers write names as UTF-8 (RFC 7578 section 5.1.3), and the parser reads their bytes as
 * Latin-1. Bytes that are not UTF-8 were Latin-1 indeed.
 */
export function mendName(name: string): string {
  if (!LATIN1.test(name) || BEYOND_LATIN1.test(name)) return name;
  try {
    return utf8.decode(Buffer.from(name, 'latin1'));
  } catch {
    return name;
  }
}

/** The name that a part gives, mended and without what a name must not have. */
export function receivedFileName(name: string): string {
  return cleanFileName(mendName(name));
}
