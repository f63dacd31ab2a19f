import { randomUUID } from 'node:crypto';
import type { Attachment, AttachmentInput } from '../../../lib/attachments/attachment.js';
import { Attachments } from '../../../lib/attachments/attachments.js';
import { type AttachmentField, attachmentField } from '../../../lib/attachments/field.js';
import type { Intent } from '../../../lib/attachments/journal/journal.js';
import { MemoryJournal, type MemoryTransaction } from '../../../lib/attachments/journal/memory-journal.js';
import type { UnitOfWork } from '../../../lib/attachments/unit-of-work.js';
import type {
  AttachmentHarness,
  DocumentOperations,
  DocumentRow,
  DocumentValues,
  HarnessDatabase,
  ProcessOptions,
} from '../../../lib/testing/index.js';

type Unit = UnitOfWork<MemoryTransaction>;

/** A row as it is stored. */
interface Row {
  readonly id: string;
  readonly name: string;
  readonly content: string | null;
  readonly photo: string | null;
  readonly pages: string | null;
  readonly folder: string | null;
}

type NewRow = DocumentValues & { readonly name: string; readonly folder?: string };

/** Whether statements outside of transactions are transactions of their own, or have none. */
export type Statements = 'transactions' | 'plain';

/** A database in memory, with transactions and savepoints: the least that attachments can be shown to work on. */
export class MemoryDatabase implements HarnessDatabase {
  readonly rows = new Map<string, Row>();
  readonly journal = new MemoryJournal();
  /** One transaction writes at a time. */
  #writer: Promise<void> = Promise.resolve();
  readonly #statements: Statements;
  readonly #attachments: AttachmentsClass;

  constructor(statements: Statements, attachments: AttachmentsClass = Attachments) {
    this.#statements = statements;
    this.#attachments = attachments;
  }

  async open(options: ProcessOptions): Promise<AttachmentHarness> {
    return new MemoryOrm(this, options, this.#statements, this.#attachments);
  }

  async stored(): Promise<unknown[]> {
    return [...this.rows.values()].flatMap(({ content, photo, pages }) => [
      content,
      photo,
      JSON.parse(pages ?? '[]'),
    ]);
  }

  async intents(): Promise<Intent[]> {
    const intents = [];
    for await (const intent of this.journal.entries()) intents.push(intent);
    return intents;
  }

  async close(): Promise<void> {}

  /** Waits for the one who writes, and gives what ends the turn. */
  async lock(): Promise<() => void> {
    const previous = this.#writer;
    let unlock!: () => void;
    this.#writer = new Promise((resolve) => {
      unlock = resolve;
    });
    await previous;
    return unlock;
  }
}

/** Made anew by the tests that break it. */
export type AttachmentsClass = typeof Attachments;

/** Changes that are not committed yet. */
class Changes implements MemoryTransaction {
  readonly #database: MemoryDatabase;
  #rows = new Map<string, Row | null>();
  #deferred: (() => void)[] = [];
  #unlock: (() => void) | undefined;
  #isOver = false;

  constructor(database: MemoryDatabase) {
    this.#database = database;
  }

  defer(act: () => void): void {
    this.#deferred.push(act);
  }

