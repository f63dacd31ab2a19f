import { AsyncResource } from 'node:async_hooks';
import { setMaxListeners } from 'node:events';
import type { Readable } from 'node:stream';
import type { Request } from 'express';
import { assertFileId } from '../contract/file-id.js';
import { type FileInfo, issued, toFileInfo } from '../contract/file-info.js';
import { assertFileOptions, type CommitOptions, type StagedFile } from '../contract/staged-file.js';
import type { FileStorage, StageOptions } from '../contract/storage.js';
import type { StorageDirectory } from '../contract/storage-directory.js';
import type { FileDetails } from '../contract/stored-file.js';
import { DepotError } from '../errors.js';
import { decideContentType } from '../internal/accept.js';
import { deferred } from '../internal/deferred.js';
import type { FromUpload, IncomingFile, ReceivedFile, UploadRules } from './options.js';
import { withFile } from './upload-error.js';
import { validateFile } from './validate.js';

/** A file of a request, about to be read. */
export interface Arrival {
  readonly file: IncomingFile;
  readonly stream: Readable;
  /** Name that the client gives, if any. */
  readonly filename: string | undefined;
  /** The file that gets this content; without it, a new file is made. */
  readonly target?: ReplaceTarget | undefined;
}

/** A file that is to get new content. */
export interface ReplaceTarget {
  readonly storageName: string;
  readonly details: FileDetails;
}

/** A file of a request whose content was read. */
export interface Upload {
  readonly file: ReceivedFile;
  /** Empty until the file is stored: multer copies the properties of its files, so that they can share only an object. */
  readonly info: FileInfo;
}

interface StagedUpload extends Upload {
  readonly arrival: Arrival;
  readonly storageName: string;
  readonly storage: FileStorage;
  readonly staged: StagedFile;
}

/** All files of one request: first they are staged, and nobody sees them; then all of them are stored, or none. */
export class UploadBatch {
  readonly #directory: StorageDirectory;
  readonly #rules: UploadRules;
  readonly #request: Request;
  readonly #abort = new AbortController();
  readonly #stagings: Promise<StagedUpload>[] = [];
  readonly #stored: StagedUpload[] = [];
  /** Events of a request come without the application's asynchronous context. */
  readonly #context = new AsyncResource('filedepot.upload');

