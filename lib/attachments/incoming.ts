import { Readable } from 'node:stream';
import { fileURLToPath } from 'node:url';
import { type Content, type MulterFile, toContentSource } from '../contract/content.js';
import { type FileInfo, uploadedFileOf } from '../contract/file-info.js';
import { StoredFile } from '../contract/stored-file.js';
import { DepotError } from '../errors.js';
import { Attachment, type AttachOptions, pendingContent } from './attachment.js';

/** What a field was given, taken apart. */
export type Incoming = IncomingContent | IncomingFile;

/** Content that becomes a new file. */
export interface IncomingContent {
  readonly kind: 'content';
  readonly content: Content;
  readonly options: AttachOptions;
  /** Its type, where it was decided before and is not what a client says. */
  readonly previousType?: string | undefined;
}

/** A file that an upload has stored already: it becomes the attachment's own. */
export interface IncomingFile {
  readonly kind: 'file';
  readonly info: FileInfo;
  readonly options: AttachOptions;
}

/**
 * Takes apart what a field was given.
 * @throws DepotError `INVALID_CONTENT` for what cannot be stored, or might be a client's JSON; `FILE_NOT_FOUND` for an
 *   attachment whose file is gone
 */
export async function toIncoming(value: unknown): Promise<Incoming> {
  if (!(value instanceof Attachment)) assertGenuine(value);
  return unwrap(value as Content | Attachment, {});
}

async function unwrap(content: Content | Attachment, options: AttachOptions): Promise<Incoming> {
  if (content instanceof Attachment) {
    const pending = pendingContent(content);
    if (pending) return unwrap(pending.content, { ...pending.options, ...definedOnly(options) });
    return toCopy(await content.file(), { filename: content.filename, ...definedOnly(options) });
  }
  const info = uploadedFileOf(content);
  if (info) return { kind: 'file', info, options };
  if (content instanceof StoredFile) return toCopy(content, options);
  return { kind: 'content', content, options };
}

/** A copy of a stored file, with what was said of it. */
export function toCopy(file: StoredFile, options: AttachOptions): IncomingContent {
  const { filename, contentType, metadata } = file;
  return {
    kind: 'content',
    content: file,
    options: { filename, metadata, ...definedOnly(options) },
    previousType: contentType,
  };
}

/** The thing that can be used once, if it is one: a stream, or a file that is taken over. */
export function oneShotOf(value: unknown): object | undefined {
  if (value instanceof Attachment) {
    const pending = pendingContent(value);
    return pending && oneShotOf(pending.content);
  }
  if (typeof value !== 'object' || value === null || value instanceof StoredFile) return undefined;
  const info = uploadedFileOf(value);
  if (info) return info;
  if (isUploadInMemoryOrOnDisk(value) || value instanceof Blob || value instanceof Uint8Array)
    return undefined;
  const isStream = Symbol.asyncIterator in value || value instanceof ReadableStream;
  return isStream || isStreamingUpload(value) ? value : undefined;
}

/** Opens content again, where that can be done. */
export function reopen(content: Content): (() => Readable) | undefined {
  return oneShotOf(content) ? undefined : () => toContentSource(content).open();
}

/** Where content lies on this machine, if it was given by its path. */
export function localPathOf(content: Content): string | undefined {
  if (content instanceof URL) return fileURLToPath(content);
  if (typeof content !== 'object' || content instanceof Readable) return undefined;
  const path = 'path' in content ? content.path : undefined;
  return typeof path === 'string' && !('buffer' in content && content.buffer) ? path : undefined;
}

/**
 * A field may be filled with what a request's JSON held, by mistake: nothing of it may name a file of this machine, or of
 * somebody else. What `attach` was called with has been looked at by the application.
 */
export function assertGenuine(value: unknown): void {
  if (isObject(value) && (!isPlain(value) || isGenuineUpload(value))) return;
  throw new DepotError(
    'INVALID_CONTENT',
    `An attachment field takes no ${typeof value} as it is, since a client could have sent it: use attach(…)`,
  );
}

function isPlain(value: object): boolean {
  const prototype = Object.getPrototypeOf(value);
  return prototype === null || prototype === Object.prototype || Array.isArray(value);
}

function isGenuineUpload(value: object): boolean {
  const { buffer, stream } = value as Partial<MulterFile>;
  const isAsyncIterable = Symbol.asyncIterator in value;
  return (
    uploadedFileOf(value) !== undefined ||
    buffer instanceof Uint8Array ||
    stream instanceof Readable ||
    isAsyncIterable
  );
}

function isUploadInMemoryOrOnDisk(value: object): boolean {
  const { originalname, buffer, path } = value as Partial<MulterFile>;
  return originalname !== undefined && (buffer !== undefined || path !== undefined);
}

function isStreamingUpload(value: object): boolean {
  return (value as Partial<MulterFile>).stream instanceof Readable;
}

function isObject(value: unknown): value is object {
  return typeof value === 'object' && value !== null;
}

/** Options that are there: one that is undefined must not hide another. */
function definedOnly(options: AttachOptions): AttachOptions {
  return Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined));
}
