/**
 * Every failure that filedepot itself reports: a stable code, the HTTP status it maps to, and a title for people.
 * Statuses are those of RFC 9110 section 15, and RFC 4918 section 11.5 for 507.
 */
export const ERROR_TABLE = {
  FILE_NOT_FOUND: { status: 404, title: 'File not found' },
  INVALID_FILE_ID: { status: 404, title: 'Not a file id' },
  INVALID_PATH: { status: 404, title: 'Not a file path' },
  STORAGE_NOT_FOUND: { status: 404, title: 'Storage not found' },
  VARIANT_NOT_FOUND: { status: 404, title: 'Variant not found' },
  FILE_EXISTS: { status: 409, title: 'A file with this id exists' },
  CONFLICT: { status: 409, title: 'The file is being changed by somebody else' },
  FORBIDDEN: { status: 403, title: 'Access denied' },
  URL_NOT_SIGNED: { status: 403, title: 'Only a signed URL gives this file' },
  URL_INVALID: { status: 403, title: 'The signature does not belong to this URL' },
  URL_EXPIRED: { status: 403, title: 'The signed URL has expired' },
  PRECONDITION_FAILED: { status: 412, title: 'Precondition failed' },
  RANGE_NOT_SATISFIABLE: { status: 416, title: 'Range not satisfiable' },

  FILE_TOO_LARGE: { status: 413, title: 'File too large' },
  TOO_MANY_FILES: { status: 413, title: 'Too many files' },
  TOO_MANY_FIELDS: { status: 413, title: 'Too many fields' },
  TOO_MANY_PARTS: { status: 413, title: 'Too many parts' },
  FIELD_TOO_LARGE: { status: 413, title: 'Field too large' },
  FIELD_NAME_TOO_LONG: { status: 400, title: 'Field name too long' },
  INVALID_FIELD_NAME: { status: 400, title: 'Invalid field name' },
  UNEXPECTED_FILE: { status: 400, title: 'Unexpected file' },
  MISSING_FILE: { status: 400, title: 'No file in the request' },
  MALFORMED_MULTIPART: { status: 400, title: 'Malformed multipart body' },
  CONTENT_TYPE_NOT_ACCEPTED: { status: 415, title: 'Content type not accepted' },
  CONTENT_TYPE_MISMATCH: { status: 415, title: 'The content is not what its type says' },
  CONTENT_CODING_NOT_ACCEPTED: { status: 415, title: 'Content coding not accepted' },
  PARTIAL_UPLOAD: { status: 400, title: 'Partial uploads are not supported' },
  UPLOAD_REFUSED: { status: 422, title: 'Upload refused' },
  UPLOAD_ABORTED: { status: 400, title: 'Upload aborted' },
  UPLOAD_TIMEOUT: { status: 408, title: 'Upload timed out' },
  INVALID_METADATA: { status: 400, title: 'Invalid metadata' },

  IMAGE_NOT_ACCEPTED: { status: 415, title: 'Not an image that can be processed' },
  IMAGE_INVALID: { status: 422, title: 'The image is broken' },
  IMAGE_TOO_LARGE: { status: 422, title: 'The image is too large' },
  IMAGE_TIMEOUT: { status: 422, title: 'The image takes too long to process' },
  IMAGE_FAILED: { status: 500, title: 'A picture could not be made' },

  ATTACHMENT_CONFLICT: { status: 409, title: 'The attachment was given up while it was being saved' },
  ATTACHMENT_PENDING: { status: 500, title: 'The attachment is not saved yet' },
  ATTACHMENT_UNSUPPORTED: { status: 500, title: 'Attachments cannot follow this operation' },
  INVALID_ATTACHMENT: { status: 500, title: 'Not an attachment' },

  INVALID_CONTENT: { status: 500, title: 'Not something that can be stored' },
  INVALID_OPTION: { status: 500, title: 'Invalid option' },
  STORAGE_EXISTS: { status: 500, title: 'A storage with this name exists' },
  MISSING_PACKAGE: { status: 500, title: 'A package is not installed' },
  UNSUPPORTED: { status: 501, title: 'Not supported by this storage' },
  STORAGE_UNAVAILABLE: { status: 503, title: 'Storage unavailable' },
  STORAGE_LOGIN_FAILED: { status: 500, title: 'The storage does not know its credentials' },
  STORAGE_ACCESS_DENIED: { status: 500, title: 'The storage refuses what its credentials may not do' },
  BUCKET_NOT_FOUND: { status: 500, title: 'The bucket of the storage does not exist' },
  WRONG_REGION: { status: 500, title: 'The bucket of the storage is in another region' },
  CLOCK_SKEW: { status: 500, title: 'The clocks here and at the storage differ' },
  STORAGE_FAILED: { status: 500, title: 'Storage failed' },
  FILE_DAMAGED: { status: 500, title: 'Only a part of the file is there' },
  STORAGE_FULL: { status: 507, title: 'Storage full' },
} as const satisfies Record<string, { status: number; title: string }>;

/** Stable name of an error: safe to compare with, now and in later versions. */
export type DepotErrorCode = keyof typeof ERROR_TABLE;

/** A file of a form, as the client names it. */
export interface FormFile {
  /** Name of the form's field. */
  readonly field: string;
  readonly filename: string;
}

/** What filedepot throws. `code` is stable; `message` is for people and may change. */
export class DepotError extends Error {
  readonly code: DepotErrorCode;
  /** HTTP status; Express reads it, so an unhandled error still gets the right answer. */
  readonly status: number;
  /** Short text for people, the same for every error of this code. */
  readonly title: string;
  /** The file of a form that was refused. */
  readonly file?: FormFile | undefined;

  constructor(code: DepotErrorCode, message?: string, options?: { cause?: unknown; file?: FormFile }) {
    super(message ?? ERROR_TABLE[code].title, options);
    this.name = 'DepotError';
    this.code = code;
    this.status = ERROR_TABLE[code].status;
    this.title = ERROR_TABLE[code].title;
    if (options?.file) this.file = options.file;
  }
}

/** Thrown where a file is asked for that the storage does not have; code `FILE_NOT_FOUND`. */
export class FileNotFoundError extends DepotError {
  /** @param options `cause`: `FILE_DAMAGED` where a part of the file is there: for clients it is none, for the log it is news */
  constructor(id: string, options?: { cause?: unknown }) {
    super('FILE_NOT_FOUND', `There is no file ${JSON.stringify(id)}`, options);
    this.name = 'FileNotFoundError';
  }
}

/** True for an error of filedepot, of any copy of the package, optionally of one code. */
export function isDepotError(error: unknown, code?: DepotErrorCode): error is DepotError {
  if (!(error instanceof Error)) return false;
  const { code: given, status, title } = error as Partial<Record<keyof DepotError, unknown>>;
  // Other packages have errors with codes such as `FORBIDDEN` too.
  if (typeof status !== 'number' || typeof title !== 'string') return false;
  return code === undefined ? Object.hasOwn(ERROR_TABLE, String(given)) : given === code;
}
