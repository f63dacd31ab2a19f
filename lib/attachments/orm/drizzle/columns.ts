import type { Column } from 'drizzle-orm';
import { PgCustomColumn, PgCustomColumnBuilder, type PgTable } from 'drizzle-orm/pg-core';
import { SQLiteCustomColumn, SQLiteCustomColumnBuilder, type SQLiteTable } from 'drizzle-orm/sqlite-core';
import { DepotError } from '../../../errors.js';
import { Attachment } from '../../attachment.js';
import { type AttachmentField, type AttachmentFieldOptions, attachmentField } from '../../field.js';

/** Makes an attachment of what a row holds. */
export type Read = (value: unknown) => Attachment | null;

/** What a column for attachments holds: one or nothing, or a list. */
export type ColumnValue = Attachment | readonly Attachment[] | null;

/** What a column for attachments does with values, in every dialect. */
export class AttachmentColumn {
  readonly name: string;
  readonly field: AttachmentField;
  readonly #isList: boolean;
  #read: Read | undefined;

  constructor(
    name: string,
    options: AttachmentFieldOptions | AttachmentField | undefined,
    { isList = false } = {},
  ) {
    this.name = name;
    this.field = attachmentField(options);
    this.#isList = isList;
  }

  /** Tables are declared before there is a depot: `withAttachments` brings it. */
  bind(read: Read): void {
    this.#read = read;
  }

  /** The attachments in a value; all that was given, if it is new. */
  items<Item>(value: Item | readonly Item[] | null | undefined): Item[] {
    return value === null || value === undefined ? [] : ([value].flat() as Item[]);
  }

  /** A value of these attachments. */
  value(items: readonly Attachment[]): ColumnValue {
    return this.#isList ? items : (items[0] ?? null);
  }

  /** Rows that hold nothing do not come here: Drizzle gives null by itself. */
  readonly fromDriver = (value: unknown): Attachment | Attachment[] => {
    const read = this.#read;
    if (!read) throw new DepotError('INVALID_OPTION', `withAttachments does not know column "${this.name}"`);
    if (!this.#isList) return read(value) as Attachment;
    const items: unknown[] = typeof value === 'string' ? JSON.parse(value) : value;
    return items.map((item) => read(item) as Attachment);
  };

  /** A statement that went past `withAttachments` is refused here: the content would be nowhere. */
  readonly toDriver = (value: unknown): string => {
    const isStored = (item: unknown) => item instanceof Attachment && item.isStored;
    if (this.items(value).every(isStored)) return JSON.stringify(value);
    const message = `Column "${this.name}" takes attachments, and only from a database of withAttachments`;
    throw new DepotError('ATTACHMENT_PENDING', message);
  };
}

const COLUMNS = new WeakMap<Column, AttachmentColumn>();

/** What makes a column one for attachments; nothing for other columns. */
export function attachmentColumnOf(column: Column): AttachmentColumn | undefined {
  return COLUMNS.get(column);
}

/** What Drizzle's types know of the column. */
export interface ColumnTypes<Name extends string, Kind extends string, Data = Attachment> {
  name: Name;
  dataType: 'custom';
  columnType: Kind;
  data: Data;
  driverParam: unknown;
  enumValues: undefined;
}

/** A column of PostgreSQL for an attachment, before it has a table. */
export class PgAttachmentBuilder<Name extends string, Data> extends PgCustomColumnBuilder<
  ColumnTypes<Name, 'PgCustomColumn', Data>
> {
  readonly #attachment: AttachmentColumn;

  constructor(name: Name, attachment: AttachmentColumn) {
    const { fromDriver, toDriver } = attachment;
    super(name, undefined, { dataType: () => 'jsonb', fromDriver, toDriver });
    this.#attachment = attachment;
  }

  /** Called by `pgTable`. */
  build(table: PgTable): PgCustomColumn<never> {
    const column = new PgCustomColumn(table, this.config as never);
    COLUMNS.set(column, this.#attachment);
    return column as PgCustomColumn<never>;
  }
}

/** A column of SQLite for an attachment, before it has a table. */
export class SQLiteAttachmentBuilder<Name extends string, Data> extends SQLiteCustomColumnBuilder<
  ColumnTypes<Name, 'SQLiteCustomColumn', Data>
> {
  readonly #attachment: AttachmentColumn;

  constructor(name: Name, attachment: AttachmentColumn) {
    const { fromDriver, toDriver } = attachment;
    super(name, undefined, { dataType: () => 'text', fromDriver, toDriver });
    this.#attachment = attachment;
  }

  /** Called by `sqliteTable`. */
  build(table: SQLiteTable): SQLiteCustomColumn<never> {
    const column = new SQLiteCustomColumn(table, this.config as never);
    COLUMNS.set(column, this.#attachment);
    return column as SQLiteCustomColumn<never>;
  }
}
