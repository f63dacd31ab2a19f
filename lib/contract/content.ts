import * as fs from 'node:fs';
import { basename } from 'node:path';
import { Readable } from 'node:stream';
import type { ReadableStream as WebReadableStream } from 'node:stream/web';
import { fileURLToPath } from 'node:url';
import { DepotError } from '../errors.js';
import { isRequest } from '../internal/request.js';
import { StoredFile } from './stored-file.js';

/** A file on this machine, by its path. A plain string is text, never a path. */
export interface LocalPath {
  readonly path: string;
}

/** What multer leaves in `req.file`: in memory, on disk, or still streaming. */
export interface MulterFile {
  readonly originalname: string;
  readonly mimetype: string;
  readonly buffer?: Uint8Array | undefined;
  readonly path?: string | undefined;
  readonly stream?: Readable | undefined;
}

/** Everything that can be stored. */
export type Content =
  | Uint8Array
  | string
  | Readable
  | WebReadableStream
  | Blob
  | AsyncIterable<Uint8Array | string>
  | URL
  | LocalPath
  | MulterFile
  | StoredFile;

/** Content as a stream, with what it says of itself. */
export interface ContentSource {
  /** Opens the content. Called at most once. */
  open(): Readable;
  readonly filename?: string | undefined;
  readonly contentType?: string | undefined;
}

/**
 * What is known of a piece of content, and how to stream it.
 * @throws DepotError `INVALID_CONTENT` for a value that cannot be stored
 */
export function toContentSource(content: Content): ContentSource {
  if (typeof content === 'string') return { open: () => fromBytes(Buffer.from(content)) };
  if (content instanceof Uint8Array) return { open: () => fromBytes(content) };
  if (content instanceof StoredFile) return fromStoredFile(content);
  if (content instanceof Readable) return { open: () => content };
  if (content instanceof Blob) return fromBlob(content);
  if (content instanceof URL) return fromPath(pathOf(content));
  if (!isObject(content)) throw notStorable(content);
  if (isMulterFile(content)) return fromMulterFile(content);
  if (isIterable(content)) return { open: () => fromIterable(content) };
  if (isLocalPath(content)) return fromPath(content.path);
  throw notStorable(content);
}

/** Closes content that will not be read to its end. A request stays readable, so that it can be answered. */
export function abandonContent(content: Content): void {
  const stream = isObject(content) && isMulterFile(content) ? content.stream : content;
  if (stream instanceof Readable && !isRequest(stream)) stream.destroy();
  if (stream instanceof ReadableStream && !stream.locked) stream.cancel().catch(() => {});
}

/** What somebody has read from a web stream is lost, and would be missing in the file. */
function fromIterable(content: WebReadableStream | AsyncIterable<Uint8Array | string>): Readable {
  const isUsed = 'locked' in content && (content.locked || Readable.isDisturbed(content as never));
  if (isUsed) throw new DepotError('INVALID_CONTENT', 'The web stream is being read, or was read before');
  return Readable.from(content);
}

function notStorable(content: unknown): DepotError {
  return new DepotError('INVALID_CONTENT', `Cannot store a value of type ${typeof content}`);
}

function pathOf(url: URL): string {
  if (url.protocol === 'file:') return fileURLToPath(url);
  throw new DepotError('INVALID_CONTENT', `Only file: URLs can be stored, not ${url.protocol}`);
}

function isObject(content: unknown): content is object {
  return typeof content === 'object' && content !== null;
}

/** Not `Readable.from(bytes)` alone, which would walk a Uint8Array byte by byte. */
function fromBytes(bytes: Uint8Array): Readable {
  return Readable.from(bytes.byteLength === 0 ? [] : [bytes]);
}

function fromStoredFile(file: StoredFile): ContentSource {
  return { open: () => file.stream(), filename: file.filename, contentType: file.contentType };
}

function fromBlob(blob: Blob): ContentSource {
  return {
    open: () => Readable.fromWeb(blob.stream() as WebReadableStream),
    filename: 'name' in blob && typeof blob.name === 'string' ? blob.name : undefined,
    contentType: blob.type || undefined,
  };
}

function fromPath(path: string): ContentSource {
  return { open: () => readPath(path), filename: basename(path) };
}

function readPath(path: string): Readable {
  const calls = { open: explained(path, fs.open), read: explained(path, fs.read), close: fs.close };
  return fs.createReadStream(path, { fs: calls as typeof fs });
}

type Callback = (error: Error | null, ...results: unknown[]) => void;

/** A call of the file system, whose failure tells of the path: it is no fault of the storage. */
function explained(path: string, call: (...args: never[]) => void): (...args: unknown[]) => void {
  return (...args) => {
    const callback = args.pop() as Callback;
    const explain: Callback = (error, ...results) => callback(error && unreadable(path, error), ...results);
    call(...([...args, explain] as never[]));
  };
}

function unreadable(path: string, cause: Error): DepotError {
  return new DepotError('INVALID_CONTENT', `Cannot read ${path}: ${cause.message}`, { cause });
}

function fromMulterFile(file: MulterFile): ContentSource {
  const { buffer, path, stream } = file;
  const named = { filename: file.originalname, contentType: file.mimetype };
  if (buffer) return { open: () => fromBytes(buffer), ...named };
  if (path) return { open: () => readPath(path), ...named };
  if (stream) return { open: () => stream, ...named };
  throw new DepotError('INVALID_CONTENT', 'This upload has neither a buffer, a path nor a stream');
}

function isMulterFile(content: object): content is MulterFile {
  return 'originalname' in content && 'mimetype' in content;
}

function isIterable(content: object): content is AsyncIterable<Uint8Array | string> {
  return Symbol.asyncIterator in content;
}

function isLocalPath(content: object): content is LocalPath {
  return 'path' in content && typeof content.path === 'string';
}
