import type { Readable } from 'node:stream';
import { DepotError, isDepotError } from '../errors.js';
import { ContentMeter } from '../internal/content-meter.js';
import { contentTypeOfName, parsedContentType, UNKNOWN_CONTENT_TYPE } from '../internal/content-type.js';
import { settleAll } from '../internal/parallel.js';
import { writeInPieces } from '../internal/piece-writer.js';
import { Recent } from '../internal/recent.js';
import type { Capabilities } from './capabilities.js';
import { abandonContent, type Content, type ContentSource, toContentSource } from './content.js';
import { assertFileId, createFileId } from './file-id.js';
import { cleanFileName } from './file-name.js';
import { checkedMetadata } from './metadata.js';
import {
  assertFileOptions,
  type CommitOptions,
  type ContentFacts,
  type FileOptions,
  type FileOrId,
  StagedFile,
  toFileId,
} from './staged-file.js';
import { type ByteRange, type FileDetails, StoredFile, type StreamOptions } from './stored-file.js';

export interface StageOptions {
  /** Gives up, and removes what was staged. */
  readonly signal?: AbortSignal | undefined;
  /** Bytes; one more fails with `FILE_TOO_LARGE`. @default no limit */
  readonly maxSize?: number | undefined;
  /**
   * Called once with the media type that the content's first 4,100 bytes show, as soon as they are there.
   * What it throws or rejects with ends the upload before the rest is read.
   */
  readonly checkType?: ((detectedType: string | undefined) => void | Promise<void>) | undefined;
  /**
   * All that `commit` or `replace` will say, where it is known before the content has come; a function is asked when
   * `checkType` is done. It spares backends that must know a file before its content a second write of large files.
   * What is committed as something else may fail with `CONFLICT`.
   */
  readonly expected?: CommitOptions | (() => CommitOptions) | undefined;
  /** With `expected`: the file whose content this will be. @default a new file */
  readonly replaces?: FileDetails | undefined;
}

export type CreateOptions = CommitOptions & StageOptions;
export type ReplaceOptions = FileOptions & StageOptions;

export interface ListOptions {
  /** Only ids that begin so. */
  readonly prefix?: string | undefined;
  /** Only ids that sort after this one, to go on from where an earlier list ended. */
  readonly after?: string | undefined;
  /** Gives up: the iteration fails with the signal's reason. */
  readonly signal?: AbortSignal | undefined;
}

export interface UrlOptions {
  /** Seconds for which a signed URL works. @default set by the storage */
  readonly expiresIn?: number | undefined;
  /** How browsers treat the file. @default 'inline' */
  readonly disposition?: 'inline' | 'attachment' | undefined;
  /**
   * Told before `url` resolves when a signed URL stops to work: after half of `expiresIn` at the earliest, unless what signs
   * it ends before. A storage that does not tell says that its URLs work for that half.
   */
  readonly onExpiry?: ((expiresAt: Date) => void) | undefined;
}

export interface ReadOptions {
  /** Gives up, with the signal's reason. */
  readonly signal?: AbortSignal | undefined;
}

export interface OpenOptions extends ReadOptions {
  /**
   * What will be streamed first: a `Range` header of one range (RFC 9110 section 14.2). A hint that spares some backends
   * a request; it changes nothing of what can be read.
   */
  readonly range?: string | undefined;
}

/**
 * A file held open: its details and its content belong together, whatever happens to the file meanwhile.
 * A backend that cannot keep the content of a file that was replaced or deleted since fails its streams and reads with
 * `CONFLICT` or `FILE_NOT_FOUND`.
 */
export interface OpenFile {
  readonly file: StoredFile;
  /** Where the content lies on this machine; only with the capability `localPath`. */
  readonly localPath?: string | undefined;
  /**
   * Reads into a buffer, for storages that can do so without a stream.
   * Resolves to the number of bytes read, at most `length`; 0 at the end.
   */
  readonly read?: ((buffer: Buffer, length: number, position: number) => Promise<number>) | undefined;
  /** Streams the content or a part of it. */
  stream(options?: StreamOptions): Readable;
  /** Releases the file. Must be called; more than once does no harm. */
  close(): Promise<void>;
}

