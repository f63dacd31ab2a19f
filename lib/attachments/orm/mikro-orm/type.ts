import { JsonType, type Platform, p, type TransformContext } from '@mikro-orm/core';
import { DepotError } from '../../../errors.js';
import { Attachment, type AttachmentData } from '../../attachment.js';
import { type AttachmentField, type AttachmentFieldOptions, attachmentField } from '../../field.js';

type FieldOptions = AttachmentFieldOptions | AttachmentField;

/** Makes an attachment of what a row holds. */
type Read = (value: unknown) => Attachment | null;

/** A statement is being written that nobody has looked at: its content would be nowhere. */
const UNSEEN =
  'Attachments are saved after useAttachments(orm, { depot }), by entity managers and not by query builders';

/** By what each ORM has one of. */
const READERS = new WeakMap<object, Read>();

/**
 * Entities are declared before there is a depot: `useAttachments` brings it.
 * @throws DepotError `INVALID_OPTION` the second time
 */
export function bindReader(platform: object, read: Read): void {
  if (READERS.has(platform))
    throw new DepotError('INVALID_OPTION', 'The attachments of this MikroORM are followed already');
  READERS.set(platform, read);
}

/**
 * A property that holds an attachment: JSON in the table.
 * ```ts
 * @Property({ type: new AttachmentType({ accept: ['image/*'] }), nullable: true })
 * photo?: Attachment;
 * ```
 */
export class AttachmentType extends JsonType {
  /** Whether it holds a list. */
  readonly isList: boolean = false;
  /** A function: MikroORM makes deep copies of types, which filters would not survive. */
  readonly toField: () => AttachmentField;

  /** @throws DepotError `INVALID_OPTION` */
  constructor(options?: FieldOptions) {
    super();
    const field = attachmentField(options);
    this.toField = () => field;
  }

  /** What is not saved yet stays as it is until it is stored. */
  override convertToDatabaseValue(
    value: unknown,
    platform: Platform,
    context?: TransformContext,
  ): string | null {
    if (value === null || value === undefined) return value as null;
    if (context?.mode === 'query') return super.convertToDatabaseValue(value, platform, context);
    const text = this.toText(context?.mode === 'hydration' ? this.convertToJSValue(value, platform) : value);
    if (typeof text !== 'string' && (context?.mode === 'query-data' || !READERS.has(platform)))
      throw new DepotError('ATTACHMENT_PENDING', UNSEEN);
    return text;
  }

  /** The JSON of what is stored; all else as it is, and in no case as a text, which only rows have. */
  toText(value: unknown): string {
    const data = storedData(value);
    return data ? JSON.stringify(data) : notYet(value);
  }

  override convertToJSValue(value: unknown, platform: Platform): unknown {
    return readValue(value, platform);
  }

  /** By its text: what is not saved yet is equal to nothing. */
  override compareAsType(): string {
    return 'string';
  }

  /** A copy: MikroORM writes into what it keeps in its result cache. */
  override toJSON(value: unknown): unknown {
    return value instanceof Attachment ? structuredClone(value.toJSON()) : null;
  }
}

/** A property that holds a list of attachments. */
export class AttachmentListType extends AttachmentType {
  override readonly isList: boolean = true;

  override toText(values: unknown): string {
    const data = Array.isArray(values) ? values.map(storedData) : [undefined];
    return data.includes(undefined) ? notYet(values) : JSON.stringify(data);
  }

  override convertToJSValue(value: unknown, platform: Platform): unknown {
    if (value === null || value === undefined) return value;
    const list: unknown = typeof value === 'string' ? JSON.parse(value) : value;
    return Array.isArray(list) ? list.map((one) => readValue(one, platform)) : list;
  }

  override toJSON(value: unknown): unknown {
    return Array.isArray(value) ? value.map((one) => super.toJSON(one)) : null;
  }
}

/**
 * A property for `defineEntity` that holds an attachment: `photo: attachment().nullable()`.
 * @throws DepotError `INVALID_OPTION`
 */
export function attachment(options?: FieldOptions) {
  return p.type(new AttachmentType(options)).$type<Attachment>();
}

/**
 * A property for `defineEntity` that holds a list of attachments.
 * @throws DepotError `INVALID_OPTION`
 */
export function attachmentList(options?: FieldOptions) {
  return p.type(new AttachmentListType(options)).$type<Attachment[]>();
}

function readValue(value: unknown, platform: Platform): Attachment | null {
  if (value instanceof Attachment) return value;
  const read = READERS.get(platform);
  if (read) return read(value);
  throw new DepotError('INVALID_OPTION', 'Attachments are read after useAttachments(orm, { depot })');
}

function storedData(value: unknown): AttachmentData | undefined {
  return value instanceof Attachment ? (value.toJSON() ?? undefined) : undefined;
}

/** MikroORM hands it on to the driver, where it is stored. A text becomes an object, which is refused there. */
function notYet(value: unknown): string {
  return Object(value);
}
