import { setMaxListeners } from 'node:events';
import { DepotError, isDepotError } from '../errors.js';
import { Batches } from '../internal/batches.js';
import { Attachment, type AttachmentInput, newPending, pendingContent } from './attachment.js';
import type { AttachmentField } from './field.js';
import { oneShotOf } from './incoming.js';
import type { Decisions, Intent, IntentJournal } from './journal/journal.js';
import { type IntentDesk, type Saved, Saving } from './saving.js';

/**
 * How a transaction has ended:
 * - `committed`: the database has said so,
 * - `rolledBack`: it has said so, or nothing was ever sent,
 * - `refused`: a statement without a transaction is over, and was refused as far as its error tells: the rows are asked,
 * - `unknown`: the connection was lost in the commit, or in a statement without a transaction.
 */
export type Outcome = 'committed' | 'rolledBack' | 'refused' | 'unknown';

/** What a unit of work needs of the attachments that it belongs to. */
export interface UnitDesk<Transaction> extends IntentDesk {
  readonly journal: IntentJournal<Transaction>;
  /** Whether a row refers to the file of that path. */
  readonly isReferenced: (path: string) => Promise<boolean>;
  prepare(): Promise<void>;
  /** Leaves intents to `recover`. */
  owe(intents: readonly Intent[], error: unknown): void;
  /** Does something that nobody waits for but `idle`. */
  inBackground(act: Promise<void>): void;
}

/** Attachments that a rollback has taken away, and what they were made of: they are stored again where they are saved again. */
const withdrawn = new WeakMap<Attachment, AttachmentInput>();

/** What can be used once only, and what it has become: who wants it too gets a copy. */
const used = new WeakMap<object, Promise<Attachment>>();

/**
 * The files of one transaction, or of one statement that is a transaction of its own. An adapter makes it when the first
 * attachment comes up, calls `store` and `remove` before the statements that write the rows, and `settle` after the
 * outermost end.
 *
 * Calls may be made side by side: the journal is written once for all that wait.
 */
export class UnitOfWork<Transaction> {
  readonly transaction: Transaction | undefined;
  readonly #desk: UnitDesk<Transaction>;
  readonly #records: Batches<Decisions>;
  readonly #ending = new AbortController();
  readonly #running = new Set<Promise<unknown>>();
  readonly #uploads: Intent[] = [];
  readonly #deletions: Intent[] = [];
  /** The deletions, by what was given to `store` and `remove`: a file may be replaced again after a statement has failed. */
  readonly #condemned = new WeakMap<Attachment, Intent>();
  /** What was saved, and what it was made of. */
  readonly #saved: [Saved, AttachmentInput][] = [];
  #isUndoneInPart = false;
  #settling: Promise<void> | undefined;

