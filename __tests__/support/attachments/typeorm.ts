import { mkdtemp } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DataSource, type DataSourceOptions, type EntityManager, EntitySchema } from 'typeorm';
import { Attachment } from '../../../lib/attachments/attachment.js';
import type { Intent } from '../../../lib/attachments/journal/journal.js';
import {
  type SqlDialect,
  type SqlExecutor,
  SqlJournal,
} from '../../../lib/attachments/journal/sql-journal.js';
import {
  attachmentColumn,
  type TypeOrmAttachments,
  useAttachments,
} from '../../../lib/attachments/orm/typeorm.js';
import type {
  AttachmentHarness,
  DocumentFields,
  DocumentOperations,
  DocumentRow,
  DocumentValues,
  HarnessDatabase,
  ProcessOptions,
} from '../../../lib/testing/index.js';
import { removeFolder } from '../folders.js';

type NewRow = DocumentValues & { readonly name: string };

/** Milliseconds after which SQLite gives up waiting for another connection: all of them are in this process. */
const SQLITE_PATIENCE = 100;

/** The package `libsql`, which takes a single null for the names of its parameters, and so cannot set one to null. */
export const libsql = mended(createRequire(import.meta.url)('libsql'));

type Run = (...parameters: unknown[]) => unknown;
type Libsql = new (path: string) => { prepare(sql: string): { run: Run }; close(): void };

function mended(Database: Libsql): Libsql {
  const database = new Database(':memory:');
  const statement = Object.getPrototypeOf(database.prepare('SELECT 1')) as { run: Run };
  const { run } = statement;
  statement.run = function (...parameters) {
    return run.apply(this, parameters.length === 1 && parameters[0] === null ? [[null]] : parameters);
  };
  database.close();
  return Database;
}

/** How the suite's model looks to TypeORM. */
function schemas({ content, photo, pages }: DocumentFields) {
  const document = new EntitySchema<Record<string, unknown>>({
    name: 'document',
    columns: {
      id: { type: 'integer', primary: true, generated: true },
      name: { type: 'text', unique: true },
      content: attachmentColumn(content),
      photo: attachmentColumn(photo),
      pages: attachmentColumn({ ...pages, list: true }),
    },
    relations: { folder: { type: 'many-to-one', target: 'folder', nullable: true, onDelete: 'CASCADE' } },
  });
  const folder = new EntitySchema<Record<string, unknown>>({
    name: 'folder',
    columns: { id: { type: 'integer', primary: true, generated: true }, name: { type: 'text' } },
    relations: {
      documents: { type: 'one-to-many', target: 'document', inverseSide: 'folder', cascade: ['insert'] },
    },
  });
  return [document, folder];
}

/** A database for one case. */
export class TypeOrmDatabase implements HarnessDatabase {
  readonly #options: DataSourceOptions;
  readonly #dialect: SqlDialect;
  readonly #folder: string;
  readonly #onClose: () => Promise<void>;
  #reader: DataSource | undefined;

  constructor(options: DataSourceOptions, dialect: SqlDialect, folder: string, onClose: () => Promise<void>) {
    this.#options = options;
    this.#dialect = dialect;
    this.#folder = folder;
    this.#onClose = onClose;
  }

  /** A file of SQLite. */
  static async sqlite(): Promise<TypeOrmDatabase> {
    const folder = await mkdtemp(join(tmpdir(), 'filedepot-typeorm-'));
    const options = {
      type: 'better-sqlite3',
      driver: libsql,
      database: join(folder, 'database.sqlite'),
      timeout: SQLITE_PATIENCE,
      enableWAL: true,
    } as const;
    return new TypeOrmDatabase(options, 'sqlite', join(folder, 'depot-intents'), () => removeFolder(folder));
  }

  /** An empty schema in PostgreSQL, which the cases of a run have one after the other. */
  static async postgres(url: string, schema: string): Promise<TypeOrmDatabase> {
    const options = { type: 'postgres', url, schema } as const;
    return new TypeOrmDatabase(options, 'postgres', '', async () => {});
  }

