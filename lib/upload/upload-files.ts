import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Writable } from 'node:stream';
import type { Request, RequestHandler, Response } from 'express';
import multer from 'multer';
import type { StorageDirectory } from '../contract/storage-directory.js';
import { DepotError } from '../errors.js';
import { depotEngine } from './engine.js';
import { type EffectiveLimits, largestForm } from './limits.js';
import { type FormShape, MultipartRequest } from './multipart-request.js';
import { toUploadRules, type UploadOptions, type UploadRules } from './options.js';
import { settleRest } from './refused-request.js';
import { assertContentLength, assertUnread } from './request-headers.js';
import { RequestWatch } from './request-watch.js';
import { UploadBatch } from './upload-batch.js';

/** A request handler for Express, Connect and node:http. */
export type UploadHandler = (
  req: IncomingMessage,
  res: ServerResponse,
  next: (error?: unknown) => void,
) => Promise<void>;

/** Request handlers by the files that a form may have; multer's own names. */
export interface Uploader {
  /** One file, as `req.file`. */
  single(name: string): UploadHandler;
  /** Files of one field, as the array `req.files`. */
  array(name: string, maxCount?: number): UploadHandler;
  /** Files of several fields, as `req.files[name]`, an array each. */
  fields(fields: readonly multer.Field[]): UploadHandler;
  /** Files of any field, as the array `req.files`. */
  any(): UploadHandler;
  /** No files, only text fields. */
  none(): UploadHandler;
}

interface FormHandling {
  readonly directory: StorageDirectory;
  readonly rules: UploadRules;
  readonly required: boolean;
  readonly shape: FormShape;
}

/**
 * Handlers for uploads by forms (`multipart/form-data`, RFC 7578), which stream files to storages. The files of a
 * request are stored when the whole form was read, all of them or none. `req.file` and `req.files` are multer's; their
 * `depot` is the stored file. A request that is no form is passed on.
 *
 * The handlers give `next` the `DepotError`s `FILE_TOO_LARGE`, `TOO_MANY_FILES`, `TOO_MANY_FIELDS`, `TOO_MANY_PARTS`,
 * `FIELD_TOO_LARGE`, `FIELD_NAME_TOO_LONG`, `INVALID_FIELD_NAME`, `UNEXPECTED_FILE`, `MISSING_FILE`,
 * `MALFORMED_MULTIPART`, `CONTENT_TYPE_NOT_ACCEPTED`, `CONTENT_TYPE_MISMATCH`, `UPLOAD_REFUSED`, `UPLOAD_ABORTED`,
 * `UPLOAD_TIMEOUT`, `INVALID_CONTENT` for a body that was read before, those of the storage, and what the application's
 * functions throw.
 * @throws DepotError `INVALID_OPTION`, `INVALID_METADATA`
 */
export function uploadFiles(directory: StorageDirectory, options: UploadOptions = {}): Uploader {
  const rules = toUploadRules(options);
  const parser = createParser(rules.limits);
  const handler = (parse: RequestHandler, names: readonly string[], maxFiles: number) => {
    const maxBytes = largestForm(rules.limits, Math.min(maxFiles, rules.limits.files));
    const shape = { parse, fieldNames: new Set(names), maxBytes };
    return createHandler({ directory, rules, required: options.required ?? false, shape });
  };
  return {
    single: (name) => {
      assertFields([{ name }]);
      return handler(parser.single(name), [name], 1);
    },
    array: (name, maxCount = Infinity) => {
      assertFields([{ name, maxCount }]);
      return handler(parser.array(name, maxCount), [name], maxCount);
    },
    fields: (fields) => {
      assertFields(fields);
      const names = fields.map(({ name }) => name);
      return handler(parser.fields(fields), names, countFiles(fields));
    },
    any: () => handler(parser.any(), [], Infinity),
    none: () => handler(parser.none(), [], 0),
  };
}

/** Multer takes anything for a field, and a count that is none for no limit. */
function assertFields(fields: readonly multer.Field[]): void {
  if (Array.isArray(fields) && fields.every(isField)) return;
  const example = "[{ name: 'photo', maxCount: 3 }]";
  throw new DepotError('INVALID_OPTION', `Fields have names and whole numbers of files, such as ${example}`);
}

function isField(field: multer.Field | null): boolean {
  const { name, maxCount = Infinity } = { ...field };
  return typeof name === 'string' && (maxCount === Infinity || (Number.isInteger(maxCount) && maxCount >= 0));
}

function countFiles(fields: readonly multer.Field[]): number {
  return fields.reduce((sum, { maxCount = Infinity }) => sum + maxCount, 0);
}

/** The size of files is limited where they are staged, and their names are cleaned by us. */
function createParser({ fileSize: _, ...limits }: EffectiveLimits): multer.Multer {
  const options = {
    storage: depotEngine,
    limits,
    preservePath: true,
    defParamCharset: 'latin1',
    streamHandler: (form: MultipartRequest, parser: Writable) => form.pipe(parser),
  };
  return multer(options);
}

function createHandler(handling: FormHandling): UploadHandler {
  return async (req, res, next) => {
    try {
      await receiveForm(req as Request, res as Response, handling);
    } catch (error) {
      await settleRest(req, res, error);
      next(error || new Error('An upload failed with nothing that tells why'));
      return;
    }
    next();
  };
}

async function receiveForm(req: Request, res: Response, handling: FormHandling): Promise<void> {
  if (/^\s*multipart\//i.test(req.headers['content-type'] ?? '')) await storeForm(req, res, handling);
  else if (handling.required) throw missingFile();
}

async function storeForm(req: Request, res: Response, handling: FormHandling): Promise<void> {
  const { directory, rules, required, shape } = handling;
  assertUnread(req);
  assertContentLength(req, shape.maxBytes);
  const batch = new UploadBatch(directory, rules, req);
  const form = new MultipartRequest(req, batch);
  const watch = new RequestWatch(req, rules.timeout, (error) => form.fail(error));
  try {
    await form.parse(shape, res);
    watch.bodyRead();
    if (required && batch.isEmpty) throw missingFile();
    await batch.store();
  } catch (error) {
    await batch.undo(error);
    form.forgetFiles();
    throw error;
  } finally {
    watch.stop();
  }
}

function missingFile(): DepotError {
  return new DepotError('MISSING_FILE');
}
