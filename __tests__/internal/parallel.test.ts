import { describe, expect, test } from '@jest/globals';
import { inParallel } from '../../lib/internal/parallel.js';

describe('inParallel', () => {
  test('does so many at a time, and keeps the order of results', async () => {
    let running = 0;
    let most = 0;
    const results = await inParallel([5, 4, 3, 2, 1], 2, async (item) => {
      running += 1;
      most = Math.max(most, running);
      for (let turn = 0; turn < item; turn += 1) await new Promise(setImmediate);
      running -= 1;
      return item * 2;
    });
    expect(results).toEqual([10, 8, 6, 4, 2]);
    expect(most).toBe(2);
  });

  test('does nothing where there is nothing', async () => {
    expect(await inParallel([], 3, () => Promise.reject(new Error('asked')))).toEqual([]);
  });

  test('fails as one does', async () => {
    await expect(inParallel([1], 3, () => Promise.reject(new Error('one')))).rejects.toThrow('one');
  });
});
