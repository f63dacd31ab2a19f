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
    const first = Promise.all([batches.add([1]), batches.add([2, 3])]);
    await new Promise(setImmediate);
    const second = Promise.all([batches.add([4]), batches.add([5])]);
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
    const outcomes = await Promise.allSettled([batches.add([1]), batches.add([2])]);
    expect(outcomes.map(({ status }) => status)).toEqual(['rejected', 'rejected']);
    await expect(batches.add([2])).resolves.toBeUndefined();
  });

  describe('that rest', () => {
    const resting = (rest: number) => {
      const acts: number[][] = [];
      const batches = new Batches<number>(async (items) => void acts.push([...items]), rest);
      return { acts, batches };
    };

    test('begin at once, and gather what comes until the rest is over', async () => {
      const { acts, batches } = resting(100);
      await batches.add([1]);
      const [second, third] = [batches.add([2]), batches.add([3])];
      await new Promise((resolve) => setTimeout(resolve, 10));
      expect(acts).toEqual([[1]]);
      await Promise.all([second, third]);
      expect(acts).toEqual([[1], [2, 3]]);
    });

    test('do not while somebody is in a hurry', async () => {
      const { acts, batches } = resting(3_600_000);
      await batches.add([1]);
      const waiting = batches.add([2]);
      await batches.hurry(async () => {
        await waiting;
        await batches.add([3]);
        await batches.add([4]);
      });
      expect(acts).toEqual([[1], [2], [3], [4]]);
    });

    test('do so after a failure as well', async () => {
      let fails = true;
      const batches = new Batches<number>(async () => {
        if (fails) throw new Error('not now');
      }, 1);
      await expect(batches.add([1])).rejects.toThrow('not now');
      fails = false;
      await expect(batches.add([2])).resolves.toBeUndefined();
    });
  });
});
