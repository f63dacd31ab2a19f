import { DepotError } from '../errors.js';
import { assertFileId } from './file-id.js';
import { assertFileName } from './file-name.js';
import { checkedMetadata, type Metadata } from './metadata.js';
import type { FileDetails } from './stored-file.js';

/** What a file is called and what is kept with it; everything may be left out. */
export interface FileOptions {
  /** @default the name that the content brings, else `unnamed` */
  readonly filename?: string | undefined;
  /** Media type. @default what the content says, else what the name promises, else `application/octet-stream` */
  readonly contentType?: string | undefined;
  /** At most 1 KiB of JSON. @default {} */
  readonly metadata?: Metadata | undefined;
}

/**
 * Refuses what no file can have, before anything is done for it.
 * @throws DepotError `INVALID_METADATA`
 */
export function assertFileOptions({ filename, metadata }: FileOptions): void {
  assertFileName(filename);
  checkedMetadata(metadata);
}

export interface CommitOptions extends FileOptions {
  /** Id of the new file. @default a new UUID (version 4) */
  readonly id?: string | undefined;
}

/** What came to light while content was uploaded. */
export interface ContentFacts {
  /** Bytes. */
  readonly size: number;
  /** Hexadecimal digest. */
  readonly sha256: string;
  /** Media type by the content's magic bytes; absent for text and for what nobody knows. */
  readonly detectedType?: string | undefined;
}

/** What is known of a file when it is written: all but what the backend makes of it. */
export type WrittenDetails = Omit<FileDetails, 'etag' | 'publicUrl'>;

/** How a storage ends what it has staged; each is called at most once. */
export interface StagingEnd {
  commit(options: CommitOptions, after?: Promise<unknown>): Promise<WrittenDetails>;
  replace(id: string, options: FileOptions): Promise<WrittenDetails>;
  discard(): Promise<void>;
}

/**
 * Content that is uploaded, hashed and typed, and that no reader sees yet.
 * It becomes a file by `commit` or `replace`, or it goes by `discard`; one of them must be called.
 */
export class StagedFile implements ContentFacts {
  readonly size: number;
  readonly sha256: string;
  readonly detectedType: string | undefined;
  readonly #end: StagingEnd;
  #ended = false;
  #details: WrittenDetails | undefined;

  constructor(facts: ContentFacts, end: StagingEnd) {
    this.size = facts.size;
    this.sha256 = facts.sha256;
    this.detectedType = facts.detectedType;
    this.#end = end;
  }

  /** Details of the file that this has become; nothing before `commit` or `replace` has resolved. */
  get details(): WrittenDetails | undefined {
    return this.#details;
  }

  /**
   * Makes this a new file, and resolves to its id when it is durable. A failure discards what was staged.
   * @param after what must have succeeded before anybody can see the file; meanwhile the storage does what it can of the rest
   * @throws what `after` fails with; DepotError `FILE_EXISTS`, `INVALID_FILE_ID`, `INVALID_METADATA`, `STORAGE_FULL`, `STORAGE_FAILED`;
   *   `CONFLICT` if it was committed or discarded before
   */
  commit(options: CommitOptions = {}, after?: Promise<unknown>): Promise<string> {
    // Where it is not waited for, something else has failed before.
    after?.catch(() => {});
    return this.#finish(() => this.#end.commit(options, after));
  }

  /**
   * Makes this the content of an existing file, and resolves to its id. Readers see all old or all new.
   * What `options` leave out stays as it was. A failure discards what was staged.
   * @throws DepotError `FILE_NOT_FOUND`, and those of `commit` but `FILE_EXISTS`
   */
  replace(fileOrId: FileOrId, options: FileOptions = {}): Promise<string> {
    return this.#finish(() => this.#end.replace(toFileId(fileOrId), options));
  }

  /** Removes what was staged. Does nothing after `commit`, `replace` or an earlier `discard`. */
  async discard(): Promise<void> {
    if (this.#ended) return;
    this.#ended = true;
    await this.#end.discard();
  }

  async #finish(act: () => Promise<WrittenDetails>): Promise<string> {
    if (this.#ended) throw new DepotError('CONFLICT', 'This content was already committed or discarded');
    this.#ended = true;
    try {
      this.#details = await act();
      return this.#details.id;
    } catch (error) {
      await this.#end.discard();
      throw error;
    }
  }
}

/** A file, or its id. */
export type FileOrId = string | { readonly id: string };

/**
 * The id of a file that may be given by its id, checked.
 * @throws DepotError `INVALID_FILE_ID`
 */
export function toFileId(fileOrId: FileOrId): string {
  const id: unknown = typeof fileOrId === 'string' ? fileOrId : fileOrId?.id;
  assertFileId(id);
  return id;
}
