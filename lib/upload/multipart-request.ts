import { EventEmitter } from 'node:events';
import type { Writable } from 'node:stream';
import type { Request, RequestHandler, Response } from 'express';
import { DepotError } from '../errors.js';
import { mendName } from './file-names.js';
import type { UploadBatch } from './upload-batch.js';
import { toFormError } from './upload-error.js';

/** What one of multer's ways to call it comes to. */
export interface FormShape {
  /** Multer's middleware. */
  readonly parse: RequestHandler;
  /** Fields that may have files. */
  readonly fieldNames: ReadonlySet<string>;
  /** Bytes beyond which no form can be accepted. */
  readonly maxBytes: number;
}

/**
 * What multer sees of a request: its headers, and where to put what it finds. The body is piped to the parser by us, so
 * that multer neither reads the rest of a refused request nor waits for it, and the client is answered at once.
 */
export class MultipartRequest extends EventEmitter {
  /** Where the files of this request go. */
  readonly batch: UploadBatch;
  /** Tells multer that nothing is left to be read. */
  readonly readable = false;
  readonly #request: Request;
  #isForm = false;
  #failure: { readonly error: unknown } | undefined;

  constructor(request: Request, batch: UploadBatch) {
    super();
    this.#request = request;
    this.batch = batch;
    this.on('error', ignore);
  }

  /** Multer takes a request for one without a body where neither says that there is one, as HTTP/2 need not (RFC 9113 section 8.1). */
  get headers() {
    const { headers, httpVersionMajor } = this.#request;
    const isFramed = httpVersionMajor < 2 || headers['content-length'] !== undefined;
    return isFramed ? headers : { ...headers, 'transfer-encoding': 'chunked' };
  }

  get body(): unknown {
    return this.#request.body;
  }

  set body(body: unknown) {
    this.#isForm = true;
    this.#request.body = body;
  }

  get file() {
    return this.#request.file;
  }

  set file(file: Request['file']) {
    this.#request.file = file;
  }

  get files() {
    return this.#request.files;
  }

  set files(files: Request['files']) {
    this.#request.files = files;
  }

  /** `pipeline` would destroy the request after a failure, and the connection with it that has to carry the answer. */
  pipe(parser: Writable): void {
    mendFieldNames(parser);
    this.#request.pipe(parser);
  }

  unpipe(parser: Writable): void {
    this.#request.unpipe(parser);
  }

  /** Multer would read the rest; that is done with a limit, where the request is refused. */
  resume(): void {}

  /**
   * Reads the form. Resolves when it was read to its end and every file of it is staged.
   * @throws DepotError `MALFORMED_MULTIPART` and those of multer's limits; the reason of `fail`
   */
  parse({ parse, fieldNames }: FormShape, res: Response): Promise<void> {
    return new Promise((resolve, reject) => {
      if (this.#failure) return reject(this.#failure.error);
      parse(this as unknown as Request, res, (error?: unknown) => {
        if (this.#failure) reject(this.#failure.error);
        else if (error) reject(toFormError(error, fieldNames));
        else if (this.#isForm) resolve();
        else
          reject(new DepotError('MALFORMED_MULTIPART', 'The form has no body, or a malformed Content-Type'));
      });
    });
  }

  /** Ends the parsing, and whatever is being staged. Only the first failure counts. */
  fail(error: unknown): void {
    if (this.#failure) return;
    this.#failure = { error };
    this.batch.abort(error);
    // Multer writes on the errors that it is given, so it gets one of its own.
    this.emit('error', new Error('The upload has failed', { cause: error }));
  }

  /** Takes back the files that were found: they are not stored. */
  forgetFiles(): void {
    delete this.#request.file;
    delete this.#request.files;
  }
}

/** Multer goes by the names that the parser tells, so they are mended before it hears of them. */
function mendFieldNames(parser: Writable): void {
  const emit = parser.emit.bind(parser);
  parser.emit = (event: string | symbol, ...args: unknown[]) => {
    const [name] = args;
    if ((event === 'field' || event === 'file') && typeof name === 'string') args[0] = mendName(name);
    return emit(event, ...args);
  };
}

function ignore(): void {}