/** Where a storage puts content that is not a file yet. A backend's half of `stage`. */
export interface StagingArea {
  /** Id of the file if its maker asks for none; read after `finish`. @default a new UUID (version 4) */
  readonly newId?: string | undefined;
  /** Appends a piece. Called with one piece at a time; the buffers are the area's until it resolves. */
  write(chunks: readonly Buffer[], byteLength: number): Promise<void>;
  /** Called once after the last piece. The content is durable when it resolves, and still invisible. */
  finish(): Promise<void>;
  /** Does what can be done of `commit` before anybody sees the file. Called once before it, with the same details. */
  prepare?(details: NewFileDetails): Promise<void>;
  /** Makes it a file. @throws DepotError `FILE_EXISTS` */
  commit(details: NewFileDetails): Promise<void>;
  /** Makes it the content of a file, which was `old` a moment ago. @throws DepotError `FILE_NOT_FOUND` */
  replace(details: NewFileDetails, old: FileDetails): Promise<void>;
  /** Removes every trace, after any of the calls above failed or in place of them. Never fails. */
  discard(): Promise<void>;
}

export interface StagingOptions {
  /** Nobody waits for the content any more: calls under way should give up, with the signal's reason. */
  readonly signal?: AbortSignal | undefined;
  /** What the file will be, if that is known before its content is; to be asked when the first piece is there. */
  readonly expected?: (() => ExpectedFile) | undefined;
  /** With `expected`: the file whose content this will be; absent for a new file. */
  readonly replaces?: FileDetails | undefined;
}

/** What can be known of a file before its content. */
export type ExpectedFile = Pick<FileDetails, 'id' | 'filename' | 'contentType' | 'metadata'>;

/** What a backend is told of the file that it is to keep. */
export type NewFileDetails = Required<Omit<FileDetails, 'etag' | 'publicUrl'>>;

/** 512 KiB: larger pieces gain nothing on a disk, and take more memory. */
const DEFAULT_PIECE_SIZE = 512 * 1024;

/** Milliseconds for which `recall` goes on telling what it has found. */
const RECALL_MILLISECONDS = 10_000;

/** Files that `recall` remembers, about 1 KiB each. */
const MAX_RECALLED = 4096;

/**
 * A place for files. What all storages share is done here: ids, names, types, limits, digests and clean-up;
 * a backend says how content is staged, found, read, listed and deleted.
 *
 * Every method fails with a `DepotError`: `INVALID_FILE_ID` for what cannot be an id, `STORAGE_UNAVAILABLE` where the
 * backend cannot be reached, `STORAGE_FAILED` where it answers with a fault.
 */
export abstract class FileStorage {
  /** What this storage can do beyond the contract. */
  abstract readonly capabilities: Capabilities;
  /** How its files come to clients: `stream` keeps them from being sent on to the backend's URLs. */
  readonly serve: 'auto' | 'redirect' | 'stream' = 'auto';
  /** Whether the backend lets everybody read its files without us: such a storage cannot be `private`. */
  readonly isPublic: boolean = false;
  /** Bytes in which content is handed to the staging area; smaller where several files come at once. */
  protected readonly pieceSize: number = DEFAULT_PIECE_SIZE;
  readonly #recent = new Recent<StoredFile>(MAX_RECALLED);

  /** An id for a new file, in the storage's own form, before there is a file. */
  newId(): string {
    return createFileId();
  }

  protected abstract openStaging(options: StagingOptions): StagingArea;
  protected abstract readDetails(id: string, options: ReadOptions): Promise<FileDetails>;
  protected abstract openStream(details: FileDetails, options: StreamOptions): Readable;
  protected abstract remove(id: string): Promise<void>;
  protected abstract listIds(options: ListOptions): AsyncIterable<string>;

  /**
   * Fails unless the storage can be used, with an error that says what is wrong and where.
   * @throws DepotError `STORAGE_UNAVAILABLE`
   */
  abstract check(): Promise<void>;

  /** Releases connections and handles. The storage must not be used after it. */
  async close(): Promise<void> {}

