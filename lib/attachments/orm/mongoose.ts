import type { Connection, SchemaType } from 'mongoose';
import type { Attachment } from '../attachment.js';
import { type AttachmentOptions, Attachments, type Recovery } from '../attachments.js';
import { type AttachmentField, type AttachmentFieldOptions, attachmentField } from '../field.js';
import type { IntentJournal } from '../journal/journal.js';
import { Collections } from './mongoose/collections.js';
import { MongoJournal } from './mongoose/journal.js';
import { Notes } from './mongoose/notes.js';
import { References } from './mongoose/references.js';
import { attachmentType, type PathSettings } from './mongoose/schema-type.js';
import { Sessions } from './mongoose/sessions.js';
import type { MongoTransaction } from './mongoose/transaction.js';

export { MongoJournal } from './mongoose/journal.js';
export type { MongoTransaction } from './mongoose/transaction.js';

/** As it is called where nothing else is said. */
const DEFAULT_COLLECTION = 'depot_intents';

export interface MongooseAttachmentOptions extends AttachmentOptions {
  /** Name of the collection, in the connection's database, for the journal. @default 'depot_intents' */
  readonly collection?: string | undefined;
  /** A journal in place of our own, for tests. @default a `MongoJournal` in that collection */
  readonly journal?: IntentJournal<MongoTransaction> | undefined;
}

/** A path of a schema that holds an attachment. */
export interface AttachmentPath {
  readonly type: typeof SchemaType;
  readonly attachment: PathSettings;
  /** For types only, as are the others that begin so: mongoose infers from it what documents have. */
  readonly __typehint: Attachment;
  readonly __hydratedDocTypeHint: Attachment;
  /** New rows take all that can be stored; `lean()` gives what `read` takes. */
  readonly __rawDocTypeHint: unknown;
}

/** The attachments of one connection. */
export interface MongooseAttachments {
  /**
   * A path of a schema that holds an attachment; with more options of mongoose's, spread it:
   * `{ ...attachment({ storage: 'photos' }), required: true }`.
   * @throws DepotError `INVALID_OPTION`
   */
  attachment(options?: AttachmentFieldOptions | AttachmentField): AttachmentPath;
  /**
   * What `lean()`, an aggregation or the driver gives, as an attachment.
   * @throws DepotError `INVALID_ATTACHMENT`
   */
  read(value: unknown): Attachment | null;
  /**
   * Settles what processes that are no more have left, and tries again what could not be settled before. To be called at
   * the start of the application, and from time to time.
   */
  recover(): Promise<Recovery>;
  /** Resolves when nothing is done in the background any more. */
  idle(): Promise<void>;
  /** Waits for what is done in the background. To be called before the connection is closed. */
  close(): Promise<void>;
}

/**
 * Attachments for the models of a connection. Files follow what models and documents write: each statement, or the
 * transaction that it is in.
 * ```ts
 * const { attachment } = useAttachments(mongoose.connection, { depot });
 * const Product = mongoose.model('Product', new Schema({ name: String, photo: attachment({ storage: 'photos' }) }));
 * const product = await Product.create({ name: 'Lamp', photo: attach(req.file) });
 * product.photo?.url();
 * ```
 * @param connection of whose models the schemas will be; of another connection's, attachments cannot be saved
 */
export function useAttachments(
  connection: Connection,
  options: MongooseAttachmentOptions,
): MongooseAttachments {
  const {
    collection = DEFAULT_COLLECTION,
    journal = new MongoJournal(connection, collection),
    ...others
  } = options;
  const references = new References(connection, new Notes(connection, collection));
  const isReferenced = (path: string) => references.isReferenced(path);
  const attachments = new Attachments<MongoTransaction>({ ...others, journal, isReferenced });
  const sessions = new Sessions((transaction) => attachments.begin(transaction));
  const read = (value: unknown) => attachments.read(value);
  new Collections({ connection, attachments, sessions, references }).watch(connection);
  return {
    attachment: (fieldOptions) => ({
      type: attachmentType(connection.base),
      attachment: { field: attachmentField(fieldOptions), read },
      ...HINTS,
    }),
    read,
    recover: () => attachments.recover(),
    idle: () => attachments.idle(),
    close: () => attachments.close(),
  };
}

/** There is nothing of them but their types. */
const HINTS = {} as Pick<AttachmentPath, '__typehint' | '__hydratedDocTypeHint' | '__rawDocTypeHint'>;
