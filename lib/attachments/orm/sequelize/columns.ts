import type { Model, ModelAttributeColumnOptions, ModelStatic } from 'sequelize';
import { DepotError } from '../../../errors.js';
import type { Attachment, AttachmentData } from '../../attachment.js';
import type { AttachmentField } from '../../field.js';

/** A column for one attachment, or for a list of them. */
export interface AttachmentColumn {
  /** Name of the attribute. */
  readonly attribute: string;
  /** Name of the column in the table. */
  readonly column: string;
  readonly field: AttachmentField;
  readonly isList: boolean;
}

type Declaration = Pick<AttachmentColumn, 'field' | 'isList'>;

/** Declarations by the getters of their attributes: the only part of an attribute that Sequelize does not copy. */
const DECLARATIONS = new WeakMap<object, Declaration>();

const COLUMNS = new WeakMap<ModelStatic<Model>, readonly AttachmentColumn[]>();

const NONE: readonly AttachmentColumn[] = [];

/** What the JSON of a model is read as: asked twice, an attribute gives the same. */
const ATTACHMENTS = new WeakMap<object, Attachment>();

/** Makes an attribute one for attachments. */
export function declareColumn(
  attribute: ModelAttributeColumnOptions,
  declaration: Declaration,
): ModelAttributeColumnOptions {
  if (attribute.get) DECLARATIONS.set(attribute.get, declaration);
  return attribute;
}

/** The columns of a model that hold attachments. */
export function attachmentColumns(model: ModelStatic<Model> | undefined): readonly AttachmentColumn[] {
  if (!model) return NONE;
  const columns = COLUMNS.get(model) ?? findColumns(model);
  COLUMNS.set(model, columns);
  return columns;
}

function findColumns(model: ModelStatic<Model>): AttachmentColumn[] {
  return Object.entries(model.getAttributes()).flatMap(([attribute, { get, field }]) => {
    const declaration = get && DECLARATIONS.get(get);
    return declaration ? [{ ...declaration, attribute, column: field ?? attribute }] : [];
  });
}

/** What an attribute was given and is not saved yet. Kept apart from JSON that was read, since the two look alike. */
export class Given {
  readonly #value: unknown;

  constructor(value: unknown) {
    this.#value = value;
  }

  /** The value itself, if it is wrapped. */
  static unwrap(value: unknown): unknown {
    return value instanceof Given ? value.#value : value;
  }

  /**
   * A statement is being written that nobody has looked at: its content would be nowhere.
   * @throws DepotError `ATTACHMENT_PENDING`
   */
  toJSON(): never {
    throw new DepotError(
      'ATTACHMENT_PENDING',
      'Attachments are saved after useAttachments(sequelize, { depot })',
    );
  }
}

/** The values of a column, one or several. */
export function valuesOf(data: unknown): readonly unknown[] {
  if (data === null || data === undefined) return [];
  return Array.isArray(data) ? data : [data];
}

/** The JSON of an attachment, which is read as that attachment from now on. */
export function toData(attachment: Attachment): AttachmentData {
  ATTACHMENTS.set(attachment.data, attachment);
  return attachment.data;
}

/** What is not saved yet is given back as it came. */
export function readData(value: unknown, read: (value: unknown) => Attachment | null): unknown {
  if (value instanceof Given) return Given.unwrap(value);
  if (typeof value !== 'object' || value === null) return read(value);
  const attachment = ATTACHMENTS.get(value) ?? read(value);
  if (attachment) ATTACHMENTS.set(value, attachment);
  return attachment;
}

/** The path of a stored attachment, or of its JSON. */
export function storedPath(value: unknown): string | undefined {
  if (typeof value !== 'object' || value === null || value instanceof Given) return undefined;
  const { path, depot } = value as Partial<AttachmentData>;
  return typeof path === 'string' && typeof depot === 'string' ? path : undefined;
}
