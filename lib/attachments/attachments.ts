import { randomUUID } from 'node:crypto';
import { parseFilePath } from '../contract/file-path.js';
import { type Recoverable, type Recovery, totalRecovery } from '../contract/recovery.js';
import type { StorageDirectory } from '../contract/storage-directory.js';
import { Batches } from '../internal/batches.js';
import { FOREIGN_OWNER_PATIENCE, ownerName } from '../internal/owner.js';
import { inParallel } from '../internal/parallel.js';
import { Attachment } from './attachment.js';
import type { Intent, IntentJournal } from './journal/journal.js';
import { recover } from './recovery.js';
import { type Slot, type SlotDesk, Slots, type TakenSlot } from './slots.js';
import { type UnitDesk, UnitOfWork } from './unit-of-work.js';

export type { Recovery } from '../contract/recovery.js';

/** What every adapter's options have. */
export interface AttachmentOptions {
  /** The manager, or another directory of storages. */
  readonly depot: StorageDirectory;
  /**
   * Told of files that could not be deleted, and of what else went wrong where nobody waits for it. They stay in the
   * journal, and `recover` tries again. @default a warning of the process
   */
  readonly onError?: ((error: unknown) => void) | undefined;
  /**
   * Milliseconds after which what a process on another machine has left counts as abandoned. Those on this machine are
   * asked whether they live. @default 24 hours
   */
  readonly grace?: number | undefined;
  /** Who we are in the journal; for tests. @default this process */
  readonly owner?: string | undefined;
}

export interface AttachmentsOptions<Transaction> extends AttachmentOptions {
  readonly journal: IntentJournal<Transaction>;
  /**
   * Whether a row of the database refers to the file of that path (`<depot>/<id>`) in any attachment field: a search
   * in the stored JSON. Asked by `recover`.
   */
  readonly isReferenced: (path: string) => Promise<boolean>;
}

/** Milliseconds in which what can be forgotten gathers: to forget much takes a database no longer than to forget one. */
const FORGETTING_REST = 50;

/** Files that are looked for or deleted side by side, at most. */
const FILES_AT_ONCE = 16;

/** The attachments of one database: what an adapter has of filedepot. */
export class Attachments<Transaction> implements Recoverable {
  readonly depot: StorageDirectory;
  readonly #desk: Desk<Transaction>;
  #isClosed = false;