  /**
   * Uploads content without making it a file: it is whole, hashed and typed, and no reader sees it.
   * Whatever ends the upload early leaves nothing behind. Content that is a stream is destroyed by a failure, of `create`
   * and `replace` too, except for a request, which stays readable so that it can be answered.
   * @throws DepotError `FILE_TOO_LARGE`, `INVALID_CONTENT`, `UPLOAD_ABORTED` for a stream that is closed before its end,
   *   `STORAGE_FULL`; what the content's stream fails with; what `checkType` throws; the signal's reason
   */
  async stage(content: Content, options: StageOptions = {}): Promise<StagedFile> {
    return closedOnFailure(content, () => this.#stage(content, options));
  }

  async #stage(content: Content, options: StageOptions): Promise<StagedFile> {
    const source = toContentSource(content);
    const { signal, replaces } = options;
    const area = this.openStaging({ signal, expected: expectation(source, options), replaces });
    try {
      const facts = await this.#transfer(source, area, options);
      return new StagedFile(facts, this.#stagingEnd(source, area, facts));
    } catch (error) {
      await area.discard();
      throw error;
    }
  }

  /**
   * Stores content as a new file and resolves to its id, when content and metadata are durable.
   * @throws DepotError those of `stage` and `StagedFile.commit`
   */
  async create(content: Content, options: CreateOptions = {}): Promise<string> {
    return closedOnFailure(content, async () => {
      if (options.id !== undefined) assertFileId(options.id);
      assertFileOptions(options);
      const staged = await this.stage(content, { ...options, expected: options });
      return staged.commit(options);
    });
  }

  /**
   * Gives an existing file new content, keeping its id, and what `options` leave out: its name, type and metadata.
   * Readers see all old or all new; if it fails, the old file stays.
   * @throws DepotError `FILE_NOT_FOUND`, `CONFLICT`, and those of `stage`
   */
  async replace(fileOrId: FileOrId, content: Content, options: ReplaceOptions = {}): Promise<string> {
    return closedOnFailure(content, async () => {
      assertFileOptions(options);
      const replaces = await this.stat(fileOrId, options);
      const staged = await this.stage(content, { ...options, expected: options, replaces });
      return staged.replace(replaces.id, options);
    });
  }

  /** @throws DepotError `FILE_NOT_FOUND` */
  async get(fileOrId: FileOrId, options: ReadOptions = {}): Promise<StoredFile> {
    return this.toStoredFile(await this.stat(fileOrId, options));
  }

  /**
   * As `get`, but as the file was within the last 10 seconds: it spares the backend to be asked again and again. What is
   * done through this object is seen at once, what others do to the file after that time.
   * @throws DepotError `FILE_NOT_FOUND`
   */
  async recall(fileOrId: FileOrId): Promise<StoredFile> {
    const id = toFileId(fileOrId);
    return this.#recent.get(id, Date.now() + RECALL_MILLISECONDS, () => this.get(id));
  }

  /**
   * Details of a file, without its content.
   * @throws DepotError `FILE_NOT_FOUND`
   */
  async stat(fileOrId: FileOrId, options: ReadOptions = {}): Promise<FileDetails> {
    options.signal?.throwIfAborted();
    return this.readDetails(toFileId(fileOrId), options);
  }

  /**
   * Opens a file for reading: details and content of the same moment. The caller must close it.
   * @throws DepotError `FILE_NOT_FOUND`
   */
  async open(fileOrId: FileOrId, options: OpenOptions = {}): Promise<OpenFile> {
    const file = await this.get(fileOrId, options);
    return { file, stream: (range) => file.stream(range), close: async () => {} };
  }

  /** Whether there is such a file. Something that cannot be an id is an error here too. */
  async exists(fileOrId: FileOrId, options: ReadOptions = {}): Promise<boolean> {
    try {
      await this.stat(fileOrId, options);
      return true;
    } catch (error) {
      if (isDepotError(error, 'FILE_NOT_FOUND')) return false;
      throw error;
    }
  }

  /** Deletes a file. That it does not exist is no error. */
  async delete(fileOrId: FileOrId): Promise<void> {
    const id = toFileId(fileOrId);
    await this.#changing(id, () => this.remove(id));
  }

  /** Ids of the files in ascending order of their characters' codes, in flat memory however many there are. */
  async *list(options: ListOptions = {}): AsyncIterable<string> {
    const { signal } = options;
    signal?.throwIfAborted();
    for await (const id of this.listIds(options)) {
      signal?.throwIfAborted();
      yield id;
    }
  }

  /**
   * A URL from which clients can fetch the file without us, or nothing where the backend has none (the capability `url`).
   * @throws DepotError `FILE_NOT_FOUND`
   */
  async url(fileOrId: FileOrId, _options: UrlOptions = {}): Promise<string | undefined> {
    return (await this.stat(fileOrId)).publicUrl;
  }

  protected toStoredFile(details: FileDetails): StoredFile {
    return new StoredFile(details, (options) => this.openStream(details, checkedRange(options)));
  }

  /** Reads the content into the staging area; the digest is computed while each piece is on its way. */
  async #transfer(source: ContentSource, area: StagingArea, options: StageOptions): Promise<ContentFacts> {
    const meter = new ContentMeter(options.maxSize);
    const typing = new TypeCheck(meter, options);
    const stream = source.open();
    const write = async (chunks: readonly Buffer[], byteLength: number) => {
      if (typeof options.expected === 'function') await typing.result();
      const written = area.write(chunks, byteLength);
      meter.hash(chunks);
      await written;
    };
    try {
      const { signal } = options;
      await writeInPieces(stream, write, { pieceSize: this.pieceSize, signal, inspect: typing.observe });
      const detectedType = await typing.result();
      await area.finish();
      options.signal?.throwIfAborted();
      return { size: meter.size, sha256: meter.sha256(), detectedType };
    } catch (error) {
      abandonContent(stream);
      throw error;
    }
  }

