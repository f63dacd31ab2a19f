import type { IncomingMessage } from 'node:http';
import { inspect } from 'node:util';

/** Told of a failure in a request that nobody else is told of. */
export type OnError = (error: unknown, req: IncomingMessage) => void;

/** Where nothing else is wanted: a warning of the process. */
export function warnOf(error: unknown): void {
  process.emitWarning(inspect(error));
}

/** What a log fails with is no reason to leave a client without an answer. */
export function tell(onError: OnError, error: unknown, req: IncomingMessage): void {
  try {
    onError(error, req);
  } catch (failure) {
    process.emitWarning(`onError has failed: ${failure}`);
  }
}
