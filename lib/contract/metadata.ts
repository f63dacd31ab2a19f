import { DepotError } from '../errors.js';

/** A value that JSON can carry. */
export type JsonValue =
  | string
  | number
  | boolean
  | null
  | readonly JsonValue[]
  | { readonly [key: string]: JsonValue };

/** Facts that the application keeps with a file. */
export type Metadata = { readonly [key: string]: JsonValue };

/** As much as every backend can keep beside a file, in bytes of JSON. */
export const MAX_METADATA_BYTES = 1024;

const NO_METADATA: Metadata = Object.freeze({});

/**
 * A deeply frozen copy of metadata, checked to survive its way through JSON.
 * @throws DepotError `INVALID_METADATA` for anything but a plain object, or more than 1 KiB of JSON
 */
export function checkedMetadata(metadata: Metadata | undefined): Metadata {
  if (metadata === undefined) return NO_METADATA;
  const json = toJson(metadata);
  if (!isPlainObject(metadata) || !json.startsWith('{')) {
    throw new DepotError('INVALID_METADATA', 'Metadata must be a plain object');
  }
  if (Buffer.byteLength(json) > MAX_METADATA_BYTES) {
    throw new DepotError('INVALID_METADATA', `Metadata is larger than ${MAX_METADATA_BYTES} bytes of JSON`);
  }
  return parseFrozen(json);
}

/** What JSON says, frozen at every depth. */
export function parseFrozen(json: string) {
  return JSON.parse(json, (_key, value) => Object.freeze(value));
}

/** By its tag: a Map or a Date would lose what it holds on its way through JSON. */
function isPlainObject(value: unknown): boolean {
  return Object.prototype.toString.call(value) === '[object Object]';
}

function toJson(metadata: Metadata): string {
  try {
    return JSON.stringify(metadata) ?? '';
  } catch (cause) {
    throw new DepotError('INVALID_METADATA', 'Metadata cannot be written as JSON', { cause });
  }
}
