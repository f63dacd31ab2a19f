import { type IncomingMessage, STATUS_CODES } from 'node:http';
import { text } from 'node:stream/consumers';
import { types } from 'node:util';
import { DepotError } from '../../errors.js';
import { CLOCK_SKEW, explained, type Meaning, messageOf } from '../../object-storage/errors.js';

const LOGIN_FAILED: Meaning = {
  code: 'STORAGE_LOGIN_FAILED',
  hint: 'check credentials or keyFilename, or where the environment takes them from',
};
const ACCESS_DENIED: Meaning = {
  code: 'STORAGE_ACCESS_DENIED',
  hint: 'its account needs the role "Storage Object User" on the bucket',
};
const NO_ACCESS_LISTS: Meaning = {
  code: 'STORAGE_ACCESS_DENIED',
  hint: 'set uniformBucketLevelAccess, and let the bucket itself give access',
};
const NO_BUCKET: Meaning = {
  code: 'BUCKET_NOT_FOUND',
  hint: 'check its name and apiEndpoint, or set createBucket',
};
const CANNOT_SIGN: Meaning = {
  code: 'STORAGE_LOGIN_FAILED',
  hint: 'URLs are signed by a service account: give its key, or the role "Service Account Token Creator"; or set serve to "stream"',
};

/** By the status of the answer: https://cloud.google.com/storage/docs/json_api/v1/status-codes */
const MEANINGS = new Map<number, Meaning>([
  [401, LOGIN_FAILED],
  [403, ACCESS_DENIED],
  // That an object is missing is no failure, or one of its own.
  [404, NO_BUCKET],
]);

/** What passes: https://cloud.google.com/storage/docs/retry-strategy#retryable */
const UNWELL = new Set([408, 429, 500, 502, 503, 504]);

/** Errors with a code that do not come from the way to the server. */
const OWN_FAULTS = new Set(['AbortError', 'RangeError', 'TypeError']);

/** How a token is refused to whose clock is wrong. */
const WRONG_CLOCK = /reasonable timeframe|token used too early/i;

/** An answer that is no success. */
export class RefusedRequest extends Error {
  readonly status: number;

  constructor(status: number, message: string) {
    super(message);
    this.name = 'RefusedRequest';
    this.status = status;
  }
}

/** What an answer is that is no success. Reads it. */
export async function refusalOf(answer: IncomingMessage): Promise<RefusedRequest> {
  const { statusCode = 0 } = answer;
  const reason = reasonIn(await text(answer)) || STATUS_CODES[statusCode];
  return new RefusedRequest(statusCode, `${statusCode} ${reason ?? ''}`.trim());
}

/** JSON and XML have their own forms; of anything else, as of proxies, the beginning may help. */
function reasonIn(body: string): string | undefined {
  try {
    const { error } = JSON.parse(body);
    return error.message;
  } catch {
    const [, code] = /<Code>([^<]*)/.exec(body) ?? [];
    const [, message] = /<Message>([^<]*)/.exec(body) ?? [];
    return code === undefined ? body.slice(0, 200).trim() : `${code} ${message ?? ''}`.trim();
  }
}

export function statusOf(error: unknown): number | undefined {
  return error instanceof RefusedRequest ? error.status : undefined;
}

/** Whether a request was refused for its precondition. */
export function isConditionRefused(error: unknown): boolean {
  return statusOf(error) === 412;
}

/** Whether there is no such object, or upload. */
export function isMissing(error: unknown): boolean {
  return statusOf(error) === 404;
}

/** Whether the same request may succeed soon: there was no answer, or one that says so. */
export function isTransient(error: unknown): boolean {
  if (error instanceof DepotError || !types.isNativeError(error) || OWN_FAULTS.has(error.name)) return false;
  const status = statusOf(error);
  return status === undefined ? 'code' in error : UNWELL.has(status);
}

/**
 * A failure of the server or of the way there as an error of ours.
 * @param place what is being used
 */
export function toStorageError(error: unknown, place: string): unknown {
  if (error instanceof DepotError || !types.isNativeError(error)) return error;
  const status = statusOf(error);
  const isAboutLists = status === 400 && /uniform bucket-level access/i.test(error.message);
  const meaning = isAboutLists ? NO_ACCESS_LISTS : MEANINGS.get(status ?? 0);
  if (meaning) return explained(meaning, describe(error, place), error);
  const code = isTransient(error) ? 'STORAGE_UNAVAILABLE' : 'STORAGE_FAILED';
  return new DepotError(code, describe(error, place), { cause: error });
}

/** A failure to get a token as an error of ours. */
export function toLoginError(error: unknown, place: string): unknown {
  return toAuthError(error, place, LOGIN_FAILED);
}

/** A failure to sign a URL as an error of ours. */
export function toSigningError(error: unknown, place: string): unknown {
  return toAuthError(error, place, CANNOT_SIGN);
}

function toAuthError(error: unknown, place: string, otherwise: Meaning): unknown {
  if (error instanceof DepotError || !types.isNativeError(error)) return error;
  if (WRONG_CLOCK.test(error.message)) return explained(CLOCK_SKEW, describe(error, place), error);
  if (!isUnreachable(error)) return explained(otherwise, describe(error, place), error);
  return new DepotError('STORAGE_UNAVAILABLE', describe(error, place), { cause: error });
}

/** Of whoever gives tokens: gaxios has an answer, or the error of the network as its `code`. */
function isUnreachable(error: Error): boolean {
  const { response, config } = error as { response?: { status?: number }; config?: unknown };
  if (response) return UNWELL.has(response.status ?? 0);
  return config !== undefined || error.name === 'TimeoutError';
}

function describe(error: Error, place: string): string {
  return `${place}: ${messageOf(error) || error.name}`;
}
