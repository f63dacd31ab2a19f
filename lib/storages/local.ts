import { constants } from 'node:fs';
import { access } from 'node:fs/promises';
import { resolve } from 'node:path';
import type { Readable } from 'node:stream';
import type { Capabilities } from '../contract/capabilities.js';
import { assertFileId } from '../contract/file-id.js';
import { type FileOrId, toFileId } from '../contract/staged-file.js';
import {
  FileStorage,
  type ListOptions,
  type OpenFile,
  type ReadOptions,
  type StagingArea,
} from '../contract/storage.js';
import type { FileDetails, StreamOptions } from '../contract/stored-file.js';
import { DepotError, isDepotError } from '../errors.js';
import { ContentStream, type OpenHandle } from './local/content-handle.js';
import * as files from './local/files.js';
import { listIds } from './local/id-list.js';
import { LocalLayout } from './local/layout.js';
import { LocalReader } from './local/reader.js';
import { LocalStagingArea } from './local/staging-area.js';
import { Workplace } from './local/workplace.js';

export interface LocalStorageOptions {
  /** The folder that holds the files; made if it is missing. Relative to the working directory. */
  readonly storagePath: string;
  /**
   * What an acknowledged file survives: `fsync` a power cut, `rename` the death of the process.
   * @default 'fsync'
   */
  readonly durability?: 'fsync' | 'rename' | undefined;
}

/**
 * Keeps files in a folder of this machine, in a layout shared with Python's filedepot. Several processes may use the
 * folder at once.
 */
export class LocalStorage extends FileStorage {
  readonly capabilities: Capabilities = new Set(['localPath', 'anyId']);
  readonly #layout: LocalLayout;
  readonly #workplace: Workplace;
  readonly #reader: LocalReader;

  /**
   * Opens the folder in the background, and sweeps what a crash has left; `check()` tells how that went.
   * @throws DepotError `INVALID_OPTION`
   */
  constructor({ storagePath, durability = 'fsync' }: LocalStorageOptions) {
    super();
    if (!storagePath) throw new DepotError('INVALID_OPTION', 'storagePath must name a folder');
    if (durability !== 'fsync' && durability !== 'rename') {
      throw new DepotError(
        'INVALID_OPTION',
        `durability must be "fsync" or "rename", not ${JSON.stringify(durability)}`,
      );
    }
    this.#layout = new LocalLayout(resolve(storagePath));
    this.#workplace = new Workplace(this.#layout, durability === 'fsync');
    this.#reader = new LocalReader(this.#layout);
    this.#workplace.open().catch(() => {});
  }

  /** The absolute path of the folder. */
  get storagePath(): string {
    return this.#layout.root;
  }

  async check(): Promise<void> {
    await this.#workplace.open();
    await this.#guarded(access(this.#layout.root, constants.R_OK | constants.W_OK | constants.X_OK));
  }

  override async open(fileOrId: FileOrId, { signal }: ReadOptions = {}): Promise<OpenFile> {
    const id = toFileId(fileOrId);
    assertFileId(id);
    signal?.throwIfAborted();
    const { details, handle, path } = await this.#reading(this.#reader.open(id));
    return {
      file: this.toStoredFile(details),
      localPath: path,
      read: (buffer, length, position) => handle.read(buffer, length, position),
      stream: (options = {}) =>
        new ContentStream(async () => ({ handle, release: leaveOpen }), details.size, options),
      close: () => handle.close(),
    };
  }

  protected openStaging(): StagingArea {
    return new LocalStagingArea(this.#workplace);
  }

  protected async readDetails(id: string): Promise<FileDetails> {
    return this.#reading(this.#reader.details(id));
  }

  protected openStream(details: FileDetails, options: StreamOptions): Readable {
    const openHandle: OpenHandle = async () => {
      const { details: current, handle } = await this.#reading(this.#reader.open(details.id));
      if (current.etag === details.etag) return { handle, release: () => handle.close() };
      await handle.close();
      throw new DepotError('CONFLICT', 'The file was replaced since it was looked up');
    };
    return new ContentStream(openHandle, details.size, options);
  }

  /** The folder goes at once, by a rename; its content is removed after that, or by the sweep if we die before. */
  protected async remove(id: string): Promise<void> {
    await this.#guarded(this.#remove(id));
  }

  protected async *listIds(options: ListOptions): AsyncIterable<string> {
    // What cannot be written to can be read all the same.
    await this.#workplace.open().catch(() => {});
    try {
      yield* listIds(this.#layout.root, options);
    } catch (error) {
      throw options.signal?.aborted ? error : files.toStorageError(error, this.#layout.root);
    }
  }

  async #remove(id: string): Promise<void> {
    this.#reader.forget(id);
    const bin = this.#workplace.newBin();
    try {
      // The slash keeps what is no folder, and so none of our files, where it is (rename(2)).
      await this.#workplace.moveToBin(`${this.#layout.folder(id)}/`, bin);
      if (this.#workplace.durable) await files.syncFolder(this.#layout.root);
    } finally {
      await files.removeFolder(bin);
    }
  }

  /** A file that is missing because the whole folder is gone was not deleted, and nobody must take it for that. */
  async #reading<Result>(act: Promise<Result>): Promise<Result> {
    try {
      return await act;
    } catch (error) {
      if (isDepotError(error, 'FILE_NOT_FOUND')) await this.#guarded(this.#findFolder());
      throw files.toStorageError(error, this.#layout.root);
    }
  }

  /** Who reads at once after the start may come before the folder is made. */
  async #findFolder(): Promise<void> {
    const { root } = this.#layout;
    await files.stat(root).catch(() => this.#workplace.open().then(() => files.stat(root)));
  }

  async #guarded<Result>(act: Promise<Result>): Promise<Result> {
    try {
      return await act;
    } catch (error) {
      throw files.toStorageError(error, this.#layout.root);
    }
  }
}

/** Whoever has opened the file closes it. */
async function leaveOpen(): Promise<void> {}
