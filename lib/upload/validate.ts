import type { Request } from 'express';
import { DepotError } from '../errors.js';
import type { ReceivedFile, Validate } from './options.js';

/**
 * Asks the application whether it wants a file.
 * @throws DepotError `UPLOAD_REFUSED`; errors of the application that are more than a refusal
 */
export async function validateFile(validate: Validate, req: Request, file: ReceivedFile): Promise<void> {
  const verdict = await ask(validate, req, file);
  if (typeof verdict === 'string') throw new DepotError('UPLOAD_REFUSED', verdict);
  if (verdict === false) throw new DepotError('UPLOAD_REFUSED', `The file ${file.originalname} is refused`);
}

async function ask(validate: Validate, req: Request, file: ReceivedFile) {
  try {
    return await validate(req, file);
  } catch (error) {
    if (isRefusal(error)) throw new DepotError('UPLOAD_REFUSED', error.message, { cause: error });
    throw error;
  }
}

/** Errors of the language, of Node and of databases tell of a fault; those with a status have their own answer. */
function isRefusal(error: unknown): error is Error {
  if (!(error instanceof Error) || 'status' in error || 'statusCode' in error || 'code' in error)
    return false;
  return ![TypeError, RangeError, ReferenceError, SyntaxError].some((fault) => error instanceof fault);
}
