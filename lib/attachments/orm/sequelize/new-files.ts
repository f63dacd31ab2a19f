import { settleAll } from '../../../internal/parallel.js';
import type { Attachment, AttachmentInput } from '../../attachment.js';
import type { AttachmentField } from '../../field.js';
import { type AttachmentColumn, Given, storedPath, toData, valuesOf } from './columns.js';
import type { Values } from './internals.js';
import type { Work } from './transactions.js';

/** The files that one statement has brought. */
export class NewFiles {
  readonly #work: Work;
  readonly #stored: Attachment[] = [];
  readonly #kept: string[] = [];

  private constructor(work: Work) {
    this.#work = work;
  }

  /**
   * Runs a statement that brings files. If it fails they go: the application may catch the error and commit what else
   * there is.
   */
  static async of<Result>(work: Work, run: (files: NewFiles) => Promise<Result>): Promise<Result> {
    const files = new NewFiles(work);
    try {
      return await run(files);
    } catch (error) {
      if (work.isShared) await files.#giveUp();
      throw error;
    }
  }

  /** All that were stored. */
  get stored(): readonly Attachment[] {
    return this.#stored;
  }

  /** Paths of what is in the row already. */
  get kept(): readonly string[] {
    return this.#kept;
  }

  /**
   * Stores what the columns of a row were given, and gives their JSON.
   * @param options `keep` what the model has read from the row
   */
  async storeAll(
    columns: readonly AttachmentColumn[],
    values: Values,
    { keep = false } = {},
  ): Promise<Values> {
    const stored = columns.map(async ({ column, field, isList }) => {
      const data = await settleAll(valuesOf(values[column]).map((value) => this.#store(field, value, keep)));
      return [column, isList ? data : (data[0] ?? null)] as const;
    });
    return Object.fromEntries(await settleAll(stored));
  }

  async #store(field: AttachmentField, value: unknown, keep: boolean): Promise<unknown> {
    const path = keep ? storedPath(value) : undefined;
    if (path !== undefined) {
      this.#kept.push(path);
      return value;
    }
    const attachment = await this.#work.unit.store(field, Given.unwrap(value) as AttachmentInput);
    if (!attachment) return null;
    this.#stored.push(attachment);
    return toData(attachment);
  }

  /** Where the transaction is broken as well, its end will show what nobody kept. */
  async #giveUp(): Promise<void> {
    const { unit } = this.#work;
    unit.rolledBackInPart();
    await unit.remove(this.#stored).catch(() => {});
  }
}
