import { setTimeout as delay } from 'node:timers/promises';
import { isTransient } from './errors.js';

/** Milliseconds before the second attempt; twice as many before each further one. */
const FIRST_PAUSE = 200;

const MAX_PAUSE = 10_000;

/** How often, and how long. */
export interface Patience {
  readonly maxAttempts: number;
  readonly signal?: AbortSignal | undefined;
}

/** Acts again after failures that pass. @throws what the last attempt failed with; the signal's reason */
export async function retrying<Result>(act: () => Promise<Result>, patience: Patience): Promise<Result> {
  for (let attempt = 1; ; attempt++) {
    patience.signal?.throwIfAborted();
    try {
      return await act();
    } catch (error) {
      patience.signal?.throwIfAborted();
      if (attempt >= patience.maxAttempts || !isTransient(error)) throw error;
    }
    await pauseAfter(attempt, patience.signal);
  }
}

/**
 * Waits before an attempt is repeated; by chance, so that those who failed together do not come back together.
 * @see https://cloud.google.com/storage/docs/retry-strategy#exponential-backoff
 * @throws the signal's reason
 */
export async function pauseAfter(attempt: number, signal: AbortSignal | undefined): Promise<void> {
  const longest = Math.min(MAX_PAUSE, FIRST_PAUSE * 2 ** (attempt - 1));
  await delay(longest * (0.5 + Math.random() / 2), undefined, signal && { signal }).catch(() => {
    signal?.throwIfAborted();
  });
}