  constructor(desk: UnitDesk<Transaction>, transaction: Transaction | undefined) {
    this.#desk = desk;
    this.transaction = transaction;
    // As many as there are attachments: none of them is forgotten.
    setMaxListeners(0, this.#ending.signal);
    this.#records = new Batches((decisions) => this.#record(merged(decisions)));
  }

  /**
   * Stores what a field was given, and gives the value for the row: stored and frozen, or null.
   * - nothing: null, and the old one is removed at the commit
   * - the stored attachment that is there already (the same `path` as `old`): unchanged
   * - another stored attachment: its file is copied, and the field's filters run
   * - everything else: stored, and the field's filters run
   *
   * When it resolves, files are stored, and the transaction has on record that they are kept and that the old ones go.
   * @param old what the row holds until now
   * @throws DepotError `INVALID_CONTENT`, `FILE_TOO_LARGE`, `CONTENT_TYPE_NOT_ACCEPTED`, `CONTENT_TYPE_MISMATCH`,
   *   `ATTACHMENT_CONFLICT`, those of the storage and of the filters; nothing is stored then
   */
  async store(
    field: AttachmentField,
    value: AttachmentInput | null | undefined,
    old?: Attachment | null,
  ): Promise<Attachment | null> {
    const values = value === null || value === undefined ? [] : [value];
    const [attachment = null] = await this.storeList(field, values, old ? [old] : []);
    return attachment;
  }

  /**
   * The same for a list: files of attachments that are no more in it are removed at the commit.
   * @param old what the row holds until now, in any order
   */
  async storeList(
    field: AttachmentField,
    values: readonly AttachmentInput[],
    old: readonly Attachment[] = [],
  ): Promise<Attachment[]> {
    return this.#run(async () => {
      const left = new Map(old.map((attachment) => [attachment.path, attachment]));
      const kept = values.map((value) => takeFrom(left, value));
      const saving = values.map((value, index) => (kept[index] ? undefined : this.#save(field, value)));
      const saved = await allOrNothing(saving, this.#desk);
      await this.#decide(saved.filter(isPresent), [...left.values()]);
      return values.map((_value, index) => kept[index] ?? (saved[index] as Saved).attachment);
    });
  }

  /** Removes files at the commit, with the row or the value that they belonged to. */
  async remove(old: readonly (Attachment | null | undefined)[]): Promise<void> {
    await this.#run(() => this.#decide([], old.filter(isPresent)));
  }

  /**
   * The statement that these were stored or removed for has failed, and the transaction may go on: what was stored is not
   * kept, and what was to be removed stays. Never fails. Not needed where the transaction, or a savepoint around the
   * statement, is rolled back.
   * @param stored what `store` gave
   * @param old what was given to `store` and `remove` as old: these very objects
   */
  async takeBack(stored: readonly Attachment[], old: readonly Attachment[]): Promise<void> {
    this.rolledBackInPart();
    const saved = this.#saved.filter(([{ attachment }]) => stored.includes(attachment));
    const keep = saved.flatMap(([{ intents }]) => intents);
    const condemn = old.flatMap((attachment) => this.#condemned.get(attachment) ?? []);
    const { journal } = this.#desk;
    if (this.transaction === undefined || keep.length + condemn.length === 0) return;
    // A transaction that is broken will not be committed.
    await journal.retract?.({ keep, condemn }, this.transaction).catch(() => {});
  }

  /**
   * A savepoint was rolled back, or a statement has failed, after which some databases answer COMMIT with a rollback: part
   * of what was recorded may be undone. `settle` will ask the journal for what.
   */
  rolledBackInPart(): void {
    this.#isUndoneInPart = true;
  }

  /**
   * Ends what is under way, and lets nothing more begin. To be awaited before a commit that may come while something is
   * stored or removed: it would be put on record too late. Never fails.
   */
  async close(): Promise<void> {
    this.#ending.abort(new DepotError('CONFLICT', 'The transaction of these attachments has ended'));
    await Promise.allSettled(this.#running);
  }

  /**
   * Deletes the files that the end of the transaction has left without a row. Called once, after the outermost end;
   * later calls do nothing. When it resolves, they are gone. What cannot be deleted stays in the journal for `recover`,
   * and `onError` is told. Never fails.
   */
  settle(outcome: Outcome): Promise<void> {
    this.#settling ??= this.#settle(outcome);
    return this.#settling;
  }

  /** What is done after the end would belong to nothing. */
  async #run<Result>(act: () => Promise<Result>): Promise<Result> {
    this.#ending.signal.throwIfAborted();
    const running = this.#desk.prepare().then(act);
    this.#running.add(running);
    try {
      return await running;
    } finally {
      this.#running.delete(running);
    }
  }

  async #save(field: AttachmentField, given: AttachmentInput): Promise<Saved> {
    const value = (given instanceof Attachment && withdrawn.get(given)) || given;
    const once = oneShotOf(value);
    const earlier = once && used.get(once);
    const saved = await (earlier ? this.#saveCopy(field, value, earlier) : this.#saveNew(field, value, once));
    this.#saved.push([saved, value]);
    return saved;
  }

  /** @param once what of the value can be used once only */
  #saveNew(field: AttachmentField, value: AttachmentInput, once?: object): Promise<Saved> {
    const saving = new Saving(this.#desk, field, this.#ending.signal);
    const saved = saving.run(value);
    if (once) rememberUse(once, saving, saved);
    return saved;
  }

  async #saveCopy(
    field: AttachmentField,
    value: AttachmentInput,
    earlier: Promise<Attachment>,
  ): Promise<Saved> {
    const options = (value instanceof Attachment && pendingContent(value)?.options) || {};
    try {
      return await this.#saveNew(field, newPending({ content: await earlier, options }));
    } catch (cause) {
      if (!isDepotError(cause, 'FILE_NOT_FOUND')) throw cause;
      const message = 'The content can be used once only, and what was made of it is gone: attach it anew';
      throw new DepotError('INVALID_CONTENT', message, { cause });
    }
  }

  async #decide(saved: readonly Saved[], old: readonly Attachment[]): Promise<void> {
    const keep = saved.flatMap(({ intents }) => intents);
    const condemn = old.map((attachment) => this.#condemn(attachment));
    for (const intent of keep) this.#uploads.push(intent);
    for (const intent of condemn) this.#deletions.push(intent);
    if (keep.length + condemn.length === 0) return;
    try {
      await this.#records.add([{ keep, condemn }]);
    } catch (error) {
      // The transaction may be committed nevertheless, without that.
      this.rolledBackInPart();
      throw error;
    }
  }

  #condemn(attachment: Attachment): Intent {
    const intent = this.#desk.newIntent('delete', attachment.files);
    this.#condemned.set(attachment, intent);
    return intent;
  }

  /** Without a transaction, the rows will tell whether the statement was done, should nobody else be able to. */
  async #record(decisions: Decisions): Promise<void> {
    const { journal } = this.#desk;
    if (this.transaction !== undefined) await journal.record(decisions, this.transaction);
    else if (decisions.condemn.length > 0) await journal.announce(decisions.condemn);
  }

