import { setTimeout as sleep } from 'node:timers/promises';
import { isNativeError } from 'node:util/types';
import { DepotError } from '../../../errors.js';
import type { Semaphore } from '../../../internal/semaphore.js';

/** How long another process that writes is waited for, in milliseconds. */
const PATIENCE = 5000;

/** How long between two tries, in milliseconds. */
const PAUSE = 5;

/** How long a transaction of this process is waited for, in milliseconds. */
const TURN_PATIENCE = 30_000;

/**
 * A turn, which ends by what it resolves to.
 * @throws DepotError `CONFLICT` for who waits too long: it may be a transaction that waits for itself
 */
export async function acquireInTime(turns: Semaphore): Promise<() => void> {
  try {
    return await turns.acquire(AbortSignal.timeout(TURN_PATIENCE));
  } catch (cause) {
    const message =
      'SQLite is being written by another transaction; within it, use its own handle, not the database';
    throw new DepotError('CONFLICT', message, { cause });
  }
}

/**
 * Tries again as long as SQLite is being written by somebody else; it does not wait by itself, or only by stopping the
 * whole process.
 * @param mayRepeat whether a failed try has changed nothing
 */
export async function untilFree<Result>(
  act: () => Promise<Result>,
  mayRepeat: () => boolean = () => true,
): Promise<Result> {
  const deadline = Date.now() + PATIENCE;
  for (;;) {
    try {
      return await act();
    } catch (error) {
      if (!isBusy(error) || !mayRepeat() || Date.now() > deadline) throw error;
    }
    await sleep(PAUSE);
  }
}

/** Drivers and Drizzle wrap what SQLite says (https://www.sqlite.org/rescode.html#busy). */
function isBusy(error: unknown): boolean {
  if (!isNativeError(error)) return false;
  const { code, cause } = error as NodeJS.ErrnoException & { cause?: unknown };
  return String(code).startsWith('SQLITE_BUSY') || isBusy(cause);
}
