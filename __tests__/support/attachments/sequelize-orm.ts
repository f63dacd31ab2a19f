import {
  DataTypes,
  type Model,
  type ModelStatic,
  type Options,
  QueryTypes,
  Sequelize,
  Transaction,
} from 'sequelize';
import type { Intent } from '../../../lib/attachments/journal/journal.js';
import {
  attachment,
  attachmentList,
  type SequelizeJournalOptions,
  sequelizeJournal,
  useAttachments,
} from '../../../lib/attachments/orm/sequelize.js';
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

/** The models of the tests. */
export interface Models {
  readonly Document: ModelStatic<Model>;
  readonly Folder: ModelStatic<Model>;
}

/** Where the tests' data is. */
export interface SequelizeTarget {
  readonly options: Options;
  readonly journal?: SequelizeJournalOptions;
  /** Cuts the connections of a process, which are these where they come from a pool. */
  cut(sequelize: Sequelize, connections: ReadonlySet<unknown>): Promise<void>;
  /** Removes the database. */
  remove(): Promise<void>;
}

export function defineModels(sequelize: Sequelize, fields: DocumentFields): Models {
  const Folder = sequelize.define('folder', { name: DataTypes.STRING }, { timestamps: false });
  const Document = sequelize.define(
    'document',
    {
      name: { type: DataTypes.STRING, allowNull: false, unique: true },
      content: attachment(fields.content),
      photo: attachment(fields.photo, { field: 'photo_json' }),
      pages: attachmentList(fields.pages),
    },
    { timestamps: false },
  );
  Folder.hasMany(Document, { onDelete: 'CASCADE' });
  Document.belongsTo(Folder);
  return { Folder, Document };
}

/** A database for Sequelize. */
export class SequelizeDatabase implements HarnessDatabase {
  readonly #target: SequelizeTarget;
  /** Knows nothing of attachments. */
  readonly #plain: Sequelize;

  constructor(target: SequelizeTarget) {
    this.#target = target;
    this.#plain = connect(target);
  }

  static async create(target: SequelizeTarget): Promise<SequelizeDatabase> {
    const database = new SequelizeDatabase(target);
    defineModels(database.#plain, { content: {}, photo: {}, pages: {} });
    await database.#plain.sync();
    return database;
  }

  async open(options: ProcessOptions): Promise<SequelizeHarness> {
    const sequelize = connect(this.#target);
    const models = defineModels(sequelize, options.fields);
    watchSteps(sequelize, options);
    const connections = new Set<unknown>();
    sequelize.addHook('afterConnect', (connection: unknown) => {
      connections.add(connection);
    });
    const journal = sequelizeJournal(sequelize, this.#target.journal);
    const { depot, owner, onError } = options;
    const attachments = useAttachments(sequelize, { depot, owner, onError, journal: options.watch(journal) });
    const kill = async () => {
      await journal.close().catch(() => {});
      await this.#target.cut(sequelize, connections);
    };
    return new SequelizeHarness(sequelize, models, { attachments, kill });
  }

  async stored(): Promise<unknown[]> {
    const rows = await this.#plain.query<Record<string, unknown>>('SELECT * FROM documents', {
      type: QueryTypes.SELECT,
      raw: true,
    });
    // SQLite's driver makes arrays of another realm than jest's.
    return [...rows].flatMap(({ content, photo_json, pages }) => [content, photo_json, pages]);
  }

  async intents(): Promise<Intent[]> {
    const journal = sequelizeJournal(this.#plain, this.#target.journal);
    const intents = [];
    await journal.prepare();
    for await (const intent of journal.entries()) intents.push(intent);
    await journal.close();
    return intents;
  }

  async close(): Promise<void> {
    await this.#plain.close();
    await this.#target.remove();
  }
}

class SequelizeOperations implements DocumentOperations {
  protected readonly sequelize: Sequelize;
  readonly #models: Models;
  readonly #transaction: Transaction | undefined;

  constructor(sequelize: Sequelize, models: Models, transaction?: Transaction) {
    this.sequelize = sequelize;
    this.#models = models;
    this.#transaction = transaction;
  }

  get #options() {
    return this.#transaction ? { transaction: this.#transaction } : {};
  }

  async create(values: NewDocument): Promise<string> {
    const document = await this.#models.Document.create({ ...values }, this.#options);
    return `${document.get('id')}`;
  }

  async createMany(rows: readonly NewDocument[]): Promise<string[]> {
    const documents = await this.#models.Document.bulkCreate(
      rows.map((row) => ({ ...row })),
      this.#options,
    );
    return documents.map((document) => `${document.get('id')}`);
  }