  constructor(options: AttachmentsOptions<Transaction>) {
    this.depot = options.depot;
    this.#desk = new Desk(options);
    // The depot may outlive the database.
    const recover = async () => (this.#isClosed ? totalRecovery([]) : this.recover());
    this.depot.addRecoverable?.({ recover });
  }

  /**
   * An attachment from what a row holds.
   * @returns null for null, undefined and an empty text
   * @throws DepotError `INVALID_ATTACHMENT`
   */
  read(value: unknown): Attachment | null {
    return Attachment.fromJSON(value, this.depot);
  }

  /**
   * Begins a unit of work.
   * @param transaction nothing for a statement that is a transaction of its own
   */
  begin(transaction?: Transaction): UnitOfWork<Transaction> {
    return new UnitOfWork(this.#desk, transaction);
  }

  /** Makes the journal ready, once; units of work wait for it by themselves. After a failure the next call tries again. */
  prepare(): Promise<void> {
    return this.#desk.prepare();
  }

  /**
   * Settles what processes that are no more have left, and tries again what could not be settled before. Several
   * processes may do so at once. Never deletes a file that a row refers to.
   */
  async recover(): Promise<Recovery> {
    await this.prepare();
    return recover(this.#desk);
  }

  /** Resolves when nothing is done in the background any more. */
  idle(): Promise<void> {
    return this.#desk.idle();
  }

  /** Waits for what is done in the background, and releases what the journal holds. */
  async close(): Promise<void> {
    this.#isClosed = true;
    await this.idle();
    await this.#desk.journal.close();
  }
}

/** What units of work and the recovery have in common: the journal, and the debts of this process. */
class Desk<Transaction> implements UnitDesk<Transaction> {
  readonly depot: StorageDirectory;
  readonly journal: IntentJournal<Transaction>;
  readonly grace: number;
  readonly isReferenced: (path: string) => Promise<boolean>;
  /** Intents of this process whose time has come, and that could not be settled yet. */
  readonly debts = new Map<string, Intent>();
  readonly #owner: string;
  readonly #onError: (error: unknown) => void;
  readonly #announcing: Batches<Intent>;
  readonly #forgetting: Batches<Intent>;
  readonly #slots = new Map<string, Slots>();
  readonly #background = new Set<Promise<void>>();
  #preparing: Promise<void> | undefined;

  constructor(options: AttachmentsOptions<Transaction>) {
    this.depot = options.depot;
    this.journal = options.journal;
    this.isReferenced = options.isReferenced;
    this.grace = options.grace ?? FOREIGN_OWNER_PATIENCE;
    this.#owner = options.owner ?? ownerName();
    this.#onError = options.onError ?? warn;
    this.#announcing = new Batches((intents) => this.journal.announce(intents));
    this.#forgetting = new Batches((intents) => this.journal.forget(intents), FORGETTING_REST);
  }

  prepare(): Promise<void> {
    this.#preparing ??= this.journal.prepare().catch((error) => {
      this.#preparing = undefined;
      throw error;
    });
    return this.#preparing;
  }

  newIntent(state: Intent['state'], paths: readonly string[]): Intent {
    return { id: randomUUID(), state, paths, owner: this.#owner, createdAt: new Date() };
  }

  announce(intents: readonly Intent[]): Promise<void> {
    return this.#announcing.add(intents);
  }

  takeSlot(storageName: string): TakenSlot {
    const known = this.#slots.get(storageName);
    if (known) return known.take();
    const slots = new Slots(this.#slotDesk(storageName));
    this.#slots.set(storageName, slots);
    return slots.take();
  }

  async discharge(intents: readonly Intent[]): Promise<void> {
    const paths = intents.flatMap((intent) => intent.paths);
    const failures = new Map(await this.deleteFiles(paths));
    const hasFailed = (intent: Intent) => intent.paths.some((path) => failures.has(path));
    this.forget(intents.filter((intent) => !hasFailed(intent)));
    for (const intent of intents.filter(hasFailed)) this.debts.set(intent.id, intent);
  }

  async findFiles(paths: readonly string[]): Promise<readonly string[]> {
    const found = await inParallel(paths, FILES_AT_ONCE, (path) => this.#mayExist(path));
    return paths.filter((_path, index) => found[index]);
  }

  /** Deletes all that can be deleted; gives the others, each with its error, of which `onError` was told. */
  async deleteFiles(paths: readonly string[]): Promise<[string, unknown][]> {
    const errors = await inParallel(paths, FILES_AT_ONCE, (path) => this.#delete(path));
    const failures = errors.flatMap((error, index) => (error ? [[paths[index] ?? '', error] as const] : []));
    for (const [, error] of failures) this.#onError(error);
    return failures.map(([path, error]) => [path, error]);
  }

  forget(intents: readonly Intent[]): void {
    if (intents.length === 0) return;
    const forgetting = this.#forgetting.add(intents);
    this.inBackground(forgetting.catch((error) => this.owe(intents, error)));
  }

  owe(intents: readonly Intent[], error: unknown): void {
    for (const intent of intents) this.debts.set(intent.id, intent);
    this.#onError(error);
  }

  inBackground(act: Promise<void>): void {
    const done = act.catch(this.#onError).finally(() => this.#background.delete(done));
    this.#background.add(done);
  }

  async idle(): Promise<void> {
    await Promise.all([...this.#slots.values()].map((slots) => slots.release()));
    await this.#forgetting.hurry(async () => {
      while (this.#background.size > 0) await Promise.all(this.#background);
    });
  }

  #slotDesk(storageName: string): SlotDesk {
    const intentsOf = (slots: readonly Slot[]) => slots.map(({ intent }) => intent);
    return {
      newSlot: () => {
        const id = this.depot.get(storageName).newId();
        return { id, intent: this.newIntent('upload', [`${storageName}/${id}`]) };
      },
      announce: (slots) => this.announce(intentsOf(slots)),
      forget: (slots) => this.forget(intentsOf(slots)),
    };
  }

  /** Where that cannot be told, to delete it will fail as well, and be tried again. */
  async #mayExist(path: string): Promise<boolean> {
    try {
      const { storageName, id } = parseFilePath(path);
      return await this.depot.get(storageName).exists(id);
    } catch {
      return true;
    }
  }

  async #delete(path: string): Promise<unknown> {
    try {
      const { storageName, id } = parseFilePath(path);
      await this.depot.get(storageName).delete(id);
      return undefined;
    } catch (error) {
      return error;
    }
  }
}

function warn(error: unknown): void {
  process.emitWarning(`Attachments: ${error}; what is left is tried again by recover()`);
}
