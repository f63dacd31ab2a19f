import { types } from 'node:util';
import { DepotError, type DepotErrorCode } from '../../errors.js';

/** How the driver calls failures to reach a server: by name, as it is loaded late, and own clients bring their own. */
const UNREACHABLE = new Set([
  'MongoNetworkError',
  'MongoNetworkTimeoutError',
  'MongoOperationTimeoutError',
  'MongoPoolClearedError',
  'MongoPoolClosedError',
  'MongoWaitQueueTimeoutError',
  'MongoServerClosedError',
  'MongoStalePrimaryError',
  'MongoNotConnectedError',
  'MongoTopologyClosedError',
  'MongoClientClosedError',
]);

const WRONGLY_SET_UP = new Set([
  'MongoParseError',
  'MongoInvalidArgumentError',
  'MongoMissingCredentialsError',
  'MongoCompatibilityError',
]);

const NETWORK_CALL = /^(?:query|getaddrinfo|connect|read|write)/;

const CREDENTIALS_HINT = 'check the user name, the password and authSource in its uri';
const SELECTION_HINT = 'check that the server runs, and the hosts and replicaSet in its uri';
const RIGHTS_HINT = 'its user needs the role readWrite on this database';

interface Meaning {
  readonly code: DepotErrorCode;
  readonly hint?: string;
}

const UNAVAILABLE: Meaning = { code: 'STORAGE_UNAVAILABLE' };
const CONFLICT: Meaning = { code: 'CONFLICT' };
const FULL: Meaning = { code: 'STORAGE_FULL' };

/** By codes of the server: https://github.com/mongodb/mongo/blob/master/src/mongo/base/error_codes.yml */
const MEANINGS = new Map<unknown, Meaning>([
  [13, { code: 'STORAGE_ACCESS_DENIED', hint: RIGHTS_HINT }],
  [18, { code: 'STORAGE_LOGIN_FAILED', hint: CREDENTIALS_HINT }],
  // HostUnreachable, HostNotFound, NetworkTimeout, ShutdownInProgress, PrimarySteppedDown, ExceededTimeLimit,
  // SocketException, NotWritablePrimary, InterruptedAtShutdown, InterruptedDueToReplStateChange, NotPrimary...
  ...[6, 7, 50, 89, 91, 189, 202, 262, 9001, 10107, 11600, 11602, 13435, 13436].map(
    (code) => [code, UNAVAILABLE] as const,
  ),
  // WriteConflict, NoSuchTransaction, DuplicateKey.
  ...[112, 251, 11000].map((code) => [code, CONFLICT] as const),
  // OutOfDiskSpace; 12501 is the quota of older servers.
  ...[12501, 14031].map((code) => [code, FULL] as const),
]);

/** The code of the server's answer, if the error is one. */
export function serverCode(error: unknown): number | undefined {
  return types.isNativeError(error) && 'code' in error && typeof error.code === 'number'
    ? error.code
    : undefined;
}

export function isDuplicateKey(error: unknown): boolean {
  return serverCode(error) === 11000;
}

/** Whether the driver or the server labels an error so. */
export function hasLabel(error: unknown, label: string): boolean {
  const inner = innerError(error);
  if (inner) return hasLabel(inner, label);
  if (!types.isNativeError(error) || !('hasErrorLabel' in error)) return false;
  return typeof error.hasErrorLabel === 'function' && error.hasErrorLabel(label);
}

/**
 * The driver's error as ours; what is not the driver's stays what it is.
 * @param place what is being used, without its password
 */
export function toStorageError(error: unknown, place: string): unknown {
  if (error instanceof DepotError || !types.isNativeError(error)) return error;
  const meaning = meaningOf(error);
  if (!meaning) return error;
  const hint = meaning.hint ? `; ${meaning.hint}` : '';
  return new DepotError(meaning.code, `${place}: ${error.message}${hint}`, { cause: error });
}

/** Writes of several documents wrap what has happened to the connection meanwhile. */
function innerError(error: unknown): Error | undefined {
  if (!types.isNativeError(error) || !('errorResponse' in error)) return undefined;
  return types.isNativeError(error.errorResponse) ? error.errorResponse : undefined;
}

function meaningOf(error: Error): Meaning | undefined {
  const inner = innerError(error);
  if (inner) return meaningOf(inner);
  if (error.name === 'MongoServerSelectionError') return { ...UNAVAILABLE, hint: SELECTION_HINT };
  if (UNREACHABLE.has(error.name) || isNetworkError(error)) return UNAVAILABLE;
  if (WRONGLY_SET_UP.has(error.name)) return { code: 'INVALID_OPTION' };
  if (!/^(?:Mongo|BSON)/.test(error.name)) return undefined;
  return MEANINGS.get(serverCode(error)) ?? { code: 'STORAGE_FAILED' };
}

/** Of the system: `mongodb+srv:` asks the name service before anything else, and not all that fails at a socket is wrapped. */
function isNetworkError(error: Error): boolean {
  return 'syscall' in error && typeof error.syscall === 'string' && NETWORK_CALL.test(error.syscall);
}
