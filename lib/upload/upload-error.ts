import multer from 'multer';
import { DepotError, type DepotErrorCode, isDepotError } from '../errors.js';
import type { IncomingFile } from './options.js';

/** Multer's codes, of which its types know only some. */
const CODES: Readonly<Record<string, DepotErrorCode>> = {
  LIMIT_PART_COUNT: 'TOO_MANY_PARTS',
  LIMIT_FILE_SIZE: 'FILE_TOO_LARGE',
  LIMIT_FILE_COUNT: 'TOO_MANY_FILES',
  LIMIT_FIELD_KEY: 'FIELD_NAME_TOO_LONG',
  LIMIT_FIELD_VALUE: 'FIELD_TOO_LARGE',
  LIMIT_FIELD_COUNT: 'TOO_MANY_FIELDS',
  LIMIT_UNEXPECTED_FILE: 'UNEXPECTED_FILE',
  LIMIT_FIELD_NESTING: 'INVALID_FIELD_NAME',
  LIMIT_FIELD_ARRAY_INDEX: 'INVALID_FIELD_NAME',
  INVALID_FIELD_NAME: 'INVALID_FIELD_NAME',
  MISSING_FIELD_NAME: 'INVALID_FIELD_NAME',
  STREAM_DESTROYED: 'UPLOAD_ABORTED',
};

/** Characters of a client's name for a field that a message repeats. */
const MAX_QUOTED_NAME = 100;

const REFUSALS: ReadonlySet<DepotErrorCode> = new Set([
  'FILE_TOO_LARGE',
  'CONTENT_TYPE_MISMATCH',
  'CONTENT_TYPE_NOT_ACCEPTED',
  'UPLOAD_REFUSED',
]);

/** The same error, where it is a file's refusal with its file: others of the form may fail with it as well. */
export function withFile(error: unknown, { fieldname, originalname }: IncomingFile): unknown {
  if (!isDepotError(error) || error.file || !REFUSALS.has(error.code) || !fieldname) return error;
  const file = { field: fieldname, filename: originalname };
  return new DepotError(error.code, error.message, { cause: error.cause, file });
}

/** An error of multer as one of ours. */
export function fromMulterError(error: multer.MulterError): DepotError {
  const field = error.field === undefined ? '' : `: ${JSON.stringify(error.field.slice(0, MAX_QUOTED_NAME))}`;
  return new DepotError(CODES[error.code] ?? 'MALFORMED_MULTIPART', `${error.message}${field}`, {
    cause: error,
  });
}

/**
 * What a form failed with, as an error of ours. Multer reports its own errors by codes; anything else is the parser's.
 * @param fields names under which files are expected: one more of them is no unexpected file, but one too many
 */
export function toFormError(error: unknown, fields: ReadonlySet<string>): DepotError {
  if (isDepotError(error)) return error;
  if (!(error instanceof multer.MulterError)) {
    return new DepotError('MALFORMED_MULTIPART', undefined, { cause: error });
  }
  const isExpected = error.code === 'LIMIT_UNEXPECTED_FILE' && fields.has(error.field ?? '');
  return isExpected ? new DepotError('TOO_MANY_FILES', undefined, { cause: error }) : fromMulterError(error);
}
