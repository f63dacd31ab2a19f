import { describe, expect, test } from '@jest/globals';
import { Batches } from '../../lib/internal/batches.js';

describe('batches', () => {
  test('one act does what came at once, and another what came meanwhile', async () => {
    const acts: number[][] = [];
    let release = () => {};
    const batches = new Batches<number>(async (items) => {
      acts.push([...items]);
      await new Promise<void>((resolve) => {
        release = resolve;
      });
    });
    const first = Promise.all([batches.add(1), batches.add(2, 3)]);
    await new Promise(setImmediate);
    const second = Promise.all([batches.add(4), batches.add(5)]);
    await new Promise(setImmediate);
    expect(acts).toEqual([[1, 2, 3]]);
    release();
    await first;
    await new Promise(setImmediate);
    expect(acts).toEqual([
      [1, 2, 3],
      [4, 5],
    ]);
    release();
    await second;
  });

  test('a failure is that of those whose work it was', async () => {
    const batches = new Batches<number>(async (items) => {
      if (items.includes(1)) throw new Error('not 1');
    });
    const outcomes = await Promise.allSettled([batches.add(1), batches.add(2)]);
    expect(outcomes.map(({ status }) => status)).toEqual(['rejected', 'rejected']);
    await expect(batches.add(2)).resolves.toBeUndefined();
  });
});
