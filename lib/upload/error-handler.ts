import type { IncomingMessage, ServerResponse } from 'node:http';
import multer from 'multer';
import { tell, warnOf } from '../internal/failure-log.js';
import { assertOptionNames } from '../internal/option-names.js';
import { httpStatusOf, sendProblem } from '../internal/problem.js';
import { fromMulterError } from './upload-error.js';

/** An error handler for Express and Connect. */
export type ErrorHandler = (
  error: unknown,
  req: IncomingMessage,
  res: ServerResponse,
  next: (error?: unknown) => void,
) => void;

export interface ErrorHandlerOptions {
  /**
   * Told of errors of the server that are answered here (a status of 500 or more), which clients hear little of.
   * @default a warning of the process (`process.emitWarning`)
   */
  onError?(error: unknown, req: IncomingMessage): void;
}

/**
 * Answers errors as problem details in JSON (RFC 9457): those of filedepot, of multer, and others with an HTTP status.
 * The rest is left to the next error handler, as is an error that comes when the answer has begun.
 * @throws DepotError `INVALID_OPTION`
 */
export function errorHandler(options: ErrorHandlerOptions = {}): ErrorHandler {
  assertOptionNames(options, ['onError'], 'errorHandler');
  const { onError = warnOf } = options;
  return (error, req, res, next) => {
    const known = error instanceof multer.MulterError ? fromMulterError(error) : error;
    const status = httpStatusOf(known);
    if (res.headersSent || status === undefined) {
      next(error);
      return;
    }
    if (status >= 500) tell(onError, error, req);
    sendProblem(res, known);
  };
}
