import { randomUUID } from 'node:crypto';
import { appendFile, type FileHandle, mkdir, open, readdir, readFile, stat, unlink } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { isNativeError } from 'node:util/types';
import { KeyedMutex } from '../../internal/keyed-mutex.js';
import { isAbandoned, ownerName } from '../../internal/owner.js';
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

/** One line of a log. */
type Line = { readonly announced: readonly StoredIntent[] } | { readonly forgotten: readonly string[] };

type StoredIntent = Omit<Intent, 'createdAt'> & { readonly createdAt: string };

const EXTENSION = '.log';

/** Bytes from which a log is emptied as soon as nothing in it stands. */
const LARGE = 64 * 1024;

/**
 * A journal in a folder, for databases that cannot keep one: each process appends to a log of its own. It is written past
 * the application's transactions: what these have decided is found out by asking the rows.
 */
export class FileJournal implements IntentJournal<unknown> {
  readonly #folder: string;
  readonly #isReferenced: (path: string) => Promise<boolean>;
  readonly #log: OwnLog;

  constructor({ folder, isReferenced = async () => true }: FileJournalOptions) {
    this.#folder = resolve(folder);
    this.#isReferenced = isReferenced;
    this.#log = new OwnLog(join(this.#folder, `${ownerName()}.${randomUUID()}${EXTENSION}`));
  }

  async prepare(): Promise<void> {
    const made = await mkdir(this.#folder, { recursive: true });
    if (made !== undefined) await syncFolder(dirname(made));
  }

  announce(intents: readonly Intent[]): Promise<void> {
    return this.#log.announce(intents);
  }

  /** Deletions are announced before it is known that the transaction will be committed; recovery asks the rows. */
  async record({ condemn }: Decisions): Promise<void> {
    if (condemn.length > 0) await this.announce(condemn);
  }

  retract({ condemn }: Decisions): Promise<void> {
    return this.forget(condemn);
  }

  async standing(intents: readonly Intent[]): Promise<readonly Intent[]> {
    const isKept = async ({ paths }: Intent) =>
      (await Promise.all(paths.map(this.#isReferenced))).some(Boolean);
    const kept = await Promise.all(intents.map(isKept));
    return intents.filter((_intent, index) => !kept[index]);
  }

  async forget(intents: readonly Intent[]): Promise<void> {
    const ids = new Set(intents.map(({ id }) => id));
    const own = [...ids].filter((id) => this.#log.has(id));
    if (own.length > 0) await this.#log.forget(own);
    for (const id of own) ids.delete(id);
    if (ids.size > 0) await this.#forgetOfOthers(ids);
  }

  async *entries(): AsyncIterable<Intent> {
    for (const path of await this.#paths()) yield* (await readLog(path)).values();
  }

  /** Removes the logs of processes that are no more, if nothing in them stands. */
  async purge(before: Date): Promise<void> {
    for (const path of await this.#paths()) {
      const stats = await stat(path).catch(ignoreMissing);
      const [owner = ''] = /[^/\\]+(?=\.[0-9a-f-]{36}\.log$)/.exec(path) ?? [];
      const patience = Date.now() - before.getTime();
      if (!stats || !isAbandoned(owner, stats.mtimeMs, patience)) continue;
      if ((await readLog(path)).size === 0) await unlink(path).catch(ignoreMissing);
    }
  }

  /** A log in which something stands is left to whoever recovers it. */
  close(): Promise<void> {
    return this.#log.close();
  }

  /** What others have announced is forgotten by whoever settles it. */
  async #forgetOfOthers(ids: ReadonlySet<string>): Promise<void> {
    for (const path of await this.#paths()) {
      const forgotten = [...(await readLog(path)).keys()].filter((id) => ids.has(id));
      if (forgotten.length > 0) await appendFile(path, toText({ forgotten }));
    }
  }

  async #paths(): Promise<string[]> {
    const names = await readdir(this.#folder);
    return names.filter((name) => name.endsWith(EXTENSION)).map((name) => join(this.#folder, name));
  }
}

/** The log that this process writes. */
class OwnLog {
  readonly #path: string;
  /** Ids of what stands in it. */
  readonly #standing = new Set<string>();
  readonly #turns = new KeyedMutex();
  #file: Promise<FileHandle> | undefined;
  #size = 0;

  constructor(path: string) {
    this.#path = path;
  }

  has(id: string): boolean {
    return this.#standing.has(id);
  }

  /** Synced: nothing is done before it is known to be on record. */
  async announce(intents: readonly Intent[]): Promise<void> {
    for (const { id } of intents) this.#standing.add(id);
    const announced = intents.map((intent) => ({ ...intent, createdAt: intent.createdAt.toISOString() }));
    try {
      await this.#write({ announced });
      await (await this.#open()).datasync();
    } catch (error) {
      for (const { id } of intents) this.#standing.delete(id);
      throw error;
    }
  }

  /** Not synced: what a power cut brings back is asked about once more. */
  async forget(ids: readonly string[]): Promise<void> {
    for (const id of ids) this.#standing.delete(id);
    if (this.#standing.size === 0 && this.#size >= LARGE) await this.#empty();
    else await this.#write({ forgotten: ids });
  }

  async close(): Promise<void> {
    const file = await this.#file;
    this.#file = undefined;
    await file?.close();
    if (file && this.#standing.size === 0) await unlink(this.#path).catch(ignoreMissing);
  }

  #write(line: Line): Promise<void> {
    return this.#turns.run('', async () => {
      const text = toText(line);
      await (await this.#openThere()).appendFile(text);
      this.#size += text.length;
    });
  }

  #empty(): Promise<void> {
    return this.#turns.run('', async () => {
      if (this.#standing.size > 0) return;
      await (await this.#open()).truncate(0);
      this.#size = 0;
    });
  }

  /** On another machine, a log that was not written for long is taken for abandoned, and is removed if it is empty. */
  async #openThere(): Promise<FileHandle> {
    const file = await this.#open();
    if ((await file.stat()).nlink > 0) return file;
    this.#file = undefined;
    this.#size = 0;
    await file.close();
    return this.#open();
  }

  #open(): Promise<FileHandle> {
    this.#file ??= openSynced(this.#path).catch((error) => {
      this.#file = undefined;
      throw error;
    });
    return this.#file;
  }
}

/** A name that is not in its folder after a power cut is as good as no file. */
async function openSynced(path: string): Promise<FileHandle> {
  const file = await open(path, 'a');
  try {
    await syncFolder(dirname(path));
    return file;
  } catch (error) {
    await file.close();
    throw error;
  }
}

/** What stands in a log, by its id. */
async function readLog(path: string): Promise<Map<string, Intent>> {
  const standing = new Map<string, Intent>();
  const text = (await readFile(path, 'utf8').catch(ignoreMissing)) ?? '';
  for (const line of text.split('\n').flatMap(parseLine)) {
    if ('announced' in line) for (const intent of line.announced) standing.set(intent.id, toIntent(intent));
    else for (const id of line.forgotten) standing.delete(id);
  }
  return standing;
}

/** A line that its writer died in was never acknowledged. */
function parseLine(line: string): Line[] {
  try {
    return [JSON.parse(line)];
  } catch {
    return [];
  }
}

/** A line begins anew where another was not ended. */
function toText(line: Line): string {
  return `\n${JSON.stringify(line)}`;
}

function toIntent(intent: StoredIntent): Intent {
  return { ...intent, createdAt: new Date(intent.createdAt) };
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
