import { randomBytes } from 'node:crypto';
import type { ListOptions } from '../../contract/storage.js';

/** An ObjectId as we write it: 12 bytes in small hexadecimal digits. */
const OBJECT_ID = /^[0-9a-f]{24}$/;

const DIGITS = 24;

/** Whether an id can be that of a file here. Capitals would be a second name for the same file. */
export function isObjectId(id: string): boolean {
  return OBJECT_ID.test(id);
}

/** A new ObjectId: seconds since the epoch, and random bytes (BSON specification, ObjectID). */
export function createObjectId(): string {
  const seconds = Math.floor(Date.now() / 1000)
    .toString(16)
    .padStart(8, '0');
  return seconds + randomBytes(8).toString('hex');
}

/** Where a list begins and ends. */
export interface IdRange {
  readonly $gte: string;
  readonly $lte: string;
  readonly $gt?: string;
}

/** The ids that a list gives, as bounds of ObjectIds; nothing where there can be none. */
export function rangeOf({ prefix = '', after = '' }: ListOptions): IdRange | undefined {
  if (!/^[0-9a-f]{0,24}$/.test(prefix)) return undefined;
  const bounds = { $gte: first(prefix), $lte: last(prefix) };
  return after === '' ? bounds : { ...bounds, $gt: lastUpTo(after) };
}

/** The greatest id that does not sort after a text; the text may be anything. */
function lastUpTo(text: string): string {
  const digits = /^[0-9a-f]{0,24}/.exec(text)?.[0] ?? '';
  if (digits.length === DIGITS) return digits;
  const next = text.charAt(digits.length);
  if (next > 'f') return last(digits);
  if (next > '9') return last(`${digits}9`);
  return predecessor(first(digits));
}

function first(prefix: string): string {
  return prefix.padEnd(DIGITS, '0');
}

function last(prefix: string): string {
  return prefix.padEnd(DIGITS, 'f');
}

function predecessor(id: string): string {
  const number = BigInt(`0x${id}`);
  return (number === 0n ? 0n : number - 1n).toString(16).padStart(DIGITS, '0');
}