  async open(options: ProcessOptions): Promise<AttachmentHarness> {
    await this.#prepare(options.fields);
    const dataSource = new DataSource({ ...this.#options, entities: schemas(options.fields) });
    await dataSource.initialize();
    const journal = new MortalJournal((executor) => this.#journal(executor));
    const attachments = await useAttachments(dataSource, {
      ...{ depot: options.depot, owner: options.owner, onError: options.onError },
      journal: (outside) => options.watch(journal.open(outside as Outside)),
    });
    dataSource.subscribers.push({ beforeTransactionCommit: () => options.step('commit') });
    return new TypeOrmHarness(dataSource, attachments, journal);
  }

  async stored(): Promise<unknown[]> {
    const rows: Record<string, unknown>[] = await this.#query(
      `SELECT content, photo, pages FROM ${this.#table('document')}`,
    );
    return rows.flatMap((row) => Object.values(row));
  }

  async intents(): Promise<Intent[]> {
    const intents = [];
    for await (const intent of this.#journal({
      run: (sql, parameters) => this.#query(sql, parameters),
    }).entries())
      intents.push(intent);
    return intents;
  }

  async close(): Promise<void> {
    if (this.#dialect === 'postgres')
      await this.#query(
        `TRUNCATE ${this.#table('document')}, ${this.#table('folder')}, ${this.#table('depot_intents')}`,
      );
    await this.#reader?.destroy();
    await this.#onClose();
  }

  /** Makes the tables, past the adapter. */
  async #prepare(fields: DocumentFields): Promise<void> {
    if (this.#reader) return;
    this.#reader = new DataSource({
      ...this.#options,
      entities: schemas(fields),
      synchronize: this.#dialect === 'sqlite',
    });
    await this.#reader.initialize();
  }

  #journal(outside: SqlExecutor): SqlJournal {
    return new SqlJournal({
      dialect: this.#dialect,
      outside,
      table: this.#table('depot_intents'),
      folder: this.#folder,
    });
  }

  #table(name: string): string {
    const { schema } = this.#options as { schema?: string };
    return schema ? `${schema}.${name}` : name;
  }

  async #query(sql: string, parameters: readonly string[] = []) {
    return this.#reader?.query(sql, [...parameters]);
  }
}

/** Makes the tables in a schema of PostgreSQL. */
export async function createSchema(url: string, schema: string, fields: DocumentFields): Promise<void> {
  const dataSource = new DataSource({ type: 'postgres', url, schema, entities: schemas(fields) });
  await dataSource.initialize();
  await dataSource.query(`CREATE SCHEMA IF NOT EXISTS ${schema}`);
  await dataSource.synchronize(true);
  await dataSource.destroy();
}

type Outside = SqlExecutor & { close(): Promise<void> };

/** A journal that can be cut off from its database. */
class MortalJournal {
  readonly #make: (outside: SqlExecutor) => SqlJournal;
  #journal: SqlJournal | undefined;
  #outside: Outside | undefined;
  #isDead = false;

  constructor(make: (outside: SqlExecutor) => SqlJournal) {
    this.#make = make;
  }

  open(outside: Outside): SqlJournal {
    this.#outside = outside;
    this.#journal = this.#make({
      run: (sql, parameters) =>
        this.#isDead ? Promise.reject(new Error('The process is dead')) : outside.run(sql, parameters),
    });
    return this.#journal;
  }

  async kill(): Promise<void> {
    this.#isDead = true;
    await this.#journal?.close();
    await this.#outside?.close();
  }
}

class TypeOrmHarness implements AttachmentHarness {
  readonly #dataSource: DataSource;
  readonly #attachments: TypeOrmAttachments;
  readonly #journal: MortalJournal;
  readonly #top: DocumentOperations;

