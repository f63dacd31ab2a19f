import { randomUUID } from 'node:crypto';
import { isAbandoned, ownerName } from '../../internal/owner.js';
import * as files from './files.js';
import { type LocalLayout, parseReplacementFolderName } from './layout.js';
import { settleReplacement } from './replacement.js';

/** The staging folder of this process, in good order: made when it is needed, and swept of what others left. */
export class Workplace {
  readonly layout: LocalLayout;
  readonly owner = ownerName();
  /** Whether files and folders are synced before a change is acknowledged. */
  readonly durable: boolean;
  /** How the small steps of storing a new file are done. */
  readonly steps: files.Steps;
  #opening: Promise<void> | undefined;

  constructor(layout: LocalLayout, durable: boolean) {
    this.layout = layout;
    this.durable = durable;
    this.steps = durable ? files.durableSteps : files.quickSteps;
  }

  /** Where this process stages. */
  get folder(): string {
    return `${this.layout.staging}/${this.owner}`;
  }

  /**
   * Makes the folders and sweeps, once; after a failure the next call tries again.
   * @throws DepotError `STORAGE_UNAVAILABLE`
   */
  open(): Promise<void> {
    this.#opening ??= this.#open().catch((error) => {
      this.#opening = undefined;
      throw files.toStorageError(error, this.layout.root);
    });
    return this.#opening;
  }

  /** Makes a new folder to stage in. A storage folder that is gone is never made anew behind everybody's back. */
  async makeFolder(name: string): Promise<string> {
    await this.open();
    const folder = `${this.folder}/${name}`;
    try {
      await this.steps.mkdir(folder);
    } catch (error) {
      if (!files.hasCode(error, 'ENOENT')) throw error;
      await this.#makeOwnFolder();
      await files.mkdir(folder);
    }
    return folder;
  }

  /** A new place for what is deleted. Its name tells whose it is, as that of the folder to stage in does. */
  newBin(): string {
    return `${this.layout.staging}/${this.owner}.${randomUUID()}`;
  }

  /** Takes a folder out of everybody's sight, if it is there: by a rename alone, since nothing can be made on a full disk. */
  async moveToBin(folder: string, bin: string): Promise<void> {
    await this.open();
    try {
      await files.rename(folder, bin);
    } catch (error) {
      if (!files.hasCode(error, 'ENOENT', 'ENOTDIR')) throw error;
      // Either the folder is missing, or the place where it should go to.
      await this.#makeStaging();
      await files.ignoring(files.rename(folder, bin), 'ENOENT', 'ENOTDIR');
    }
  }

  async #open(): Promise<void> {
    await files.makeFolders(this.layout.root);
    await this.#makeStaging();
    await this.#sweep();
  }

  async #makeStaging(): Promise<void> {
    await files.ignoring(files.mkdir(this.layout.staging), 'EEXIST');
  }

  async #makeOwnFolder(): Promise<void> {
    await this.#makeStaging();
    await files.ignoring(files.mkdir(this.folder), 'EEXIST');
  }

  /** Settles and removes what processes that are no more have staged. */
  async #sweep(): Promise<void> {
    for (const owner of await files.readdir(this.layout.staging)) {
      const folder = `${this.layout.staging}/${owner}`;
      const stats = await files.stat(folder).catch(() => undefined);
      if (stats && isAbandoned(owner, stats.mtimeMs)) await this.#sweepOwner(owner, folder);
    }
  }

  async #sweepOwner(owner: string, folder: string): Promise<void> {
    for (const name of await files.readdir(folder).catch(() => [])) {
      const replacement = parseReplacementFolderName(name);
      if (replacement) await settleReplacement(this, { ...replacement, owner });
    }
    await files.removeFolder(folder);
  }
}