  async begin(): Promise<void> {
    const unlock = await this.#database.lock();
    if (this.#isOver) unlock();
    this.#unlock = unlock;
  }

  rows(): Row[] {
    const rows = new Map<string, Row | null>([...this.#database.rows, ...this.#rows]);
    return [...rows.values()].filter((row) => row !== null);
  }

  write(id: string, row: Row | null): void {
    if (row && this.rows().some((other) => other.name === row.name && other.id !== id))
      throw new Error(`The name ${row.name} is taken`);
    this.#rows.set(id, row);
  }

  savepoint(): () => void {
    const [rows, deferred] = [new Map(this.#rows), [...this.#deferred]];
    return () => {
      this.#rows = rows;
      this.#deferred = deferred;
    };
  }

  commit(): void {
    if (this.#isOver) throw new Error('The connection is closed');
    try {
      for (const act of this.#deferred) act();
      for (const [id, row] of this.#rows) {
        if (row) this.#database.rows.set(id, row);
        else this.#database.rows.delete(id);
      }
    } finally {
      this.end();
    }
  }

  end(): void {
    this.#isOver = true;
    this.#unlock?.();
  }
}

/** What a program does with the rows of a `MemoryDatabase`. */
class MemoryOrm implements AttachmentHarness {
  readonly #database: MemoryDatabase;
  readonly #options: ProcessOptions;
  readonly #attachments: Attachments<MemoryTransaction>;
  readonly #fields: Readonly<Record<'content' | 'photo' | 'pages', AttachmentField>>;
  readonly #statements: Statements;
  readonly #open = new Set<Changes>();

  constructor(
    database: MemoryDatabase,
    options: ProcessOptions,
    statements: Statements,
    attachments: AttachmentsClass,
  ) {
    const { depot, owner, onError, fields } = options;
    this.#database = database;
    this.#options = options;
    this.#statements = statements;
    this.#fields = {
      content: attachmentField(fields.content),
      photo: attachmentField(fields.photo),
      pages: attachmentField(fields.pages),
    };
    this.#attachments = new attachments({
      ...{ depot, owner, onError },
      journal: options.watch(database.journal),
      isReferenced: async (path) => JSON.stringify(await database.stored()).includes(path),
    });
  }

  async transaction<Result>(act: (orm: DocumentOperations) => Promise<Result>): Promise<Result> {
    const changes = await this.#begin();
    const unit = this.#attachments.begin(changes);
    try {
      const result = await act(this.#operations(changes, unit));
      await this.#options.step('commit');
      changes.commit();
      await unit.settle('committed');
      return result;
    } catch (error) {
      changes.end();
      await unit.settle('rolledBack');
      throw error;
    } finally {
      this.#open.delete(changes);
    }
  }

  create = (values: NewRow) => this.#statement((orm) => orm.create(values));
  createMany = (rows: readonly NewRow[]) => this.#statement((orm) => orm.createMany(rows));
  update = (id: string, values: DocumentValues) => this.#statement((orm) => orm.update(id, values));
  updateTwice = (id: string, first: DocumentValues, second: DocumentValues) =>
    this.#statement((orm) => orm.updateTwice(id, first, second));
  remove = (id: string) => this.#statement((orm) => orm.remove(id));
  updateMany = (ids: readonly string[], values: DocumentValues) =>
    this.#statement((orm) => orm.updateMany(ids, values));
  removeMany = (ids: readonly string[]) => this.#statement((orm) => orm.removeMany(ids));
  removeFolder = (id: string) => this.#statement(async (orm) => orm.removeFolder?.(id));

  async createFolder(documents: readonly NewRow[]): Promise<string> {
    const folder = randomUUID();
    await this.createMany(documents.map((values) => ({ ...values, folder })));
    return folder;
  }

  async find(id: string): Promise<DocumentRow | undefined> {
    const row = this.#database.rows.get(id);
    return row && this.#read(row);
  }

  async recover(): Promise<void> {
    await this.#attachments.recover();
  }

  idle(): Promise<void> {
    return this.#attachments.idle();
  }

  async kill(): Promise<void> {
    for (const changes of this.#open) changes.end();
  }

  close(): Promise<void> {
    return this.#attachments.close();
  }

  async #begin(): Promise<Changes> {
    const changes = new Changes(this.#database);
    this.#open.add(changes);
    await changes.begin();
    return changes;
  }

  /** A statement of its own, in a transaction or without one. */
  async #statement<Result>(act: (orm: DocumentOperations) => Promise<Result>): Promise<Result> {
    if (this.#statements === 'transactions') return this.transaction(act);
    const changes = await this.#begin();
    const unit = this.#attachments.begin();
    try {
      const result = await act(this.#operations(changes, unit));
      await this.#options.step('commit');
      changes.commit();
      await unit.settle('committed');
      return result;
    } catch (error) {
      changes.end();
      await unit.settle('rolledBack');
      throw error;
    } finally {
      this.#open.delete(changes);
    }
  }

  #operations(changes: Changes, unit: Unit): DocumentOperations {
    const find = async (id: string) => {
      const row = changes.rows().find((one) => one.id === id);
      return row && this.#read(row);
    };
    const update = async (id: string, values: DocumentValues) => {
      const old = changes.rows().find((row) => row.id === id);
      if (old) changes.write(id, await this.#write(unit, old, values));
    };
    const remove = async (id: string) => {
      const row = await find(id);
      await unit.remove([row?.content, row?.photo, ...(row?.pages ?? [])]);
      changes.write(id, null);
    };
    const create = async (values: NewRow) => {
      const { name, folder = null } = values;
      const empty = { id: randomUUID(), name, content: null, photo: null, pages: null, folder };
      changes.write(empty.id, await this.#write(unit, empty, values));
      return empty.id;
    };
    // A statement that fails undoes itself alone, as in the databases that go on after it.
    const whole = async <Result>(act: () => Promise<Result>): Promise<Result> => {
      const undo = changes.savepoint();
      try {
        return await act();
      } catch (error) {
        undo();
        unit.rolledBackInPart();
        throw error;
      }
    };
    return {
      create: (values) => whole(() => create(values)),
      createMany: (rows) => Promise.all(rows.map(create)),
      update: (id, values) => whole(() => update(id, values)),
      updateTwice: (id, first, second) => whole(() => update(id, { ...first, ...second })),
      remove: (id) => whole(() => remove(id)),
      find,
      updateMany: async (ids, values) => void (await Promise.all(ids.map((id) => update(id, values)))),
      removeMany: async (ids) => void (await Promise.all(ids.map(remove))),
      removeFolder: async (id) => {
        const rows = changes.rows().filter((row) => row.folder === id);
        for (const row of rows) await remove(row.id);
      },
      nested: (act) => whole(() => act(this.#operations(changes, unit))),
    };
  }

  async #write(unit: Unit, old: Row, values: DocumentValues): Promise<Row> {
    const before = this.#read(old);
    const store = async (name: 'content' | 'photo') => {
      const value = values[name];
      if (value === undefined) return old[name];
      const attachment = await unit.store(this.#fields[name], value, before[name]);
      return attachment && JSON.stringify(attachment);
    };
    const storeList = async (items: readonly AttachmentInput[] | undefined) =>
      items ? JSON.stringify(await unit.storeList(this.#fields.pages, items, before.pages)) : old.pages;
    // Nothing may be under way any more when a statement is undone.
    const storing = [store('content'), store('photo'), storeList(values.pages)] as const;
    await Promise.allSettled(storing);
    const [content, photo, pages] = await Promise.all(storing);
    await this.#options.step('statement');
    return { ...old, name: values.name ?? old.name, content, photo, pages };
  }

  #read({ id, name, content, photo, pages }: Row): DocumentRow {
    const read = (value: unknown) => this.#attachments.read(value);
    const list: unknown[] = JSON.parse(pages ?? '[]');
    return { id, name, content: read(content), photo: read(photo), pages: list.map(read).filter(isPresent) };
  }
}

function isPresent(attachment: Attachment | null): attachment is Attachment {
  return attachment !== null;
}
