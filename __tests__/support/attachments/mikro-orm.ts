import {
  Cascade,
  defineEntity,
  type EntityManager,
  type EntitySchema,
  type MikroORM,
  type Options,
  p,
} from '@mikro-orm/core';
import type { Intent } from '../../../lib/attachments/journal/journal.js';
import {
  attachment,
  attachmentList,
  type MikroOrmJournalOptions,
  mikroOrmJournal,
  useAttachments,
} from '../../../lib/attachments/orm/mikro-orm.js';
import type {
  AttachmentHarness,
  DocumentFields,
  DocumentOperations,
  DocumentRow,
  DocumentValues,
  HarnessDatabase,
  ProcessOptions,
} from '../../../lib/testing/index.js';

type NewDocument = DocumentValues & { readonly name: string };

/** An entity, whatever its properties are. */
type Entity = Record<string, unknown>;

interface Entities {
  readonly Document: EntitySchema<Entity>;
  readonly Folder: EntitySchema<Entity>;
}

/** Where the tests' data is. */
export interface MikroOrmTarget {
  readonly journal?: MikroOrmJournalOptions;
  /** A connection to it. */
  open(options: Pick<Options, 'entities'>): Promise<MikroORM>;
  /** Cuts the connections of a process. */
  cut(orm: MikroORM): Promise<void>;
  /** Removes the database. */
  remove(): Promise<void>;
}

export function defineEntities(fields: DocumentFields): Entities {
  const Folder = defineEntity({
    name: 'Folder',
    tableName: 'folders',
    properties: {
      id: p.integer().primary(),
      name: p.string(),
      documents: () => p.oneToMany(Document).mappedBy('folder').cascade(Cascade.PERSIST),
    },
  });
  const Document = defineEntity({
    name: 'Document',
    tableName: 'documents',
    properties: {
      id: p.integer().primary(),
      name: p.string().unique(),
      content: attachment(fields.content).nullable(),
      photo: attachment(fields.photo).nullable().fieldName('photo_json'),
      pages: attachmentList(fields.pages).nullable(),
      folder: () => p.manyToOne(Folder).nullable().deleteRule('cascade'),
    },
  });
  return { Folder, Document } as unknown as Entities;
}

/** A database for MikroORM. */
export class MikroOrmDatabase implements HarnessDatabase {
  readonly #target: MikroOrmTarget;
  /** Knows nothing of attachments. */
  readonly #plain: MikroORM;

  private constructor(target: MikroOrmTarget, plain: MikroORM) {
    this.#target = target;
    this.#plain = plain;
  }

  static async create(target: MikroOrmTarget): Promise<MikroOrmDatabase> {
    const entities = Object.values(defineEntities({ content: {}, photo: {}, pages: {} }));
    const plain = await target.open({ entities });
    await plain.schema.create();
    return new MikroOrmDatabase(target, plain);
  }

