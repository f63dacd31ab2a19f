import { DepotError, type DepotErrorCode } from '../errors.js';

/** What a server's failure is to us, and what helps. */
export interface Meaning {
  readonly code: DepotErrorCode;
  readonly hint: string;
}

export const CLOCK_SKEW: Meaning = { code: 'CLOCK_SKEW', hint: 'set the clock of this machine, e.g. by NTP' };

/** Node says nothing of its own where it tried several addresses. */
export function messageOf(error: Error): string {
  return error instanceof AggregateError ? error.errors.map(String).join(', ') : error.message;
}

/** @param reason where it failed, and how */
export function explained({ code, hint }: Meaning, reason: string, cause: Error): DepotError {
  return new DepotError(code, `${reason}; ${hint}`, { cause });
}