  constructor(dataSource: DataSource, attachments: TypeOrmAttachments, journal: MortalJournal) {
    this.#dataSource = dataSource;
    this.#attachments = attachments;
    this.#journal = journal;
    this.#top = operations(dataSource.manager);
  }

  transaction<Result>(act: (orm: DocumentOperations) => Promise<Result>): Promise<Result> {
    return this.#dataSource.transaction((manager) => act(operations(manager)));
  }

  create = (values: NewRow) => this.#top.create(values);
  createMany = (rows: readonly NewRow[]) => this.#top.createMany(rows);
  update = (id: string, values: DocumentValues) => this.#top.update(id, values);
  updateTwice = (id: string, first: DocumentValues, second: DocumentValues) =>
    this.#top.updateTwice(id, first, second);
  remove = (id: string) => this.#top.remove(id);
  find = (id: string) => this.#top.find(id);
  updateMany = (ids: readonly string[], values: DocumentValues) => this.#top.updateMany(ids, values);
  removeMany = (ids: readonly string[]) => this.#top.removeMany(ids);
  createFolder = async (documents: readonly NewRow[]) => (await this.#top.createFolder?.(documents)) ?? '';
  removeFolder = async (id: string) => this.#top.removeFolder?.(id);

  async recover(): Promise<void> {
    await this.#attachments.recover();
  }

  idle(): Promise<void> {
    return this.#attachments.idle();
  }

  async kill(): Promise<void> {
    const driver = this.#dataSource.driver as unknown as {
      master?: { _clients: { connection: { stream: { destroy(): void } } }[] };
      databaseConnection?: { readonly inTransaction: boolean; exec(sql: string): void; close(): void };
    };
    for (const { connection } of driver.master?._clients ?? []) connection.stream.destroy();
    const { databaseConnection } = driver;
    // A closed connection of libsql stays open until its statements are collected.
    if (databaseConnection?.inTransaction) databaseConnection.exec('ROLLBACK');
    databaseConnection?.close();
    await this.#journal.kill();
  }

  async close(): Promise<void> {
    await this.#attachments.close();
    await this.#dataSource.destroy();
  }
}

function operations(manager: EntityManager): DocumentOperations {
  const documents = manager.getRepository('document');
  const folders = manager.getRepository('folder');
  const find = (id: string) => documents.findOneBy({ id: Number(id) });
  const change = async (id: string, ...changes: DocumentValues[]) => {
    const document = await find(id);
    if (!document) throw new Error(`There is no document ${id}`);
    for (const values of changes) Object.assign(document, values);
    await documents.save(document);
    assertStored(document);
  };
  return {
    create: async (values) => {
      const document = await documents.save({ ...values });
      assertStored(document);
      return String(document.id);
    },
    createMany: async (rows) => {
      const saved = await documents.save(rows.map((values) => ({ ...values })));
      return saved.map(({ id }) => String(id));
    },
    update: change,
    updateTwice: change,
    remove: async (id) => {
      const document = await find(id);
      if (document) await documents.remove(document);
    },
    find: async (id) => {
      const document = await find(id);
      return document ? ({ ...document, id: String(document.id) } as unknown as DocumentRow) : undefined;
    },
    updateMany: async (ids, values) => {
      await documents.update(ids.map(Number), { ...values });
    },
    removeMany: async (ids) => {
      await documents.delete(ids.map(Number));
    },
    createFolder: async (rows) => {
      const folder = await folders.save({ name: 'folder', documents: rows.map((values) => ({ ...values })) });
      return String(folder.id);
    },
    removeFolder: async (id) => {
      const folder = await folders.findOneByOrFail({ id: Number(id) });
      await folders.remove(folder);
    },
    nested: (act) => manager.transaction((inner) => act(operations(inner))),
  };
}

/** What was saved is in the entity too, as it is stored. */
function assertStored(document: Record<string, unknown>): void {
  const values = [document.content, document.photo, document.pages].flat();
  for (const value of values)
    if (value && !(value instanceof Attachment && value.isStored))
      throw new Error('A saved entity must have stored attachments');
}
