import { setTimeout as wait } from 'node:timers/promises';
import { describe, expect, test } from '@jest/globals';
import { KeyedMutex } from '../../lib/internal/keyed-mutex.js';

describe('KeyedMutex', () => {
  test('runs the acts of one key one after the other, in order', async () => {
    const mutex = new KeyedMutex();
    const events: string[] = [];
    const act = (name: string, delay: number) =>
      mutex.run('key', async () => {
        events.push(`${name} begins`);
        await wait(delay);
        events.push(`${name} ends`);
        return name;
      });
    expect(await Promise.all([act('a', 10), act('b', 0), act('c', 5)])).toEqual(['a', 'b', 'c']);
    expect(events).toEqual(['a begins', 'a ends', 'b begins', 'b ends', 'c begins', 'c ends']);
  });

  test('lets the acts of other keys pass', async () => {
    const mutex = new KeyedMutex();
    let release = () => {};
    const held = mutex.run('one', () => new Promise<void>((resolve) => (release = resolve)));
    await expect(mutex.run('two', async () => 'passed')).resolves.toBe('passed');
    release();
    await held;
  });

  test('goes on after a failure, which only its own caller sees', async () => {
    const mutex = new KeyedMutex();
    const error = new Error('no');
    const failing = mutex.run('key', () => Promise.reject(error));
    const next = mutex.run('key', async () => 'next');
    await expect(failing).rejects.toBe(error);
    await expect(next).resolves.toBe('next');
  });

  test('never lets two in, however many come', async () => {
    const mutex = new KeyedMutex();
    let [inside, most] = [0, 0];
    const act = async () => {
      most = Math.max(most, ++inside);
      await new Promise(setImmediate);
      inside--;
    };
    const come = async () => {
      for (let turn = 0; turn < 20; turn++) await mutex.run('key', act);
    };
    await Promise.all([come(), come(), come(), come()]);
    expect(most).toBe(1);
  });
});
