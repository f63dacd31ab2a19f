import { randomUUID } from 'node:crypto';
import mongoose, { type ClientSession, type Connection, Schema } from 'mongoose';
import type { Intent } from '../../../lib/attachments/journal/journal.js';
import {
  MongoJournal,
  type MongooseAttachments,
  useAttachments,
} from '../../../lib/attachments/orm/mongoose.js';
import type {
  AttachmentHarness,
  DocumentFields,
  DocumentOperations,
  DocumentRow,
  DocumentValues,
  HarnessDatabase,
  ProcessOptions,
} from '../../../lib/testing/attachments/harness.js';
import type { MongoServer } from '../servers/index.js';

/** A database of its own on the server, with the conformance suite's model. */
export async function openMongooseDatabase(server: MongoServer): Promise<HarnessDatabase> {
  const dbName = `attachments-${randomUUID()}`;
  const connect = () => mongoose.createConnection(server.url, { dbName }).asPromise();
  const outside = await connect();
  return {
    open: async (options) => MongooseProcess.open(await connect(), options),
    async stored() {
      const rows = await outside.collection('documents').find().toArray();
      return rows.flatMap(({ content, photo, pages }) => [content, photo, pages]);
    },
    async intents() {
      const intents: Intent[] = [];
      for await (const intent of new MongoJournal(outside).entries()) intents.push(intent);
      return intents;
    },
    async close() {
      await outside.dropDatabase();
      await outside.close();
    },
  };
}

function documentModel(
  connection: Connection,
  attachment: MongooseAttachments['attachment'],
  fields: DocumentFields,
) {
  const schema = Schema.create({
    name: { type: String, required: true, unique: true },
    content: attachment(fields.content),
    photo: attachment(fields.photo),
    pages: [attachment(fields.pages)],
  });
  return connection.model('Document', schema);
}

type DocumentModel = ReturnType<typeof documentModel>;

class Operations implements DocumentOperations {
  readonly #model: DocumentModel;
  readonly #session: ClientSession | null;

  constructor(model: DocumentModel, session: ClientSession | null = null) {
    this.#model = model;
    this.#session = session;
  }

  async create(values: DocumentValues & { readonly name: string }): Promise<string> {
    const [document] = await this.#model.create([rowOf(values)], this.#options).catch(tellReason);
    return String(document?.id);
  }

  async createMany(rows: readonly (DocumentValues & { readonly name: string })[]): Promise<string[]> {
    const documents = await this.#model.insertMany(rows.map(rowOf), this.#options).catch(tellReason);
    return documents.map(({ id }) => String(id));
  }

  async update(id: string, values: DocumentValues): Promise<void> {
    await (await this.#load(id)).set(values).save().catch(tellReason);
  }

  async updateTwice(id: string, first: DocumentValues, second: DocumentValues): Promise<void> {
    await (await this.#load(id)).set(first).set(second).save().catch(tellReason);
  }

  async remove(id: string): Promise<void> {
    await (await this.#load(id)).deleteOne();
  }

  async find(id: string): Promise<DocumentRow | undefined> {
    const document = await this.#model.findById(id).session(this.#session);
    if (!document) return undefined;
    const { name, content = null, photo = null, pages } = document;
    return { id, name, content, photo, pages: [...pages] };
  }

  async updateMany(ids: readonly string[], values: DocumentValues): Promise<void> {
    await this.#model.updateMany({ _id: { $in: ids } }, { $set: rowOf(values) }, this.#options);
  }

  async removeMany(ids: readonly string[]): Promise<void> {
    await this.#model.deleteMany({ _id: { $in: ids } }, this.#options);
  }

  get #options() {
    return this.#session ? { session: this.#session } : {};
  }

  #load(id: string) {
    return this.#model.findById(id).session(this.#session).orFail();
  }
}

interface MongooseFailure {
  readonly errors?: Readonly<Record<string, MongooseFailure>>;
  readonly reason?: MongooseFailure;
}

/** mongoose has the error of a cast deep within the one of the validation. */
function tellReason(error: MongooseFailure): never {
  let reason: MongooseFailure | undefined = Object.values(error.errors ?? {})[0];
  while (reason?.reason) reason = reason.reason;
  throw reason ? new Error('The document is not valid', { cause: reason }) : error;
}

/** The types of mongoose know no raw content, which its cast takes. */
function rowOf(values: DocumentValues): object {
  return { ...values };
}

class MongooseProcess extends Operations implements AttachmentHarness {
  readonly #connection: Connection;
  readonly #model: DocumentModel;
  readonly #attachments: MongooseAttachments;
  readonly #sessions: ReadonlySet<ClientSession>;

  static async open(connection: Connection, options: ProcessOptions): Promise<MongooseProcess> {
    const { depot, owner, fields, onError, watch, step } = options;
    const journal = watch(new MongoJournal(connection));
    const attachments = useAttachments(connection, { depot, owner, onError, journal });
    const model = documentModel(connection, attachments.attachment, fields);
    await model.init();
    stepBeforeWrites(model, step);
    const sessions = stepBeforeCommits(connection, step);
    return new MongooseProcess(connection, model, attachments, sessions);
  }

  private constructor(
    connection: Connection,
    model: DocumentModel,
    attachments: MongooseAttachments,
    sessions: ReadonlySet<ClientSession>,
  ) {
    super(model);
    this.#sessions = sessions;
    this.#connection = connection;
    this.#model = model;
    this.#attachments = attachments;
  }

  async transaction<Result>(act: (operations: DocumentOperations) => Promise<Result>): Promise<Result> {
    return this.#connection.transaction((session) => act(new Operations(this.#model, session)));
  }

  async recover(): Promise<void> {
    await this.#attachments.recover();
  }

  idle(): Promise<void> {
    return this.#attachments.idle();
  }

  /** The driver says goodbye to the server; the adapter, whose process is dead, must not hear of it. */
  async kill(): Promise<void> {
    for (const session of this.#sessions) {
      Reflect.deleteProperty(session, 'commitTransaction');
      Reflect.deleteProperty(session, 'abortTransaction');
    }
    await this.#connection.close(true);
  }

  async close(): Promise<void> {
    await this.#attachments.close();
    await this.#connection.close();
  }
}

type Step = ProcessOptions['step'];
type Method = (...given: unknown[]) => Promise<unknown>;

/** In the driver's own collection: below the adapter. */
function stepBeforeWrites(model: DocumentModel, step: Step): void {
  const driver = (model.collection as unknown as { collection: Record<string, Method> }).collection;
  for (const name of ['insertOne', 'insertMany', 'updateOne', 'updateMany', 'deleteOne', 'deleteMany']) {
    const original = driver[name]?.bind(driver);
    driver[name] = async (...given) => {
      await step('statement');
      return original?.(...given);
    };
  }
}

/** Gives the sessions, as they come. */
function stepBeforeCommits(connection: Connection, step: Step): ReadonlySet<ClientSession> {
  const sessions = new Set<ClientSession>();
  const client = connection.getClient();
  const startSession = client.startSession.bind(client);
  client.startSession = (options) => {
    const session = startSession(options);
    sessions.add(session);
    const commit = session.commitTransaction.bind(session);
    session.commitTransaction = async (given) => {
      await step('commit');
      await commit(given);
    };
    return session;
  };
  return sessions;
}
