import { Column, type ColumnOptions, type EntitySchemaColumnOptions, type ValueTransformer } from 'typeorm';
import { DepotError } from '../../../errors.js';
import { Attachment } from '../../attachment.js';
import { type AttachmentField, type AttachmentFieldOptions, attachmentField } from '../../field.js';

/** What a column takes, and how it is made; `type` may be `jsonb` in PostgreSQL. */
export interface AttachmentColumnOptions extends AttachmentFieldOptions {
  /** Whether it holds a list of attachments. @default false */
  readonly list?: boolean | undefined;
  /** A field made before, e.g. by `uploadedImageWithThumb`, in place of the options of one. */
  readonly field?: AttachmentField | undefined;
  /** @default 'simple-json': a text, in every database */
  readonly type?: 'simple-json' | 'json' | 'jsonb' | undefined;
  /** Of the column, as in `Column`. @default { nullable: true } */
  readonly column?: Omit<ColumnOptions, 'type' | 'transformer'> | undefined;
}

/**
 * A column that holds an attachment, or with `list` a list of them.
 * ```ts
 * @AttachmentColumn({ accept: ['image/*'] })
 * photo!: Attachment | null;
 * ```
 * @throws DepotError `INVALID_OPTION`
 */
export function AttachmentColumn(options: AttachmentColumnOptions = {}): PropertyDecorator {
  return Column(attachmentColumn(options) as ColumnOptions);
}

/** The same for an `EntitySchema`: the options of a column. */
export function attachmentColumn(options: AttachmentColumnOptions = {}): EntitySchemaColumnOptions {
  const { type = 'simple-json', list = false, column, field: made, ...others } = options;
  const field = made ?? attachmentField(others);
  const transformer = new AttachmentTransformer(field, list);
  return { nullable: true, ...(column as EntitySchemaColumnOptions), type, transformer };
}

/** Marks a column, and reads and writes its values as soon as it belongs to a data source with attachments. */
export class AttachmentTransformer implements ValueTransformer {
  readonly field: AttachmentField;
  readonly isList: boolean;
  readonly #read: ((value: unknown) => Attachment | null) | undefined;

  constructor(field: AttachmentField, isList: boolean, read?: (value: unknown) => Attachment | null) {
    this.field = field;
    this.isList = isList;
    this.#read = read;
  }

  /** The same for one data source. */
  boundTo(read: (value: unknown) => Attachment | null): AttachmentTransformer {
    return new AttachmentTransformer(this.field, this.isList, read);
  }

  /** What is stored, as JSON; what is not stored yet stays as it is, so that it counts as a change. */
  to(value: unknown): unknown {
    if (!this.#read && value !== null && value !== undefined) throw notSetUp();
    if (Array.isArray(value)) return value.map((item) => this.to(item));
    return value instanceof Attachment && value.isStored ? value.toJSON() : value;
  }

  from(value: unknown): unknown {
    if (!this.#read) throw notSetUp();
    if (!this.isList) return this.#read(value);
    return listOf(value).map(this.#read);
  }
}

function listOf(value: unknown): readonly unknown[] {
  const list = typeof value === 'string' && value !== '' ? JSON.parse(value) : value;
  return Array.isArray(list) ? list : [];
}

function notSetUp(): DepotError {
  return new DepotError(
    'INVALID_OPTION',
    'This data source has no attachments: call useAttachments(dataSource, …) after it is initialized',
  );
}
