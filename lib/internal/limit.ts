import bytes from 'bytes';
import { DepotError } from '../errors.js';

/** As `bytes` reads it; it takes the number at the beginning of any other text for bytes. */
const SIZE = /^\d+(?:\.\d+)?\s*(?:b|kb|mb|gb|tb|pb)?$/i;

/**
 * A limit as a number: as it is, or from a size such as `'10mb'` (1 kb = 1024 bytes). Infinity is no limit.
 * @param name of the option, for the message
 * @throws DepotError `INVALID_OPTION` for what is neither a whole number from 0 nor a size
 */
export function toLimit(name: string, limit: number | string): number {
  const number = typeof limit === 'string' && SIZE.test(limit) ? bytes.parse(limit) : limit;
  const isLimit = Number.isSafeInteger(number) || number === Number.POSITIVE_INFINITY;
  if (typeof number === 'number' && isLimit && number >= 0) return number;
  throw new DepotError('INVALID_OPTION', `${name} is neither a whole number from 0 nor a size: ${limit}`);
}
