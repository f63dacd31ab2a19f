import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Request } from 'express';
import type { FileInfo } from '../contract/file-info.js';
import type { StorageDirectory } from '../contract/storage-directory.js';
import { UNKNOWN_CONTENT_TYPE } from '../internal/content-type.js';
import { receivedFileName } from './file-names.js';
import { type ReceiveOptions, toReceiveRules } from './options.js';
import { settleRest } from './refused-request.js';
import {
  assertContentLength,
  assertUnread,
  assertWholeBody,
  dispositionFileName,
} from './request-headers.js';
import { RequestWatch } from './request-watch.js';
import { type ReplaceTarget, UploadBatch } from './upload-batch.js';

/**
 * Stores the body of a request as a file, as in `PUT /files/name`; resolves when it is durable. Nothing may have read
 * the body before. The name is the option `filename`, else the one in `Content-Disposition`. After a failure the request
 * can be answered; what the client still sends is read and dropped, up to a limit.
 * @throws DepotError `FILE_TOO_LARGE`, `CONTENT_TYPE_NOT_ACCEPTED`, `CONTENT_TYPE_MISMATCH`,
 *   `CONTENT_CODING_NOT_ACCEPTED`, `PARTIAL_UPLOAD`, `UPLOAD_REFUSED`, `UPLOAD_ABORTED`, `UPLOAD_TIMEOUT`,
 *   `FILE_NOT_FOUND` for the file to replace, `INVALID_OPTION`, `INVALID_CONTENT` for a body that was read before, and
 *   those of the storage; what the application's functions throw
 */
export async function receiveFile(
  directory: StorageDirectory,
  req: IncomingMessage,
  options: ReceiveOptions = {},
): Promise<FileInfo> {
  try {
    return await storeBody(directory, req, options);
  } catch (error) {
    await settleRest(req, answerOf(req), error);
    throw error;
  }
}

/** Express lets a request know its answer. */
function answerOf(req: IncomingMessage): ServerResponse | undefined {
  return 'res' in req ? (req as Request).res : undefined;
}

async function storeBody(directory: StorageDirectory, req: IncomingMessage, options: ReceiveOptions) {
  const rules = toReceiveRules(options);
  assertUnread(req);
  assertContentLength(req, rules.limits.fileSize);
  assertWholeBody(req);
  const batch = new UploadBatch(directory, rules, req as Request);
  const watch = new RequestWatch(req, rules.timeout, (error) => batch.abort(error));
  try {
    const target = options.replace === undefined ? undefined : await findTarget(directory, options.replace);
    await batch.stage({ ...describe(req, options), stream: req, target });
    watch.bodyRead();
    const [info] = await batch.store();
    return info as FileInfo;
  } catch (error) {
    await batch.undo(error);
    throw error;
  } finally {
    watch.stop();
  }
}

function describe(req: IncomingMessage, { filename, contentType }: ReceiveOptions) {
  const name = typeof filename === 'string' ? filename : dispositionFileName(req);
  const mimetype = contentType ?? req.headers['content-type'] ?? UNKNOWN_CONTENT_TYPE;
  const originalname = receivedFileName(name ?? '');
  return {
    filename: name ? originalname : undefined,
    file: { fieldname: '', originalname, encoding: 'binary', mimetype },
  };
}

/** A path is checked by whom it leads to: its storage by the directory, its id by the storage. */
async function findTarget(directory: StorageDirectory, path: string): Promise<ReplaceTarget> {
  const slash = path.indexOf('/');
  const storageName = directory.resolveAlias(path.slice(0, slash));
  const details = await directory.get(storageName).stat(path.slice(slash + 1));
  return { storageName, details };
}
