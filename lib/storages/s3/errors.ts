import { types } from 'node:util';
import { DepotError, type DepotErrorCode } from '../../errors.js';
import { CLOCK_SKEW, explained, type Meaning, messageOf } from '../../object-storage/errors.js';

const LOGIN_FAILED: Meaning = {
  code: 'STORAGE_LOGIN_FAILED',
  hint: 'check accessKeyId, secretAccessKey and sessionToken, or where the environment takes them from',
};
const ACCESS_DENIED: Meaning = {
  code: 'STORAGE_ACCESS_DENIED',
  hint: 'its user needs s3:ListBucket, s3:ListBucketMultipartUploads, s3:GetObject, s3:PutObject, s3:DeleteObject and s3:AbortMultipartUpload',
};
const NO_BUCKET: Meaning = {
  code: 'BUCKET_NOT_FOUND',
  hint: 'check its name and the endpoint, or set createBucket',
};
const WRONG_REGION: Meaning = {
  code: 'WRONG_REGION',
  hint: 'set region, or AWS_REGION, to where the bucket is',
};
const NO_ACCESS_LISTS: Meaning = {
  code: 'STORAGE_ACCESS_DENIED',
  hint: 'the bucket takes no access control lists: use policy "private" with publicUrl, or enable them',
};
const NO_CONDITIONS: Meaning = {
  code: 'STORAGE_FAILED',
  hint: 'if the server knows no conditions of writes, it needs conditionalWrites: false',
};
const FULL: Meaning = { code: 'STORAGE_FULL', hint: 'the quota of the bucket or the server is used up' };

/** By the code of the answer: https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html */
const MEANINGS = new Map<string, Meaning>([
  ...[
    'InvalidAccessKeyId',
    'SignatureDoesNotMatch',
    'ExpiredToken',
    'InvalidToken',
    'TokenRefreshRequired',
  ].map((name) => [name, LOGIN_FAILED] as const),
  ...['CredentialsProviderError', 'InvalidClientTokenId'].map((name) => [name, LOGIN_FAILED] as const),
  ...['AccessDenied', 'AllAccessDisabled', 'AccountProblem'].map((name) => [name, ACCESS_DENIED] as const),
  ['AccessControlListNotSupported', NO_ACCESS_LISTS],
  ...['NoSuchBucket', 'InvalidBucketName'].map((name) => [name, NO_BUCKET] as const),
  ...['PermanentRedirect', 'AuthorizationHeaderMalformed', 'IllegalLocationConstraintException'].map(
    (name) => [name, WRONG_REGION] as const,
  ),
  ['RequestTimeTooSkewed', CLOCK_SKEW],
  ['NotImplemented', NO_CONDITIONS],
  ...['QuotaExceeded', 'XMinioStorageFull', 'InsufficientStorage', 'NoSpaceLeftOnDevice'].map(
    (name) => [name, FULL] as const,
  ),
]);

/** What the SDK misses before it asks S3: its errors have no names of their own. */
const MISSING = new Map<string, Meaning>([
  ['Region is missing', WRONG_REGION],
  ['Resolved credential object is not valid', LOGIN_FAILED],
]);

/** What S3 says when it is too busy, or unwell (RFC 9110 sections 15.6.3 to 15.6.5, RFC 6585 section 4). */
const UNWELL = new Set([429, 500, 502, 503, 504]);

/** The name of a failure: the code of S3's answer, or the error's own. */
export function nameOf(error: unknown): string | undefined {
  return types.isNativeError(error) ? error.name : undefined;
}

/** The status of S3's answer; nothing where there was none. */
export function statusOf(error: unknown): number | undefined {
  const { $metadata } = Object(error) as { $metadata?: { httpStatusCode?: number } };
  return $metadata?.httpStatusCode;
}

/** Whether S3 refused a request for its conditions, or because another one was under way. */
export function isConditionRefused(error: unknown): boolean {
  const status = statusOf(error);
  return status === 412 || (status === 409 && nameOf(error) === 'ConditionalRequestConflict');
}

/** Whether there is no such object; an answer to HEAD has no body that would name what is missing. */
export function isObjectMissing(error: unknown): boolean {
  return statusOf(error) === 404 && ['NoSuchKey', 'NotFound', 'Unknown'].includes(nameOf(error) ?? '');
}

/** Whether S3 refused a request without a word, as it does for HEAD. */
export function isUnexplained(error: unknown): boolean {
  const status = statusOf(error) ?? 0;
  return status >= 300 && status < 500 && !MEANINGS.has(nameOf(error) ?? '');
}

/**
 * A failure of S3 or of the way there as an error of ours.
 * @param place what is being used
 */
export function toStorageError(error: unknown, place: string): unknown {
  if (error instanceof DepotError || !types.isNativeError(error)) return error;
  const meaning = MEANINGS.get(error.name) ?? MISSING.get(error.message);
  const description = `${error.name} ${messageOf(error)}`.trim();
  const reason = `${place}: ${description}`;
  if (meaning) return explained(meaning, reason, error);
  const code = isUnavailable(error) ? 'STORAGE_UNAVAILABLE' : codeOfStatus(statusOf(error));
  return new DepotError(code, reason, { cause: error });
}

function codeOfStatus(status: number | undefined): DepotErrorCode {
  if (status === 403) return 'STORAGE_ACCESS_DENIED';
  return status === 507 ? 'STORAGE_FULL' : 'STORAGE_FAILED';
}

/** Either it says so itself, or there was no answer. */
function isUnavailable(error: Error): boolean {
  const status = statusOf(error);
  return status === undefined ? !('$response' in error) : UNWELL.has(status);
}
