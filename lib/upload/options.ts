import type { Request } from 'express';
import type { FileInfo } from '../contract/file-info.js';
import type { Metadata } from '../contract/metadata.js';
import { checkedMetadata } from '../contract/metadata.js';
import { DepotError } from '../errors.js';
import { type AcceptList, parseAccept } from '../internal/accept.js';
import { assertOptionNames } from '../internal/option-names.js';
import { type EffectiveLimits, effectiveLimits, type UploadLimits } from './limits.js';

/** What is known of a file before its content is read: only what the client says. */
export interface IncomingFile {
  /** Name of the form's field; empty for a raw body. */
  readonly fieldname: string;
  /** Name that the client gives, without path and controls; `unnamed` where it gives none. */
  readonly originalname: string;
  readonly encoding: string;
  /** Media type that the client declares. */
  readonly mimetype: string;
}

/** What is known of a file when its content was read. */
export interface ReceivedFile extends IncomingFile {
  /** Media type that the file will have: by its content where that can be told. */
  readonly mimetype: string;
  /** Media type by the content's magic bytes; absent for text and for what nobody knows. */
  readonly detectedType?: string | undefined;
  /** Bytes. */
  readonly size: number;
  /** Hexadecimal digest of the content. */
  readonly sha256: string;
}

/** A value, or a function that gives it when the whole request was read: `req.body` has every field by then. */
export type FromUpload<Value> = Value | ((req: Request, file: ReceivedFile) => Value | Promise<Value>);

/** Refuses a file by `false`, a message, or an error. */
export type Validate = (req: Request, file: ReceivedFile) => Verdict | Promise<Verdict>;

// biome-ignore lint/suspicious/noConfusingVoidType: a function that returns nothing agrees
export type Verdict = boolean | string | undefined | void;

/** What holds for each file of an upload. */
export interface FileRules {
  /**
   * Name or alias of the storage. A function is called before the content is read, so that `req.body` has only the
   * fields that came before the file.
   * @default the default storage
   */
  readonly storage?:
    | string
    | ((req: Request, file: IncomingFile) => string | undefined | Promise<string | undefined>)
    | undefined;
  /** @default the name that the client gives */
  readonly filename?: FromUpload<string | undefined>;
  /** At most 1 KiB of JSON. @default {} */
  readonly metadata?: FromUpload<Metadata | undefined>;
  /** Id of the new file. @default a new UUID (version 4) */
  readonly id?: FromUpload<string | undefined>;
  /**
   * Called when the whole request was read, before any file of it is stored. `false`, a message, or a plain error
   * refuse the request with `UPLOAD_REFUSED`; an error with a `status` or a `code` is passed on as it is.
   */
  readonly validate?: Validate | undefined;
  /**
   * Media types (`image/png`), ranges (`image/*`) and endings of names (`.pdf`), held against the content.
   * @default everything
   */
  readonly accept?: readonly string[] | undefined;
  /**
   * Milliseconds in which the request must have been read, at most 24 days; 0 leaves it to `server.requestTimeout`.
   * @default 0
   */
  readonly timeout?: number | undefined;
}

/** Options of an upload by a form (`multipart/form-data`). */
export interface UploadOptions extends FileRules {
  readonly limits?: UploadLimits | undefined;
  /** Whether a request without a file is refused, with `MISSING_FILE`. @default false */
  readonly required?: boolean | undefined;
}

/** Options of an upload whose body is the file. */
export interface ReceiveOptions extends FileRules {
  readonly limits?: Pick<UploadLimits, 'fileSize'> | undefined;
  /** Media type that counts as declared. @default the request's `Content-Type` */
  readonly contentType?: string | undefined;
  /**
   * Path (`<storage>/<id>`) of the file that gets the new content. It keeps its id, and its name, type and metadata
   * where nothing says otherwise; `storage` and `id` do not apply.
   */
  readonly replace?: string | undefined;
}

/** Options, read once. */
export interface UploadRules {
  readonly files: FileRules;
  readonly accepted: AcceptList;
  readonly limits: EffectiveLimits;
  /** Milliseconds; 0 for none. */
  readonly timeout: number;
}

/** Milliseconds. A timer that is set to more goes off at once (Node's documentation of `setTimeout`). */
const MAX_TIMEOUT = 2 ** 31 - 1;

/** What options of all uploads may be; nothing where that is checked by what reads them. */
const FILE_OPTIONS = {
  storage: ['string', 'function'],
  filename: ['string', 'function'],
  metadata: undefined,
  id: ['string', 'function'],
  validate: ['function'],
  accept: undefined,
  timeout: undefined,
  limits: undefined,
};

const UPLOAD_OPTIONS: OptionTypes<UploadOptions> = { ...FILE_OPTIONS, required: ['boolean'] };

const RECEIVE_OPTIONS: OptionTypes<ReceiveOptions> = {
  ...FILE_OPTIONS,
  contentType: ['string'],
  replace: ['string'],
};

type OptionTypes<Options> = { readonly [Name in keyof Options]-?: readonly string[] | undefined };

/** @throws DepotError `INVALID_OPTION`, `INVALID_METADATA` */
export function toUploadRules(options: UploadOptions): UploadRules {
  return toRules(options, UPLOAD_OPTIONS, 'Uploads');
}

/** @throws DepotError `INVALID_OPTION`, `INVALID_METADATA` */
export function toReceiveRules(options: ReceiveOptions): UploadRules {
  return toRules(options, RECEIVE_OPTIONS, 'Uploads of raw bodies');
}

/**
 * Options that are not known are refused: what only multer knows (`fileFilter`), or a slip of the pen, would leave an
 * application without the check that it has asked for.
 */
function toRules<Options extends UploadOptions | ReceiveOptions>(
  options: Options,
  types: OptionTypes<Options>,
  owner: string,
): UploadRules {
  assertOptionNames(options, Object.keys(types), owner);
  for (const [name, allowed] of Object.entries<readonly string[] | undefined>(types))
    if (allowed) assertType(name, Reflect.get(options, name), allowed);
  const { timeout = 0, metadata } = options;
  if (!(Number.isFinite(timeout) && timeout >= 0 && timeout <= MAX_TIMEOUT)) {
    throw new DepotError(
      'INVALID_OPTION',
      `timeout is not a number of milliseconds up to ${MAX_TIMEOUT}: ${timeout}`,
    );
  }
  if (typeof metadata !== 'function') checkedMetadata(metadata);
  return {
    files: options,
    accepted: parseAccept(options.accept),
    limits: effectiveLimits(options.limits),
    timeout,
  };
}

function assertType(name: string, value: unknown, allowed: readonly string[]): void {
  if (value === undefined || allowed.includes(typeof value)) return;
  throw new DepotError('INVALID_OPTION', `The option "${name}" is no ${allowed.join(' or ')}`);
}

declare global {
  namespace Express {
    namespace Multer {
      interface File {
        /** The stored file. */
        depot: FileInfo;
      }
    }
  }
}
