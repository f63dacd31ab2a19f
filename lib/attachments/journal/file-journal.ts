import { randomUUID } from 'node:crypto';
import { mkdir, open, readdir, readFile, stat, unlink } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { isNativeError } from 'node:util/types';
import type { Decisions, Intent, IntentJournal } from './journal.js';

export interface FileJournalOptions {
  /** On this machine, for this database alone; made where it is missing. */
  readonly folder: string;
  /**
   * Whether a row refers to the file of that path. Where the folder is all there is of a journal, only the rows can tell
   * how a transaction has ended. @default nobody asks
   */
  readonly isReferenced?: ((path: string) => Promise<boolean>) | undefined;
}

/** What was announced together: one small file, which goes when all in it is forgotten. */
interface Batch {
  readonly path: string;
  readonly ids: Set<string>;
}

const EXTENSION = '.json';

/**
 * A journal in a folder, for databases that cannot keep one. It is written past the application's transactions: what
 * these have decided is found out by asking the rows.
 */
export class FileJournal implements IntentJournal<unknown> {
  readonly #folder: string;
  readonly #isReferenced: (path: string) => Promise<boolean>;
  /** Batches by their paths, and by the ids of what is in them. */
  readonly #batches = new Map<string, Batch>();
  readonly #batchOf = new Map<string, Batch>();

  constructor({ folder, isReferenced = async () => true }: FileJournalOptions) {
    this.#folder = resolve(folder);
    this.#isReferenced = isReferenced;
  }

  async prepare(): Promise<void> {
    const made = await mkdir(this.#folder, { recursive: true });
    if (made !== undefined) await syncFolder(join(made, '..'));
  }

  /** File and folder are synced: a name that is not in its folder after a power cut is as good as no file. */
  async announce(intents: readonly Intent[]): Promise<void> {
    const path = join(this.#folder, randomUUID() + EXTENSION);
    try {
      await writeSynced(path, JSON.stringify(intents));
      await syncFolder(this.#folder);
    } catch (error) {
      await unlink(path).catch(() => {});
      throw error;
    }
    this.#remember(path, intents);
  }

  /** Deletions are announced before it is known that the transaction will be committed; recovery asks the rows. */
  async record({ condemn }: Decisions): Promise<void> {
    if (condemn.length > 0) await this.announce(condemn);
  }

  async standing(intents: readonly Intent[]): Promise<readonly Intent[]> {
    const isKept = async ({ paths }: Intent) =>
      (await Promise.all(paths.map(this.#isReferenced))).some(Boolean);
    const kept = await Promise.all(intents.map(isKept));
    return intents.filter((_intent, index) => !kept[index]);
  }

  async forget(intents: readonly Intent[]): Promise<void> {
    if (intents.some(({ id }) => !this.#batchOf.has(id))) await this.#findBatches();
    await Promise.all(intents.map(({ id }) => this.#forget(id)));
  }

  async *entries(): AsyncIterable<Intent> {
    for (const name of await this.#names()) {
      const path = join(this.#folder, name);
      const known = this.#batches.get(path);
      for (const intent of await readBatch(path)) if (!known || known.ids.has(intent.id)) yield intent;
    }
  }

  /** Removes what is no whole batch, and too old to become one. */
  async purge(before: Date): Promise<void> {
    for (const name of await this.#names()) {
      const path = join(this.#folder, name);
      const stats = await stat(path).catch(ignoreMissing);
      if (!stats || stats.mtime >= before || (await readBatch(path)).length > 0) continue;
      await unlink(path).catch(ignoreMissing);
    }
  }

  async close(): Promise<void> {}

  #remember(path: string, intents: readonly Intent[]): void {
    const batch = { path, ids: new Set(intents.map(({ id }) => id)) };
    this.#batches.set(path, batch);
    for (const { id } of intents) this.#batchOf.set(id, batch);
  }

  async #forget(id: string): Promise<void> {
    const batch = this.#batchOf.get(id);
    this.#batchOf.delete(id);
    if (!batch?.ids.delete(id) || batch.ids.size > 0) return;
    await unlink(batch.path).catch(ignoreMissing);
    this.#batches.delete(batch.path);
  }

  /** Of other processes: what they have announced is forgotten by whoever settles it. */
  async #findBatches(): Promise<void> {
    for (const name of await this.#names()) {
      const path = join(this.#folder, name);
      if (!this.#batches.has(path)) this.#remember(path, await readBatch(path));
    }
  }

  async #names(): Promise<string[]> {
    return (await readdir(this.#folder)).filter((name) => name.endsWith(EXTENSION));
  }
}

/** Not whole if its writer died in it: nobody relies on it then, for nothing was acknowledged. */
async function readBatch(path: string): Promise<Intent[]> {
  const json = await readFile(path, 'utf8').catch(ignoreMissing);
  try {
    const intents: (Omit<Intent, 'createdAt'> & { createdAt: string })[] = JSON.parse(json || '[]');
    return intents.map((intent) => ({ ...intent, createdAt: new Date(intent.createdAt) }));
  } catch {
    return [];
  }
}

async function writeSynced(path: string, text: string): Promise<void> {
  const file = await open(path, 'wx');
  try {
    await file.writeFile(text);
    await file.datasync();
  } finally {
    await file.close();
  }
}

async function syncFolder(path: string): Promise<void> {
  const folder = await open(path, 'r');
  try {
    await folder.sync();
  } finally {
    await folder.close();
  }
}

function ignoreMissing(error: unknown): undefined {
  if (isNativeError(error) && 'code' in error && error.code === 'ENOENT') return;
  throw error;
}
