import type { OpenFile } from '../contract/storage.js';
import { DepotError } from '../errors.js';

export type ReadAt = NonNullable<OpenFile['read']>;

/**
 * Fills the first `length` bytes of a buffer with the content from a position on.
 * @throws DepotError `STORAGE_FAILED` where the content ends before that
 */
export async function readFully(
  read: ReadAt,
  buffer: Buffer,
  length: number,
  position: number,
): Promise<void> {
  let filled = 0;
  while (filled < length) {
    const target = filled === 0 ? buffer : buffer.subarray(filled);
    const bytesRead = await read(target, length - filled, position + filled);
    if (bytesRead === 0) throw new DepotError('STORAGE_FAILED', 'The content ended before its size');
    filled += bytesRead;
  }
}
