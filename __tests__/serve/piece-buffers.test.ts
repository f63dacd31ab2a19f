import { describe, expect, test } from '@jest/globals';
import { PIECE_BYTES, PieceBuffers } from '../../lib/serve/piece-buffers.js';

const KIB = 1024;
const GIB = 1024 ** 3;

/** Sizes of the buffers that so many downloads get at once, in KiB. */
function sizesFor(downloads: number, needed = GIB): number[] {
  const transfers = Array.from({ length: downloads }, () => new PieceBuffers());
  const sizes = transfers.map((transfer) => transfer.take(needed).byteLength / KIB);
  for (const transfer of transfers) transfer.end();
  return sizes;
}

describe('the buffers of downloads', () => {
  test('are smaller where there are more downloads, and never tiny', () => {
    expect(sizesFor(1)).toEqual([PIECE_BYTES / KIB]);
    expect(sizesFor(4)).toEqual([2048, 2048, 2048, 2048]);
    expect(sizesFor(9)).toEqual(Array(9).fill(512));
    expect(new Set(sizesFor(1000))).toEqual(new Set([32]));
    expect(sizesFor(1)).toEqual([2048]);
  });

  test.each([
    [1, 32],
    [64 * KIB, 64],
    [64 * KIB + 1, 128],
    [5 * 1024 * KIB, 2048],
  ])('are no larger than what %i bytes need', (needed, expected) => {
    expect(sizesFor(1, needed)).toEqual([expected]);
  });

  test('are used again, by other downloads as well', () => {
    const [one, other] = [new PieceBuffers(), new PieceBuffers()];
    const buffer = one.take(100 * KIB);
    one.give(buffer);
    one.end();
    expect(other.take(100 * KIB)).toBe(buffer);
    expect(other.take(100 * KIB)).not.toBe(buffer);
    other.end();
  });

  test('are dropped where too many wait that nobody asks for', () => {
    const transfer = new PieceBuffers();
    const old = transfer.take(100 * KIB);
    transfer.give(old);
    for (const buffer of Array.from({ length: 8 }, () => transfer.take(GIB))) transfer.give(buffer);
    expect(transfer.take(100 * KIB)).not.toBe(old);
    transfer.end();
  });
});
