import type { ObjectId } from 'mongodb';
import { DepotError } from '../../errors.js';
import type { Bucket, Database } from './database.js';
import { settle } from './settlement.js';

/** After this time (milliseconds, of the server's clock) without a sign of life, an intent counts as abandoned. */
export const LEASE = 15 * 60 * 1000;

/** Milliseconds between signs of life. */
const HEARTBEAT = 60 * 1000;

/** Removals that wait for the server to be there again. What is beyond these waits for nobody. */
const MAX_WAITING = 1000;

/**
 * A durable note of what is being done to a file, written before the act and cleared after it: what a crash leaves
 * behind is found by it. A document of `<collection>.intents`.
 */
export interface IntentDocument extends Intent {
  readonly _id: ObjectId;
  /** The last sign of life of who has written it, by the server's clock. */
  readonly at: Date;
  /** Somebody settles it who found it abandoned; its writer has lost it. */
  readonly claimed?: boolean;
}

export interface Intent {
  readonly fileId: ObjectId;
  /** Contents that are being written or removed: each is the file's, or its chunks must go. Nothing for others' contents. */
  readonly contents: readonly (ObjectId | null)[];
  /** Nobody was told of the new file: should it turn up, late, it goes. */
  readonly isRetracted?: boolean;
}

/** The intents of this process, kept alive as long as it works on them; and the sweep of those that others abandoned. */
export class Intents {
  readonly #database: Database;
  readonly #mine = new Map<string, ObjectId>();
  /** Removals that failed, by the ids of their notes. */
  readonly #waiting = new Map<string, () => Promise<void>>();
  #isCatchingUp = false;
  #heartbeat: NodeJS.Timeout | undefined;
  #sweeping: NodeJS.Timeout | undefined;

  constructor(database: Database) {
    this.#database = database;
  }

  /** Notes down what will be done. */
  async begin(id: ObjectId, intent: Intent): Promise<void> {
    const { intents } = await this.#database.open();
    this.#keepAlive(id);
    const note = { $set: intent, $currentDate: { at: true } } as const;
    await intents.updateOne({ _id: id }, note, { upsert: true });
  }

  /**
   * Makes sure that the note still stands, whatever this process has slept through, and says more exactly what will be
   * done.
   * @throws DepotError `CONFLICT` if others took this process for dead
   */
  async confirm(id: ObjectId, intent: Intent): Promise<void> {
    const { intents } = await this.#database.open();
    const note = { $set: intent, $currentDate: { at: true } } as const;
    const { matchedCount } = await intents.updateOne({ _id: id, claimed: { $ne: true } }, note);
    if (matchedCount === 0) throw lost();
  }

  /** All is done. */
  async end(id: ObjectId): Promise<void> {
    const { intents } = await this.#database.open();
    await intents.deleteOne({ _id: id });
    this.abandon(id);
  }

  /** Leaves a note that could not be cleared to the sweep. */
  abandon(id: ObjectId): void {
    this.#waiting.delete(id.toHexString());
    this.#mine.delete(id.toHexString());
    if (this.#mine.size > 0) return;
    clearInterval(this.#heartbeat);
    this.#heartbeat = undefined;
  }

  /** Has a removal that failed, and that no note tells of, tried again until it works. */
  tryAgain(id: ObjectId, remove: () => Promise<void>): void {
    if (this.#waiting.size >= MAX_WAITING) {
      this.abandon(id);
      return;
    }
    this.#waiting.set(id.toHexString(), remove);
    this.#keepAlive(id);
  }

  /** Tries what waits, until something fails again; never fails itself. */
  async catchUp(): Promise<void> {
    if (this.#isCatchingUp) return;
    this.#isCatchingUp = true;
    let works = true;
    for (const [id, remove] of this.#waiting) {
      if (works) works = await this.#tryWaiting(id, remove);
    }
    this.#isCatchingUp = false;
  }

  /** What fails goes to the end, where it is in nobody's way. */
  async #tryWaiting(id: string, remove: () => Promise<void>): Promise<boolean> {
    this.#waiting.delete(id);
    try {
      await remove();
      return true;
    } catch {
      this.#waiting.set(id, remove);
      return false;
    }
  }

  /** Sweeps now, in the background, and from time to time. */
  startSweeping(): void {
    if (this.#sweeping) return;
    this.#sweeping = setInterval(() => this.#sweepQuietly(), LEASE).unref();
    this.#sweepQuietly();
  }

  stop(): void {
    clearInterval(this.#sweeping);
    clearInterval(this.#heartbeat);
  }

  /** Settles what others have left; several processes may sweep at once. What fails is left to a later sweep. */
  async sweep(): Promise<void> {
    const bucket = await this.#database.open();
    const isAbandoned = { $expr: { $lt: ['$at', { $subtract: ['$$NOW', LEASE] }] } };
    for await (const intent of bucket.intents.find(isAbandoned))
      await settleAbandoned(bucket, intent).catch(() => {});
  }

  #sweepQuietly(): void {
    this.sweep().catch(() => {});
  }

  #keepAlive(id: ObjectId): void {
    this.#mine.set(id.toHexString(), id);
    this.#heartbeat ??= setInterval(() => this.#beat(), HEARTBEAT).unref();
  }

  #beat(): void {
    void this.#renew();
    void this.catchUp();
  }

  async #renew(): Promise<void> {
    const renewed = { _id: { $in: [...this.#mine.values()] } };
    const renew = async () => {
      const { intents } = await this.#database.open();
      await intents.updateMany(renewed, { $currentDate: { at: true } });
    };
    // The next heartbeat comes long before the lease ends.
    await renew().catch(() => {});
  }
}

/** Claims it first: its writer, should it wake up, must see that it came too late. */
async function settleAbandoned(bucket: Bucket, { _id, at }: IntentDocument): Promise<void> {
  const claim = { $set: { claimed: true }, $currentDate: { at: true } } as const;
  const claimed = await bucket.intents.findOneAndUpdate({ _id, at }, claim);
  if (claimed && (await settle(bucket, claimed))) await bucket.intents.deleteOne({ _id });
}

export function lost(): DepotError {
  return new DepotError('CONFLICT', 'The upload took so long without a sign of life that it was removed');
}