  async open(options: ProcessOptions): Promise<MikroOrmHarness> {
    const entities = defineEntities(options.fields);
    const orm = await this.#target.open({ entities: Object.values(entities) });
    watchSteps(orm, options);
    const journal = mikroOrmJournal(orm, this.#target.journal);
    const { depot, owner, onError } = options;
    const attachments = useAttachments(orm, { depot, owner, onError, journal: options.watch(journal) });
    const kill = async () => {
      await journal.close().catch(() => {});
      await this.#target.cut(orm);
    };
    return new MikroOrmHarness(orm, entities, { attachments, kill });
  }

  async stored(): Promise<unknown[]> {
    const connection = this.#plain.em.getConnection();
    const rows: Entity[] = await connection.execute('SELECT * FROM documents');
    return [...rows].flatMap(({ content, photo_json, pages }) => [content, photo_json, pages]);
  }

  async intents(): Promise<Intent[]> {
    const journal = mikroOrmJournal(this.#plain, this.#target.journal);
    const intents = [];
    await journal.prepare();
    for await (const intent of journal.entries()) intents.push(intent);
    await journal.close();
    return intents;
  }

  async close(): Promise<void> {
    await this.#plain.close(true);
    await this.#target.remove();
  }
}

class MikroOrmOperations implements DocumentOperations {
  readonly #em: EntityManager;
  readonly #entities: Entities;

  constructor(em: EntityManager, entities: Entities) {
    this.#em = em;
    this.#entities = entities;
  }

  async create(values: NewDocument): Promise<string> {
    const [id = ''] = await this.createMany([values]);
    return id;
  }

  async createMany(rows: readonly NewDocument[]): Promise<string[]> {
    const em = this.#em.fork({ keepTransactionContext: true });
    const documents = rows.map((row) => em.create(this.#entities.Document, { ...row }));
    await em.persist(documents).flush();
    return documents.map(({ id }) => `${id}`);
  }

  async update(id: string, values: DocumentValues): Promise<void> {
    await this.updateTwice(id, {}, values);
  }

  async updateTwice(id: string, first: DocumentValues, second: DocumentValues): Promise<void> {
    const em = this.#em.fork({ keepTransactionContext: true });
    const document = await em.findOneOrFail(this.#entities.Document, { id });
    Object.assign(document, first);
    Object.assign(document, second);
    await em.flush();
  }

  async remove(id: string): Promise<void> {
    const em = this.#em.fork({ keepTransactionContext: true });
    const document = await em.findOneOrFail(this.#entities.Document, { id });
    await em.remove(document).flush();
  }

  async find(id: string): Promise<DocumentRow | undefined> {
    const em = this.#em.fork({ keepTransactionContext: true });
    const document = await em.findOne(this.#entities.Document, { id });
    return document
      ? ({ ...document, id, pages: document.pages ?? [] } as unknown as DocumentRow)
      : undefined;
  }

  async updateMany(ids: readonly string[], values: DocumentValues): Promise<void> {
    await this.#em.nativeUpdate(this.#entities.Document, { id: { $in: [...ids] } }, { ...values });
  }

  async removeMany(ids: readonly string[]): Promise<void> {
    await this.#em.nativeDelete(this.#entities.Document, { id: { $in: [...ids] } });
  }

  async createFolder(documents: readonly NewDocument[]): Promise<string> {
    const em = this.#em.fork({ keepTransactionContext: true });
    const folder = em.create(this.#entities.Folder, {
      name: 'folder',
      documents: documents.map((one) => ({ ...one })),
    });
    await em.persist(folder).flush();
    return `${folder.id}`;
  }

  async removeFolder(id: string): Promise<void> {
    const em = this.#em.fork({ keepTransactionContext: true });
    await em.remove(await em.findOneOrFail(this.#entities.Folder, { id })).flush();
  }

  nested<Result>(act: (operations: DocumentOperations) => Promise<Result>): Promise<Result> {
    const em = this.#em.fork({ keepTransactionContext: true });
    return em.transactional((inner) => act(new MikroOrmOperations(inner, this.#entities)));
  }
}

interface Process {
  readonly attachments: ReturnType<typeof useAttachments>;
  kill(): Promise<void>;
}

/** A process that uses MikroORM. */
export class MikroOrmHarness extends MikroOrmOperations implements AttachmentHarness {
  readonly #orm: MikroORM;
  readonly #process: Process;

  constructor(orm: MikroORM, entities: Entities, process: Process) {
    super(orm.em.fork(), entities);
    this.#orm = orm;
    this.#process = process;
  }

  transaction<Result>(act: (operations: DocumentOperations) => Promise<Result>): Promise<Result> {
    return this.nested(act);
  }

  async recover(): Promise<void> {
    await this.#process.attachments.recover();
  }

  idle(): Promise<void> {
    return this.#process.attachments.idle();
  }

  kill(): Promise<void> {
    return this.#process.kill();
  }

  async close(): Promise<void> {
    await this.#orm.close(true);
  }
}

/** What the adapter lays itself around. */
interface Connection {
  execute(query: unknown, ...others: unknown[]): Promise<unknown>;
  commit(...parameters: unknown[]): Promise<void>;
}

/** Statements of the journal are steps of their own. */
function watchSteps(orm: MikroORM, { step }: ProcessOptions): void {
  const connection = orm.driver.getConnection('write') as unknown as Connection;
  const { execute, commit } = connection;
  connection.execute = async (query, ...others) => {
    const isOfRows = /^(?:insert|update|delete)\b(?!.*depot_intents)/is.test(textOf(query));
    if (isOfRows) await step('statement');
    return execute.call(connection, query, ...others);
  };
  connection.commit = async (...parameters) => {
    await step('commit');
    return commit.apply(connection, parameters);
  };
}

function textOf(query: unknown): string {
  if (typeof query === 'string') return query;
  const { sql } = query as { readonly sql?: string };
  return sql ?? String((query as { toRaw?(): { sql: string } }).toRaw?.().sql ?? '');
}
