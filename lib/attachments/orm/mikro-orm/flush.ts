import {
  type ChangeSet,
  ChangeSetType,
  type EventManager,
  EventType,
  type FlushEventArgs,
  type MikroORM,
} from '@mikro-orm/core';
import { Attachment } from '../../attachment.js';
import {
  type AttachmentProperty,
  assignAt,
  attachmentProperties,
  type Context,
  type Values,
  valueAt,
} from './internals.js';
import type { TransactionFiles, Transactions } from './transactions.js';

type AnyChangeSet = ChangeSet<object>;

/** What a property is to hold, from when it is found in a flush until the row is written. */
export class Upload {
  readonly #change: AnyChangeSet;
  readonly #property: AttachmentProperty;
  /** Paths of what the row holds, as the entity has read it. */
  readonly #left: Set<string>;
  #stored: Promise<readonly Attachment[]> | undefined;
  #new: Attachment[] = [];

  constructor(change: AnyChangeSet, property: AttachmentProperty) {
    this.#change = change;
    this.#property = property;
    const original = (change.originalEntity as Values | undefined)?.[property.name];
    this.#left = new Set(change.type === ChangeSetType.CREATE ? [] : pathsIn(original));
  }

  /** Stores what is not there already; done once. */
  start(files: TransactionFiles): Promise<readonly Attachment[]> {
    this.#stored ??= settleAll(this.#values().map((value) => this.#store(files, value)));
    this.#stored.catch(() => {});
    return this.#stored;
  }

  /** Those that were stored. */
  get stored(): readonly Attachment[] {
    return this.#new;
  }

  /** Gives the entity what its row has now. */
  async assign(): Promise<void> {
    const stored = (await this.#stored) ?? [];
    const { path, type } = this.#property;
    assignAt(this.#change.entity, path, type.isList ? [...stored] : (stored[0] ?? null));
  }

  #values(): readonly unknown[] {
    const value = valueAt(this.#change.entity, this.#property.path);
    return this.#property.type.isList && Array.isArray(value) ? value : [value];
  }

  async #store(files: TransactionFiles, value: unknown): Promise<Attachment> {
    if (value instanceof Attachment && value.isStored && this.#left.delete(value.path)) return value;
    const attachment = (await files.store(this.#property.type.toField(), value)) as Attachment;
    this.#new.push(attachment);
    return attachment;
  }
}

/** Changes by what is written of them. */
const CHANGES = new WeakMap<Values, AnyChangeSet>();

/** The upload of what a hook has set while the flush was under way; nothing where no flush is. */
export function lateUpload(row: Values, property: AttachmentProperty): Upload | undefined {
  const change = CHANGES.get(row);
  return change && new Upload(change, property);
}

/** Stores the attachments of a flush before its transaction begins: uploads take their time. */
export class Flushes {
  readonly #orm: MikroORM;
  readonly #transactions: Transactions;

  constructor(orm: MikroORM, transactions: Transactions) {
    this.#orm = orm;
    this.#transactions = transactions;
  }

  /** Comes after all subscribers, who may change what is flushed, or refuse it. */
  observe(events: EventManager = this.#orm.em.getEventManager()): EventManager {
    const { dispatchEvent, clone } = events;
    events.dispatchEvent = (event: EventType, args: never, meta?: never) => {
      const dispatched: Promise<unknown> = dispatchEvent.call(events, event as never, args, meta);
      return event === EventType.onFlush ? dispatched.then(() => this.#store(args)) : dispatched;
    };
    events.clone = () => this.observe(clone.call(events));
    return events;
  }

  async #store({ em, uow }: FlushEventArgs): Promise<void> {
    const uploads = uow.getChangeSets().flatMap((change) => uploadsOf(change as AnyChangeSet));
    if (uploads.length === 0) return;
    const ctx = em.getTransactionContext<Context>();
    if (ctx) {
      const files = this.#transactions.filesOf(ctx);
      await settleAll(uploads.map((upload) => upload.start(files)));
    } else if (beginsTransactions(this.#orm)) {
      await begin(uploads, await this.#transactions.filesOfFlush(em));
    }
  }
}

/** Whether a flush begins a transaction. */
function beginsTransactions({ config, driver }: MikroORM): boolean {
  return Boolean(config.get('implicitTransactions')) && driver.getPlatform().supportsTransactions();
}

/** Resolves when the transaction is wanted. What is still under way then goes on in it. */
async function begin(uploads: readonly Upload[], files: TransactionFiles): Promise<void> {
  const all = settleAll(uploads.map((upload) => upload.start(files)));
  try {
    await Promise.race([files.asked, all]);
  } catch (error) {
    await files.settle('rolledBack');
    throw error;
  }
}

/** Puts uploads in the place of what is not stored for its row yet. */
function uploadsOf(change: AnyChangeSet): Upload[] {
  const isWritten = change.type !== ChangeSetType.DELETE && change.type !== ChangeSetType.DELETE_EARLY;
  if (!isWritten) return [];
  const payload = change.payload as Values;
  CHANGES.set(payload, change);
  return attachmentProperties(change.meta).flatMap((property) => {
    if (payload[property.name] === undefined || payload[property.name] === null) return [];
    const upload = new Upload(change, property);
    payload[property.name] = upload;
    return [upload];
  });
}

function pathsIn(text: unknown): string[] {
  if (typeof text !== 'string') return [];
  const data: unknown = JSON.parse(text);
  return (Array.isArray(data) ? data : [data]).map(({ path }) => path);
}

/** Waits for all, also where one has failed: nothing of it is under way any more when the error arrives. */
export async function settleAll<Value>(promises: readonly Promise<Value>[]): Promise<Value[]> {
  await Promise.allSettled(promises);
  return Promise.all(promises);
}
