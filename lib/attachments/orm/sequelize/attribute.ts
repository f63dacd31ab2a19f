import { DataTypes, type Model, type ModelAttributeColumnOptions, type Sequelize } from 'sequelize';
import { DepotError } from '../../../errors.js';
import { Attachment } from '../../attachment.js';
import { type AttachmentField, type AttachmentFieldOptions, attachmentField } from '../../field.js';
import { declareColumn, Given, readData, storedPath, valuesOf } from './columns.js';

/** What a column is besides: `allowNull`, `field`, `comment`, …; `DataTypes.JSONB` as its type. */
export type AttachmentColumnOptions = Omit<
  Partial<ModelAttributeColumnOptions>,
  'get' | 'set' | 'defaultValue'
>;

type FieldOptions = AttachmentFieldOptions | AttachmentField;

/** Makes an attachment of what a row holds. */
type Read = (value: unknown) => Attachment | null;

/** What `get` and `toJSON` of a model say when they ask for a value. */
interface GetOptions {
  readonly plain?: boolean;
}

const READERS = new WeakMap<Sequelize, Read>();

/**
 * Models are declared before there is a depot: `useAttachments` brings it.
 * @throws DepotError `INVALID_OPTION` the second time
 */
export function bindReader(sequelize: Sequelize, read: Read): void {
  if (READERS.has(sequelize))
    throw new DepotError('INVALID_OPTION', 'The attachments of this Sequelize are followed already');
  READERS.set(sequelize, read);
}

/**
 * An attribute that holds an attachment: JSON in the table.
 * @throws DepotError `INVALID_OPTION`
 */
export function attachment(
  options?: FieldOptions,
  column: AttachmentColumnOptions = {},
): ModelAttributeColumnOptions {
  const accessors = {
    get(this: Model, name: string, { plain }: GetOptions = {}) {
      const value = this.getDataValue(name);
      return plain ? toPlain(value) : readData(value, readerOf(this));
    },
    set(this: Model, value: unknown, name: string) {
      const current = this.getDataValue(name);
      if (!isSame(value, current)) assign(this, name, toGiven(value));
    },
  };
  return declare(accessors, options, column, false);
}

/**
 * An attribute that holds a list of attachments, an empty one at first. What it gives is frozen: a list is changed by
 * another in its place.
 * @throws DepotError `INVALID_OPTION`
 */
export function attachmentList(
  options?: FieldOptions,
  column: AttachmentColumnOptions = {},
): ModelAttributeColumnOptions {
  const accessors = {
    get(this: Model, name: string, { plain }: GetOptions = {}) {
      const values = listOf(this.getDataValue(name));
      const toValue = plain ? toPlain : (value: unknown) => readData(value, readerOf(this));
      return Object.freeze(values.map(toValue));
    },
    set(this: Model, values: unknown, name: string) {
      const left = [...listOf(this.getDataValue(name))];
      const given = valuesOf(values).map((value) => takeSame(left, value) ?? toGiven(value));
      assign(this, name, given);
    },
  };
  return declare(accessors, options, column, true);
}

/** Sequelize hands names on to accessors, which its types do not tell. */
function declare(
  accessors: object,
  options: FieldOptions | undefined,
  column: AttachmentColumnOptions,
  isList: boolean,
): ModelAttributeColumnOptions {
  const attribute = { type: DataTypes.JSON, ...column, ...accessors };
  return declareColumn(attribute, { field: attachmentField(options), isList });
}

function assign(model: Model, name: string, value: unknown): void {
  (model as Model<Record<string, unknown>>).setDataValue<string>(name, value);
  model.changed(name as never, true);
}

/** Raw queries of SQLite give lists as texts. */
function listOf(values: unknown): readonly unknown[] {
  return valuesOf(typeof values === 'string' ? JSON.parse(values) : values);
}

function readerOf({ sequelize }: Model): Read {
  return (value) => {
    if (value === null || value === undefined) return null;
    const read = READERS.get(sequelize);
    if (read) return read(value);
    throw new DepotError('INVALID_OPTION', 'Attachments are read after useAttachments(sequelize, { depot })');
  };
}

/** What `toJSON` of a model shows: null for what is not saved yet. */
function toPlain(value: unknown): unknown {
  if (value instanceof Attachment) return value.toJSON();
  return value instanceof Given ? null : (value ?? null);
}

function toGiven(value: unknown): Given | null {
  return value === null || value === undefined ? null : new Given(value);
}

/** Whether this is what is there already: the very value, or the attachment or JSON that the model has given for it. */
function isSame(value: unknown, current: unknown): boolean {
  if (value === Given.unwrap(current)) return true;
  const path = storedPath(toPlain(value));
  return path !== undefined && path === storedPath(current);
}

/** What is there already, which only one value can be. */
function takeSame(left: unknown[], value: unknown): unknown {
  const index = left.findIndex((one) => isSame(value, one));
  return index < 0 ? undefined : left.splice(index, 1)[0];
}
