import { setTimeout as sleep } from 'node:timers/promises';

/** Waits until a condition holds; fails with what was waited for after five seconds. */
export async function until(
  condition: () => boolean | Promise<boolean>,
  what = 'a condition',
): Promise<void> {
  const deadline = Date.now() + 5000;
  while (!(await condition())) {
    if (Date.now() > deadline) throw new Error(`Waited in vain for ${what}`);
    await sleep(1);
  }
}