  async #settle(outcome: Outcome): Promise<void> {
    await this.close();
    const isInDoubt = outcome === 'unknown' && this.transaction === undefined;
    const settling = isInDoubt ? this.#leave() : this.#discharge(outcome);
    // The database may be long in telling, and there is nothing that the caller could do about it.
    if (outcome === 'unknown') this.#desk.inBackground(settling);
    else await settling;
  }

  /** The database may still be busy with the statement: what it has done is asked later, by `recover`. */
  async #leave(): Promise<void> {
    const all = [...this.#uploads, ...this.#deletions];
    if (all.length > 0)
      this.#desk.owe(all, new DepotError('CONFLICT', 'Nobody knows how a statement has ended'));
  }

  async #discharge(outcome: Outcome): Promise<void> {
    const all = [...this.#uploads, ...this.#deletions];
    try {
      const owed = new Set(await this.#owed(outcome));
      this.#desk.forget(all.filter((intent) => !owed.has(intent)));
      this.#withdraw(owed);
      await this.#desk.discharge([...owed]);
    } catch (error) {
      this.#desk.owe(all, error);
    }
  }

  /** The journal is asked where the outcome alone does not tell: savepoints may have been rolled back unseen. */
  async #owed(outcome: Outcome): Promise<readonly Intent[]> {
    const all = [...this.#uploads, ...this.#deletions];
    if (outcome === 'rolledBack') return this.#uploads;
    if (outcome === 'refused') return this.#withoutRow();
    if (this.transaction === undefined) return this.#deletions;
    const asked = outcome === 'committed' && !this.#isUndoneInPart ? this.#deletions : all;
    return asked.length === 0 ? [] : this.#desk.journal.standing(asked);
  }

  async #withoutRow(): Promise<readonly Intent[]> {
    const owed: Intent[] = [];
    for (const intent of this.#uploads) {
      const [path = ''] = intent.paths;
      if (!(await this.#desk.isReferenced(path))) owed.push(intent);
    }
    return owed;
  }

  #withdraw(owed: ReadonlySet<Intent>): void {
    for (const [{ attachment, intents }, value] of this.#saved)
      if (intents.some((intent) => owed.has(intent))) withdrawn.set(attachment, value);
  }
}

/** The attachment that a value is already, taken out of those that are there. */
function takeFrom(there: Map<string, Attachment>, value: AttachmentInput): Attachment | undefined {
  if (!(value instanceof Attachment) || !value.isStored || withdrawn.has(value)) return undefined;
  const attachment = there.get(value.path);
  there.delete(value.path);
  return attachment;
}

/** Waits for all; where one fails, the others are undone. */
async function allOrNothing(
  saving: readonly (Promise<Saved> | undefined)[],
  desk: IntentDesk,
): Promise<(Saved | undefined)[]> {
  const outcomes = await Promise.allSettled(saving);
  const failure = outcomes.find((outcome) => outcome.status === 'rejected');
  const saved = outcomes.map((outcome) => (outcome.status === 'fulfilled' ? outcome.value : undefined));
  if (!failure) return saved;
  await desk.discharge(saved.filter(isPresent).flatMap(({ intents }) => intents));
  throw failure.reason;
}

/** An upload that was left as it was is not used. */
function rememberUse(once: object, saving: Saving, saved: Promise<Saved>): void {
  const attachment = saved.then((one) => one.attachment);
  attachment.catch(() => {
    if (saving.leavesUpload) used.delete(once);
  });
  used.set(once, attachment);
}

function merged(decisions: readonly Decisions[]): Decisions {
  return {
    keep: decisions.flatMap(({ keep }) => keep),
    condemn: decisions.flatMap(({ condemn }) => condemn),
  };
}

function isPresent<Value>(value: Value | null | undefined): value is Value {
  return value !== null && value !== undefined;
}
