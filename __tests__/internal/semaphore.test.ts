import { describe, expect, test } from '@jest/globals';
import { Semaphore } from '../../lib/internal/semaphore.js';

describe('Semaphore', () => {
  test('never lets in more than its size, however many come', async () => {
    const semaphore = new Semaphore(3);
    let [inside, most] = [0, 0];
    const act = async () => {
      const leave = await semaphore.acquire();
      most = Math.max(most, ++inside);
      await new Promise(setImmediate);
      inside--;
      leave();
    };
    await Promise.all(Array.from({ length: 20 }, act));
    expect(most).toBe(3);
  });

  test('lets those in who came first', async () => {
    const semaphore = new Semaphore(1);
    const order: number[] = [];
    const leave = await semaphore.acquire();
    const turns = [1, 2, 3].map(async (number) => {
      const leaveTurn = await semaphore.acquire();
      order.push(number);
      leaveTurn();
    });
    leave();
    await Promise.all(turns);
    expect(order).toEqual([1, 2, 3]);
  });

  test('forgets who no longer wants to wait', async () => {
    const semaphore = new Semaphore(1);
    const leave = await semaphore.acquire();
    const controller = new AbortController();
    const given = semaphore.acquire(controller.signal);
    const next = semaphore.acquire();
    const reason = new Error('gone');
    controller.abort(reason);
    await expect(given).rejects.toBe(reason);
    leave();
    (await next)();
    await expect(semaphore.acquire(AbortSignal.abort(reason))).rejects.toBe(reason);
    await expect(semaphore.acquire()).resolves.toBeInstanceOf(Function);
  });

  test('a signal that comes after the turn changes nothing', async () => {
    const semaphore = new Semaphore(1);
    const leave = await semaphore.acquire();
    const controller = new AbortController();
    const waiting = semaphore.acquire(controller.signal);
    leave();
    const leaveSecond = await waiting;
    controller.abort();
    leaveSecond();
    await expect(semaphore.acquire()).resolves.toBeInstanceOf(Function);
  });
});