  async update(id: string, values: DocumentValues): Promise<void> {
    await this.updateTwice(id, {}, values);
  }

  async updateTwice(id: string, first: DocumentValues, second: DocumentValues): Promise<void> {
    const document = await this.#load(id);
    document?.set({ ...first });
    document?.set({ ...second });
    await document?.save(this.#options);
  }

  async remove(id: string): Promise<void> {
    const document = await this.#load(id);
    await document?.destroy(this.#options);
  }

  async find(id: string): Promise<DocumentRow | undefined> {
    const document = await this.#load(id);
    return document ? { ...(document.get() as DocumentRow), id } : undefined;
  }

  async updateMany(ids: readonly string[], values: DocumentValues): Promise<void> {
    await this.#models.Document.update({ ...values }, { where: { id: [...ids] }, ...this.#options });
  }

  async removeMany(ids: readonly string[]): Promise<void> {
    await this.#models.Document.destroy({ where: { id: [...ids] }, ...this.#options });
  }

  async createFolder(documents: readonly NewDocument[]): Promise<string> {
    const { Folder, Document } = this.#models;
    const transaction = this.#transaction ?? null;
    const folder = await this.sequelize.transaction({ transaction }, (within) =>
      Folder.create({ name: 'folder', documents }, { include: Document, transaction: within }),
    );
    return `${folder.get('id')}`;
  }

  async removeFolder(id: string): Promise<void> {
    const folder = await this.#models.Folder.findByPk(id, this.#options);
    await folder?.destroy(this.#options);
  }

  nested<Result>(act: (operations: DocumentOperations) => Promise<Result>): Promise<Result> {
    const transaction = this.#transaction ?? null;
    return this.sequelize.transaction({ transaction }, (inner) =>
      act(new SequelizeOperations(this.sequelize, this.#models, inner)),
    );
  }

  #load(id: string): Promise<Model | null> {
    return this.#models.Document.findByPk(id, this.#options);
  }
}

interface Process {
  readonly attachments: ReturnType<typeof useAttachments>;
  kill(): Promise<void>;
}

/** A process that uses Sequelize. */
export class SequelizeHarness extends SequelizeOperations implements AttachmentHarness {
  readonly #process: Process;
  #closing: Promise<void> | undefined;

  constructor(sequelize: Sequelize, models: Models, process: Process) {
    super(sequelize, models);
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

  /** Sequelize cannot be closed twice. */
  async close(): Promise<void> {
    this.#closing ??= this.sequelize.close();
    await this.#closing;
  }
}

/** With transactions that write at once: SQLite refuses one that has read before somebody else has written. */
function connect({ options }: SequelizeTarget): Sequelize {
  return new Sequelize({ logging: false, transactionType: Transaction.TYPES.IMMEDIATE, ...options });
}

/** Statements of the journal are steps of their own. */
function watchSteps(sequelize: Sequelize, { step }: ProcessOptions): void {
  const query = sequelize.query;
  const watched = async (...parameters: Parameters<typeof query>) => {
    const [sql] = parameters;
    const text = (typeof sql === 'string' ? sql : sql.query).trim();
    if (/^(?:WITH|INSERT|UPDATE|DELETE)/.test(text)) await step('statement');
    if (/^COMMIT/.test(text)) await step('commit');
    return query.apply(sequelize, parameters);
  };
  sequelize.query = watched as typeof query;
}