  constructor(directory: StorageDirectory, rules: UploadRules, request: Request) {
    this.#directory = directory;
    this.#rules = rules;
    this.#request = request;
    // Each file of the request listens.
    setMaxListeners(0, this.#abort.signal);
  }

  get isEmpty(): boolean {
    return this.#stagings.length === 0;
  }

  /**
   * Reads the content of a file to its storage.
   * @throws DepotError `FILE_TOO_LARGE`, `CONTENT_TYPE_MISMATCH`, `CONTENT_TYPE_NOT_ACCEPTED`, `STORAGE_NOT_FOUND`, those
   *   of `FileStorage.stage`; what the function `storage` throws
   */
  stage(arrival: Arrival): Promise<Upload> {
    const staging = aboutFile(arrival.file, () => this.#stage(arrival));
    this.#stagings.push(staging);
    return staging;
  }

  /** Gives up: what is being staged fails with the reason. */
  abort(reason: unknown): void {
    this.#abort.abort(reason);
  }

  /**
   * Asks the application's functions, and stores all files. After a failure, `undo` must be called.
   * @throws DepotError `UPLOAD_REFUSED`, those of `StagedFile.commit`; what the application's functions throw
   */
  async store(): Promise<FileInfo[]> {
    const uploads = await Promise.all(this.#stagings);
    const acts: (() => Promise<void>)[] = [];
    for (const upload of uploads) acts.push(await aboutFile(upload.file, () => this.#prepare(upload)));
    const outcomes = await Promise.allSettled(acts.map((act) => act()));
    const failure = outcomes.find((outcome) => outcome.status === 'rejected');
    if (failure) throw failure.reason;
    return uploads.map(({ info }) => info);
  }

  /** Removes everything that the request has brought, when nothing of it is under way any more. Never fails. */
  async undo(reason: unknown): Promise<void> {
    this.abort(reason);
    const outcomes = await Promise.allSettled(this.#stagings);
    const uploads = outcomes.flatMap((outcome) => (outcome.status === 'fulfilled' ? [outcome.value] : []));
    await Promise.all(uploads.map(({ staged }) => staged.discard()));
    await Promise.all(this.#stored.map(deleteStored));
  }

  async #stage(arrival: Arrival): Promise<StagedUpload> {
    const storageName = await this.#storageName(arrival);
    const storage = this.#directory.get(storageName);
    let mimetype = '';
    const staged = await storage.stage(arrival.stream, {
      signal: this.#abort.signal,
      maxSize: this.#rules.limits.fileSize,
      checkType: (detected) => {
        mimetype = this.#contentType(arrival, detected);
      },
      ...this.#expectation(arrival, () => mimetype),
    });
    const { size, sha256, detectedType } = staged;
    const file = { ...arrival.file, mimetype, size, sha256, detectedType };
    return { file, info: {} as FileInfo, arrival, storageName, storage, staged };
  }

  /** All that `commit` will say, unless the application has to be asked when the content is there. */
  #expectation(
    { filename, target }: Arrival,
    contentType: () => string,
  ): Pick<StageOptions, 'expected' | 'replaces'> {
    const { id, filename: givenName, metadata } = this.#rules.files;
    if (typeof id === 'function' || typeof givenName === 'function' || typeof metadata === 'function')
      return {};
    const expected = () => ({ id, filename: givenName ?? filename, contentType: contentType(), metadata });
    return { expected, replaces: target?.details };
  }

  async #storageName({ file, target }: Arrival): Promise<string> {
    const { storage } = this.#rules.files;
    if (target) return target.storageName;
    const name =
      typeof storage === 'function'
        ? await this.#whileWanted(this.#context.runInAsyncScope(storage, undefined, this.#request, file))
        : storage;
    return this.#directory.resolveAlias(name);
  }

  #contentType({ file, filename, target }: Arrival, detected: string | undefined): string {
    const claims = { detected, declared: file.mimetype, filename, previous: target?.details.contentType };
    return decideContentType(claims, this.#rules.accepted);
  }

  /** Asks everything that can refuse a file before the first one is stored. */
  async #prepare(upload: StagedUpload): Promise<() => Promise<void>> {
    const { file, arrival } = upload;
    const { validate, id, filename, metadata } = this.#rules.files;
    if (validate) await this.#whileWanted(validateFile(validate, this.#request, file));
    const options = {
      id: await this.#ask(id, file),
      filename: (await this.#ask(filename, file)) ?? arrival.filename,
      contentType: file.mimetype,
      metadata: await this.#ask(metadata, file),
    };
    if (options.id !== undefined) assertFileId(options.id);
    assertFileOptions(options);
    this.#abort.signal.throwIfAborted();
    return () =>
      arrival.target ? this.#replace(upload, arrival.target, options) : this.#create(upload, options);
  }

  async #ask<Value extends string | object | undefined>(
    wanted: FromUpload<Value>,
    file: ReceivedFile,
  ): Promise<Value> {
    return typeof wanted === 'function' ? this.#whileWanted(wanted(this.#request, file)) : wanted;
  }

  /** What a function of the application answers. It may never do so; nobody waits for it once the request is given up. */
  #whileWanted<Value>(answer: Value | Promise<Value>): Promise<Value> {
    const { signal } = this.#abort;
    const { promise, resolve, reject } = deferred<Value>();
    const giveUp = () => reject(signal.reason);
    signal.addEventListener('abort', giveUp);
    if (signal.aborted) giveUp();
    Promise.resolve(answer).then(resolve, reject);
    return promise.finally(() => signal.removeEventListener('abort', giveUp));
  }

  async #create(upload: StagedUpload, options: CommitOptions): Promise<void> {
    await upload.staged.commit(options);
    this.#stored.push(upload);
    this.#inform(upload);
    this.#abort.signal.throwIfAborted();
  }

  /** Cannot be undone, so it does not fail any more once it is done. */
  async #replace(upload: StagedUpload, { details }: ReplaceTarget, options: CommitOptions): Promise<void> {
    await upload.staged.replace(details.id, options);
    this.#inform(upload);
  }

  #inform({ info, staged, storageName }: StagedUpload): void {
    const { details } = staged;
    if (!details) throw new DepotError('STORAGE_FAILED', 'The storage does not tell what it has stored');
    const url = this.#directory.urlFor(`${storageName}/${details.id}`);
    issued(Object.assign(info, toFileInfo(storageName, details, url)));
  }
}

async function aboutFile<Result>(file: IncomingFile, act: () => Promise<Result>): Promise<Result> {
  try {
    return await act();
  } catch (error) {
    throw withFile(error, file);
  }
}

/** One that cannot be deleted does not keep the others; it is worth a warning, since nobody knows of it. */
async function deleteStored({ storage, storageName, staged }: StagedUpload): Promise<void> {
  const id = staged.details?.id;
  if (id === undefined) return;
  try {
    await storage.delete(id);
  } catch (error) {
    process.emitWarning(`The file ${storageName}/${id} of a failed upload could not be deleted: ${error}`);
  }
}
