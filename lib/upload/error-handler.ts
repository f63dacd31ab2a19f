import type { IncomingMessage, ServerResponse } from 'node:http';
import multer from 'multer';
import { httpStatusOf, sendProblem } from '../internal/problem.js';
import { fromMulterError } from './upload-error.js';

/** An error handler for Express and Connect. */
export type ErrorHandler = (
  error: unknown,
  req: IncomingMessage,
  res: ServerResponse,
  next: (error?: unknown) => void,
) => void;

/**
 * Answers errors as problem details in JSON (RFC 9457): those of filedepot, of multer, and others with an HTTP status.
 * The rest is left to the next error handler, as is an error that comes when the answer has begun.
 */
export function errorHandler(): ErrorHandler {
  return (error, _req, res, next) => {
    const known = error instanceof multer.MulterError ? fromMulterError(error) : error;
    if (res.headersSent || httpStatusOf(known) === undefined) next(error);
    else sendProblem(res, known);
  };
}
