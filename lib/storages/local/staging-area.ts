import { randomUUID } from 'node:crypto';
import type { NewFileDetails, StagingArea } from '../../contract/storage.js';
import { DepotError } from '../../errors.js';
import * as files from './files.js';
import { formatDetails, formatSharedMetadata, replacementFolderName, STAGED } from './layout.js';
import { replaceFile } from './replacement.js';
import type { Workplace } from './workplace.js';

/** A folder that becomes the folder of a file by one rename. */
export class LocalStagingArea implements StagingArea {
  readonly #workplace: Workplace;
  readonly #revision = randomUUID();
  #folder: string | undefined;
  #descriptor: number | undefined;
  #position = 0;

  constructor(workplace: Workplace) {
    this.#workplace = workplace;
  }

  /** The system has the piece when this returns, where it can: the caller hashes it meanwhile. */
  write(chunks: readonly Buffer[], byteLength: number): Promise<void> {
    const position = this.#position;
    this.#position += byteLength;
    const { steps } = this.#workplace;
    const open = this.#descriptor;
    return this.#guarded(async () => steps.write(open ?? (await this.#open()), chunks, byteLength, position));
  }

  finish(): Promise<void> {
    return this.#guarded(async () => {
      const descriptor = await this.#open();
      this.#descriptor = undefined;
      await this.#workplace.steps.finish(descriptor);
    });
  }

  prepare(details: NewFileDetails): Promise<void> {
    return this.#guarded(async () => {
      const { durable, steps } = this.#workplace;
      const folder = this.#stagedFolder();
      await Promise.all([
        steps.writeNewFile(`${folder}/${STAGED.details}`, formatDetails(details)),
        steps.writeNewFile(`${folder}/${STAGED.sharedMetadata}`, formatSharedMetadata(details)),
      ]);
      if (durable) await files.syncFolder(folder);
    });
  }

  commit(details: NewFileDetails): Promise<void> {
    return this.#guarded(async () => {
      const { layout, durable, steps } = this.#workplace;
      const folder = this.#stagedFolder();
      await renameToNew(steps, folder, layout.folder(details.id));
      if (durable) await this.#syncName(folder, layout.folder(details.id));
    });
  }

  /** A file that is not acknowledged must not stay: nobody would know of it. */
  async #syncName(folder: string, target: string): Promise<void> {
    try {
      await files.syncFolder(this.#workplace.layout.root);
    } catch (error) {
      await files.rename(target, folder).catch(() => {});
      throw error;
    }
  }

  replace(details: NewFileDetails): Promise<void> {
    return this.#guarded(async () => {
      const name = replacementFolderName(this.#revision, details.id);
      const folder = `${this.#workplace.folder}/${name}`;
      await files.rename(this.#stagedFolder(), folder);
      this.#folder = folder;
      await replaceFile(this.#workplace, folder, { ...details, revision: this.#revision });
      await files.removeFolder(folder);
    });
  }

  async discard(): Promise<void> {
    const descriptor = this.#descriptor;
    this.#descriptor = undefined;
    if (descriptor !== undefined) await files.close(descriptor).catch(() => {});
    if (this.#folder !== undefined) await files.removeFolder(this.#folder);
  }

  async #open(): Promise<number> {
    if (this.#descriptor === undefined) {
      this.#folder = await this.#workplace.makeFolder(this.#revision);
      this.#descriptor = await this.#workplace.steps.create(`${this.#folder}/${STAGED.content}`);
    }
    return this.#descriptor;
  }

  #stagedFolder(): string {
    if (this.#folder === undefined) throw new DepotError('STORAGE_FAILED', 'Nothing was staged');
    return this.#folder;
  }

  async #guarded(act: () => Promise<void>): Promise<void> {
    try {
      await act();
    } catch (error) {
      throw files.toStorageError(error, this.#workplace.layout.root);
    }
  }
}

/** rename(2) puts a folder in the place of an empty one only, so a file that exists is never overwritten. */
async function renameToNew(steps: files.Steps, from: string, to: string): Promise<void> {
  try {
    await steps.rename(from, to);
  } catch (error) {
    if (files.hasCode(error, 'ENOTEMPTY', 'EEXIST')) {
      throw new DepotError('FILE_EXISTS', undefined, { cause: error });
    }
    throw error;
  }
}
