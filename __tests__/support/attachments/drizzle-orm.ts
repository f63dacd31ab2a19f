import { eq, inArray, type Table } from 'drizzle-orm';
import type { IntentJournal } from '../../../lib/attachments/journal/journal.js';
import type { SqlExecutor } from '../../../lib/attachments/journal/sql-journal.js';
import type { DrizzleAttachmentOptions, WithAttachments } from '../../../lib/attachments/orm/drizzle.js';
import type {
  AttachmentHarness,
  DocumentOperations,
  DocumentRow,
  DocumentValues,
  ProcessOptions,
} from '../../../lib/testing/index.js';

type NewDocument = DocumentValues & { readonly name: string };

/** What the harness uses of Drizzle's databases, which have no type in common. */
export interface Database {
  insert(table: Table): {
    values(rows: object | readonly object[]): { returning(fields: object): Promise<{ id: number }[]> };
  };
  update(table: Table): { set(values: object): { where(condition: unknown): Promise<unknown> } };
  delete(table: Table): { where(condition: unknown): Promise<unknown> };
  select(): { from(table: Table): { where(condition: unknown): Promise<object[]> } };
  transaction<Result>(body: (inner: Database) => Promise<Result>): Promise<Result>;
}

/** The tables of the model. */
export interface Tables {
  readonly documents: Table & { readonly id: never };
  readonly folders: Table & { readonly id: never };
}

/** A connection of one process. */
export interface Connection {
  readonly db: WithAttachments<Database>;
  readonly tables: Tables;
  kill(): Promise<void>;
  close(): Promise<void>;
}

/** The options that an adapter shares with all others. */
export function sharedOptions(
  options: ProcessOptions,
  journal: IntentJournal<SqlExecutor>,
): Omit<DrizzleAttachmentOptions, 'tables'> {
  const { depot, owner, onError } = options;
  return { depot, owner, onError, journal: options.watch(journal) };
}

class DrizzleOperations implements DocumentOperations {
  readonly #db: Database;
  readonly #tables: Tables;

  constructor(db: Database, tables: Tables) {
    this.#db = db;
    this.#tables = tables;
  }

  async create(values: NewDocument): Promise<string> {
    const [id = ''] = await this.createMany([values]);
    return id;
  }

  async createMany(rows: readonly NewDocument[], folderId?: number): Promise<string[]> {
    const { documents } = this.#tables;
    const values = rows.map((row) => ({ ...row, folderId }));
    const created = await this.#db.insert(documents).values(values).returning({ id: documents.id });
    return created.map(({ id }) => `${id}`);
  }

  update(id: string, values: DocumentValues): Promise<void> {
    return this.updateMany([id], values);
  }

  updateTwice(id: string, first: DocumentValues, second: DocumentValues): Promise<void> {
    return this.updateMany([id], { ...first, ...second });
  }

  remove(id: string): Promise<void> {
    return this.removeMany([id]);
  }

  async find(id: string): Promise<DocumentRow | undefined> {
    const { documents } = this.#tables;
    const [row] = await this.#db.select().from(documents).where(eq(documents.id, id));
    return row && ({ ...row, id } as DocumentRow);
  }

  async updateMany(ids: readonly string[], values: DocumentValues): Promise<void> {
    const { documents } = this.#tables;
    await this.#db
      .update(documents)
      .set(values)
      .where(inArray(documents.id, ids.map(Number)));
  }

  async removeMany(ids: readonly string[]): Promise<void> {
    const { documents } = this.#tables;
    await this.#db.delete(documents).where(inArray(documents.id, ids.map(Number)));
  }

  createFolder(documents: readonly NewDocument[]): Promise<string> {
    const { folders } = this.#tables;
    return this.#db.transaction(async (inner) => {
      const created = await inner.insert(folders).values({ name: 'folder' }).returning({ id: folders.id });
      const [{ id } = { id: 0 }] = created;
      await new DrizzleOperations(inner, this.#tables).createMany(documents, id);
      return `${id}`;
    });
  }

  async removeFolder(id: string): Promise<void> {
    const { folders } = this.#tables;
    await this.#db.delete(folders).where(eq(folders.id, Number(id)));
  }

  nested<Result>(act: (operations: DocumentOperations) => Promise<Result>): Promise<Result> {
    return this.#db.transaction((inner) => act(new DrizzleOperations(inner, this.#tables)));
  }
}

/** What a program does with rows by Drizzle. */
export class DrizzleHarness extends DrizzleOperations implements AttachmentHarness {
  readonly #connection: Connection;

  constructor(connection: Connection) {
    super(connection.db, connection.tables);
    this.#connection = connection;
  }

  transaction<Result>(act: (operations: DocumentOperations) => Promise<Result>): Promise<Result> {
    return this.nested(act);
  }

  async recover(): Promise<void> {
    await this.#connection.db.$attachments.recover();
  }

  idle(): Promise<void> {
    return this.#connection.db.$attachments.idle();
  }

  kill(): Promise<void> {
    return this.#connection.kill();
  }

  async close(): Promise<void> {
    await this.#connection.db.$attachments.close();
    await this.#connection.close();
  }
}
