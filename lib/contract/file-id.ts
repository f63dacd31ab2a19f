import { randomUUID } from 'node:crypto';
import { DepotError } from '../errors.js';

/** Letters, digits, `_` and `-`, not beginning with a mark: nothing that a path, a key or a URL could read as more. */
const FILE_ID = /^[a-z0-9][a-z0-9_-]{0,127}$/i;

/** A new unguessable id: a UUID of version 4 (RFC 9562 section 5.4). */
export function createFileId(): string {
  return randomUUID();
}

/** Whether a text can be the id of a file in any storage. */
export function isFileId(id: unknown): id is string {
  return typeof id === 'string' && FILE_ID.test(id);
}

/**
 * The one door for ids: whatever reaches a disk or a bucket went through it.
 * @throws DepotError `INVALID_FILE_ID`
 */
export function assertFileId(id: unknown): asserts id is string {
  if (!isFileId(id)) throw new DepotError('INVALID_FILE_ID', `Not a file id: ${describe(id)}`);
}

function describe(id: unknown): string {
  return typeof id === 'string' ? JSON.stringify(id.slice(0, 100)) : typeof id;
}
