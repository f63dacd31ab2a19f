import { DepotError } from '../../errors.js';
import type { Attachment, AttachmentInput } from '../attachment.js';
import type { AttachmentField } from '../field.js';
import type { UnitOfWork } from '../unit-of-work.js';

/** The files that one statement has brought. */
export class NewFiles<Transaction> {
  readonly #unit: UnitOfWork<Transaction>;
  readonly #stored: Attachment[] = [];

  private constructor(unit: UnitOfWork<Transaction>) {
    this.#unit = unit;
  }

  /**
   * Runs a statement that brings files. If it fails they go: the application may catch the error, and commit what else
   * there is.
   */
  static async of<Transaction, Result>(
    unit: UnitOfWork<Transaction>,
    run: (files: NewFiles<Transaction>) => Promise<Result>,
  ): Promise<Result> {
    const files = new NewFiles(unit);
    try {
      return await run(files);
    } catch (error) {
      await unit.takeBack(files.stored, []);
      throw error;
    }
  }

  /** All that were stored. */
  get stored(): readonly Attachment[] {
    return this.#stored;
  }

  /** Stores what a field was given. @throws what `UnitOfWork.store` throws */
  async store(field: AttachmentField, value: unknown): Promise<Attachment> {
    const attachment = await this.#unit.store(field, value as AttachmentInput);
    if (!attachment) throw new DepotError('INVALID_CONTENT', 'There is nothing to store');
    this.#stored.push(attachment);
    return attachment;
  }
}
