import { setTimeout as sleep } from 'node:timers/promises';

/** Milliseconds: much for a machine that is busy, less than a test has. */
const PATIENCE = 20_000;

/** Waits until a condition holds; fails with what was waited for when that takes too long. */
export async function until(
  condition: () => boolean | Promise<boolean>,
  what = 'a condition',
): Promise<void> {
  const deadline = Date.now() + PATIENCE;
  while (!(await condition())) {
    if (Date.now() > deadline) throw new Error(`Waited in vain for ${what}`);
    await sleep(1);
  }
}