  /** Whether it works or not: nobody knows what a failure has left. */
  async #changing(id: string, change: () => Promise<void>): Promise<void> {
    try {
      await change();
    } finally {
      this.#recent.forget(id);
    }
  }

  #stagingEnd(source: ContentSource, area: StagingArea, facts: ContentFacts) {
    return {
      commit: async (options: CommitOptions, after?: Promise<unknown>) => {
        const id = options.id ?? area.newId ?? createFileId();
        const details = { ...newFile(id, options, source), ...contentDetails(facts) };
        await settleAll([area.prepare?.(details), after]);
        await this.#changing(id, () => area.commit(details));
        return details;
      },
      replace: async (id: string, options: FileOptions) => {
        const old = await this.stat(id);
        const details = { ...replacedFile(options, source, old), ...contentDetails(facts) };
        await this.#changing(id, () => area.replace(details, old));
        return details;
      },
      discard: () => area.discard(),
    };
  }
}

/** Looks at the first bytes as they arrive, and stops the transfer if their type is refused. */
class TypeCheck {
  readonly #meter: ContentMeter;
  readonly #options: StageOptions;
  #typing: Promise<string | undefined> | undefined;

  constructor(meter: ContentMeter, options: StageOptions) {
    this.#meter = meter;
    this.#options = options;
  }

  /** Gives the check, which may refuse, when enough has come for it to begin. */
  readonly observe = (chunk: Buffer): Promise<unknown> | undefined => {
    this.#meter.observe(chunk);
    return !this.#typing && this.#meter.hasHead ? this.result() : undefined;
  };

  /** The detected type, also of content shorter than a head. */
  result(): Promise<string | undefined> {
    this.#typing ??= this.#check();
    return this.#typing;
  }

  async #check(): Promise<string | undefined> {
    const detectedType = await this.#meter.detectType();
    await this.#options.checkType?.(detectedType);
    return detectedType;
  }
}

/** Does what takes content; closes the content if that fails, also before anything of it is read. */
export async function closedOnFailure<T>(content: Content, act: () => Promise<T>): Promise<T> {
  try {
    return await act();
  } catch (error) {
    abandonContent(content);
    throw error;
  }
}

function checkedRange(options: StreamOptions): StreamOptions {
  const { start = 0, end = Number.MAX_SAFE_INTEGER }: ByteRange = options;
  if (isPosition(start) && isPosition(end) && start <= end) return options;
  throw new DepotError('INVALID_OPTION', `Not a range of bytes: ${start}-${end}`);
}

function isPosition(position: number): boolean {
  return Number.isSafeInteger(position) && position >= 0;
}

/** Computed once: a new file has one id. */
function expectation(
  source: ContentSource,
  { expected, replaces }: StageOptions,
): (() => ExpectedFile) | undefined {
  if (expected === undefined) return undefined;
  let file: ExpectedFile | undefined;
  return () => {
    const options = typeof expected === 'function' ? expected() : expected;
    file ??= replaces
      ? replacedFile(options, source, replaces)
      : newFile(options.id ?? createFileId(), options, source);
    return file;
  };
}

function newFile(id: string, options: FileOptions, source: ContentSource): ExpectedFile {
  assertFileId(id);
  const filename = cleanFileName(options.filename ?? source.filename);
  const contentType = givenType(options, source) ?? contentTypeOfName(filename) ?? UNKNOWN_CONTENT_TYPE;
  return { id, filename, contentType, metadata: checkedMetadata(options.metadata) };
}

function replacedFile(options: FileOptions, source: ContentSource, old: FileDetails): ExpectedFile {
  const newName = options.filename ?? source.filename;
  const filename = newName === undefined ? old.filename : cleanFileName(newName);
  const namedType = newName === undefined ? undefined : contentTypeOfName(filename);
  const contentType = givenType(options, source) ?? namedType ?? old.contentType;
  return { id: old.id, filename, contentType, metadata: checkedMetadata(options.metadata ?? old.metadata) };
}

/** What is not a media type counts as not given: it would break the header that it ends in. */
function givenType(options: FileOptions, source: ContentSource): string | undefined {
  return parsedContentType(options.contentType) ?? parsedContentType(source.contentType);
}

function contentDetails({ size, sha256 }: ContentFacts) {
  return { size, sha256, lastModified: wholeSeconds(new Date()) };
}

/** HTTP dates and the formats that are shared with others know no fractions. */
function wholeSeconds(date: Date): Date {
  return new Date(Math.floor(date.getTime() / 1000) * 1000);
}
