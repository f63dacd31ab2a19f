import assert from 'node:assert/strict';
import type { Attachment } from '../../attachments/attachment.js';
import type { FileStorage } from '../../contract/storage.js';
import type { StorageDirectory } from '../../contract/storage-directory.js';
import { DepotError, type DepotErrorCode, isDepotError } from '../../errors.js';
import { ownerName } from '../../internal/owner.js';
import { type Fault, faultyStorage } from '../faulty-storage.js';
import { FIELDS } from './fields.js';
import type {
  AttachmentConformanceOptions,
  AttachmentHarness,
  DocumentRow,
  HarnessDatabase,
  ProcessOptions,
} from './harness.js';
import { Mortality } from './mortality.js';

/** A process id that no system gives: who has it is dead. */
const NO_PROCESS = 4_194_305;

const STORAGES = ['default', 'photos', 'other'] as const;

/** What a case proves, as a sentence, and how. */
export type AttachmentCases = Readonly<Record<string, (scene: Scene) => Promise<void>>>;

export interface StartOptions {
  /** What goes wrong in each of the storages. */
  readonly faults?: readonly Fault[];
  /** Whether others may take it for dead, as long as it lives. @default false */
  readonly mortal?: boolean;
}

/** One process, and how it lives. */
export interface Actor {
  readonly harness: AttachmentHarness;
  readonly mortality: Mortality;
  /** What the adapter has told where nobody waited for it. */
  readonly errors: unknown[];
}

/** The database and the storages of one case, and the processes that use them. */
export class Scene {
  readonly #options: AttachmentConformanceOptions;
  readonly #database: HarnessDatabase;
  readonly #storages: ReadonlyMap<string, FileStorage>;
  readonly #actors: Actor[] = [];
  #first!: Actor;
  #names = 0;

  static async open(options: AttachmentConformanceOptions): Promise<Scene> {
    const scene = new Scene(options, await options.openDatabase());
    scene.#first = await scene.start();
    return scene;
  }

  private constructor(options: AttachmentConformanceOptions, database: HarnessDatabase) {
    this.#options = options;
    this.#database = database;
    this.#storages = new Map(STORAGES.map((name) => [name, options.openStorage()]));
  }

  /** The first process, which lives and has no trouble. */
  get orm(): AttachmentHarness {
    return this.#first.harness;
  }

  /** Whether rows have a list of attachments. */
  get hasLists(): boolean {
    return this.#options.lists !== false;
  }

  /** A name that no row has. */
  newName(): string {
    this.#names += 1;
    return `document ${this.#names}`;
  }

  /** Another process. */
  async start({ faults = [], mortal = false }: StartOptions = {}): Promise<Actor> {
    const mortality = new Mortality();
    const errors: unknown[] = [];
    const options: ProcessOptions = {
      depot: this.#directory((storage) => mortality.watchStorage(faultyStorage(storage, faults))),
      owner: mortal ? ownerName(NO_PROCESS, `${this.#actors.length}`) : ownerName(),
      fields: FIELDS,
      onError: (error) => errors.push(error),
      watch: (journal) => mortality.watchJournal(journal),
      step: (name) => mortality.step(name),
    };
    const actor = { harness: await this.#database.open(options), mortality, errors };
    this.#actors.push(actor);
    return actor;
  }

  /** Kills a process, if it is not dead yet, and cuts its connections. */
  async kill({ harness, mortality }: Actor): Promise<void> {
    mortality.kill();
    await mortality.stillness();
    await harness.kill();
  }

  /** Ends a process in good order. */
  async stop(actor: Actor): Promise<void> {
    this.#actors.splice(this.#actors.indexOf(actor), 1);
    await actor.harness.close();
  }

  async end(): Promise<void> {
    try {
      for (const { harness, mortality } of this.#actors) if (!mortality.isDead) await harness.close();
    } finally {
      await this.#database.close();
    }
  }

  /** Paths of all files, in order. */
  async files(): Promise<string[]> {
    const paths = [];
    for (const [name, storage] of this.#storages)
      for await (const id of storage.list()) paths.push(`${name}/${id}`);
    return paths.sort();
  }

  /** Paths that rows refer to, in order. */
  async references(): Promise<string[]> {
    return (await this.#database.stored()).flatMap(pathsOf).sort();
  }

  async intents(): Promise<string[]> {
    await this.idle();
    return (await this.#database.intents()).map(({ state, paths }) => `${state} ${paths.join()}`);
  }

  /** Every file belongs to a row, every row has its files, and nothing is owed. */
  async assertEven(when = 'in the end'): Promise<void> {
    await this.idle();
    const [files, references] = [await this.files(), await this.references()];
    const orphans = files.filter((path) => !references.includes(path));
    const lost = references.filter((path) => !files.includes(path));
    assert.deepEqual(
      { orphans, lost, shared: references.filter((path, index) => references[index - 1] === path) },
      { orphans: [], lost: [], shared: [] },
      `The files in the storages must be those that rows refer to, ${when}`,
    );
    assert.deepEqual(await this.intents(), [], `No intent may be left, ${when}`);
  }

  /** Waits until no process does anything any more. */
  async idle(): Promise<void> {
    for (const { harness, mortality } of this.#actors) if (!mortality.isDead) await harness.idle();
  }

  /** The row as a new process would read it. */
  async row(id: string): Promise<DocumentRow> {
    const row = await this.orm.find(id);
    assert.ok(row, `There must be a row ${id}`);
    return row;
  }

  async assertNoRow(id: string): Promise<void> {
    assert.equal(await this.orm.find(id), undefined, `There must be no row ${id}`);
  }

  /** The attachment must be there with this content. */
  async assertContent(attachment: Attachment | null | undefined, content: string): Promise<void> {
    assert.ok(attachment, 'The field must have an attachment');
    assert.ok(attachment.isStored, 'An attachment that was read must be stored');
    assert.equal((await attachment.buffer()).toString(), content, 'The attachment must have its content');
  }

  /** The act must fail, with this code if one is given. */
  async assertFails(act: Promise<unknown>, what: string, code?: DepotErrorCode): Promise<void> {
    const error = await act.then(
      () => undefined,
      (reason) => reason ?? new Error('nothing'),
    );
    assert.ok(error !== undefined, `${what} must fail`);
    if (code) assert.ok(hasCode(error, code), `${what} must fail with ${code}, not with ${error}`);
  }

  #directory(watch: (storage: FileStorage) => FileStorage): StorageDirectory {
    const storages = new Map([...this.#storages].map(([name, storage]) => [name, watch(storage)]));
    const find = (name = 'default') => {
      const storage = storages.get(name);
      if (!storage) throw new DepotError('STORAGE_NOT_FOUND', `There is no storage ${name}`);
      return { name, storage };
    };
    return {
      get: (name) => find(name).storage,
      resolveAlias: (name) => find(name).name,
      urlFor: (path) => `/depot/${path}`,
    };
  }
}

/** An ORM may wrap what its hooks throw. */
export function hasCode(error: unknown, code: DepotErrorCode): boolean {
  if (isDepotError(error, code)) return true;
  return error instanceof Error && error.cause !== undefined && hasCode(error.cause, code);
}

/** Paths of the files of what a row holds: of one attachment, or of a list. */
function pathsOf(stored: unknown): string[] {
  if (stored === null || stored === undefined || stored === '') return [];
  const value = typeof stored === 'string' ? JSON.parse(stored) : stored;
  if (value === null) return [];
  if (Array.isArray(value)) return value.flatMap(pathsOf);
  assert.ok(Array.isArray(value.files), `What a row holds must be an attachment: ${JSON.stringify(value)}`);
  return value.files;
}
