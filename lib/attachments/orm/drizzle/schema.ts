import { type Column, getTableColumns, getTableName, is, Table } from 'drizzle-orm';
import { PgTable, getTableConfig as pgTableConfig } from 'drizzle-orm/pg-core';
import { SQLiteTable, getTableConfig as sqliteTableConfig } from 'drizzle-orm/sqlite-core';
import { DepotError } from '../../../errors.js';
import { type AttachmentColumn, attachmentColumnOf, type Read } from './columns.js';

/** Rows of one table that go when rows of another go. */
export interface Cascade {
  readonly child: TableShape;
  /** Keys of the columns that refer to the parent, and of those that they refer to. */
  readonly references: readonly { readonly childKey: string; readonly parentKey: string }[];
}

/** What is to be known of a table. Columns are named by their keys in the schema. */
export interface TableShape {
  readonly table: Table;
  readonly columns: Readonly<Record<string, Column>>;
  readonly attachments: ReadonlyMap<string, AttachmentColumn>;
  /** The columns of the primary key. */
  readonly primaryKey: readonly string[];
  /** Rows of other tables that the database deletes with rows of this one. */
  readonly cascades: readonly Cascade[];
}

interface ForeignKey {
  readonly onDelete: string | undefined;
  readonly reference: () => {
    readonly columns: readonly Column[];
    readonly foreignTable: Table;
    readonly foreignColumns: readonly Column[];
  };
}

interface TableConfig {
  readonly foreignKeys: readonly ForeignKey[];
  readonly primaryKeys: readonly { readonly columns: readonly Column[] }[];
}

/** The tables of an application: where attachments are, and what goes with what. */
export class Schema {
  readonly #shapes = new Map<Table, MutableShape>();

  /**
   * @param declarations tables, and whatever else a schema module exports
   * @throws DepotError `INVALID_OPTION` where no table has attachments
   */
  constructor(declarations: Iterable<unknown>) {
    for (const declaration of declarations) if (is(declaration, Table)) this.#add(declaration);
    // Tables that these refer to are found on the way.
    for (const shape of this.#shapes.values()) this.#addCascades(shape);
    if (this.#withAttachments.length > 0) return;
    throw new DepotError('INVALID_OPTION', 'None of the tables has a column for attachments');
  }

  /** The columns for attachments, table by table. */
  get columns(): { readonly table: Table; readonly columns: readonly Column[] }[] {
    return this.#withAttachments.map(({ table, columns, attachments }) => ({
      table,
      columns: [...attachments.keys()].map((key) => columns[key] as Column),
    }));
  }

  /** Has columns read their values from now on. */
  bind(read: Read): void {
    for (const { attachments } of this.#withAttachments) {
      for (const attachment of attachments.values()) attachment.bind(read);
    }
  }

  /**
   * What is known of a table; nothing for one that was not given and has no attachments.
   * @throws DepotError `INVALID_OPTION` for one that has some: nobody would know which files its rows refer to
   */
  find(table: Table): TableShape | undefined {
    const shape = this.#shapes.get(table);
    if (shape || shapeOf(table).attachments.size === 0) return shape;
    const name = getTableName(table);
    throw new DepotError(
      'INVALID_OPTION',
      `Table "${name}" has attachments, but withAttachments was not given it`,
    );
  }

  get #withAttachments(): TableShape[] {
    return [...this.#shapes.values()].filter(({ attachments }) => attachments.size > 0);
  }

  #addCascades(child: MutableShape): void {
    for (const { onDelete, reference } of configOf(child.table).foreignKeys) {
      if (onDelete !== 'cascade') continue;
      const { columns, foreignTable, foreignColumns } = reference();
      const parent = this.#add(foreignTable);
      const references = columns.map((column, position) => ({
        childKey: keyOf(child, column),
        parentKey: keyOf(parent, foreignColumns[position]),
      }));
      parent.cascades.push({ child, references });
    }
  }

  #add(table: Table): MutableShape {
    const shape = this.#shapes.get(table) ?? shapeOf(table);
    this.#shapes.set(table, shape);
    return shape;
  }
}

/** Whether the files of attachments may go with rows of the table, its own or those of rows that go with them. */
export function deletesFiles(shape: TableShape, seen: Set<TableShape> = new Set()): boolean {
  if (seen.has(shape)) return false;
  seen.add(shape);
  return shape.attachments.size > 0 || shape.cascades.some(({ child }) => deletesFiles(child, seen));
}

interface MutableShape extends TableShape {
  readonly cascades: Cascade[];
}

function shapeOf(table: Table): MutableShape {
  const columns: Record<string, Column> = getTableColumns(table);
  const attachments = new Map<string, AttachmentColumn>();
  for (const [key, column] of Object.entries(columns)) {
    const attachment = attachmentColumnOf(column);
    if (attachment) attachments.set(key, attachment);
  }
  const shape = { table, columns, attachments, primaryKey: [], cascades: [] };
  return { ...shape, primaryKey: primaryKeyOf(shape) };
}

/** Keys of several columns are declared of copies of these: names tell. */
function primaryKeyOf({ table, columns }: TableShape): string[] {
  const composite = configOf(table).primaryKeys.flatMap((key) => key.columns.map(({ name }) => name));
  const isPart = ([, { primary, name }]: [string, Column]) => primary || composite.includes(name);
  return Object.entries(columns)
    .filter(isPart)
    .map(([key]) => key);
}

/** @throws DepotError `UNSUPPORTED` for databases other than PostgreSQL and SQLite */
function configOf(table: Table): TableConfig {
  if (is(table, PgTable)) return pgTableConfig(table);
  if (is(table, SQLiteTable)) return sqliteTableConfig(table);
  throw new DepotError('UNSUPPORTED', 'Attachments are for tables of PostgreSQL and SQLite');
}

/** The key of a column in the schema. Two tables of one database may be declared apart: names tell. */
function keyOf({ columns }: TableShape, wanted: Column | undefined): string {
  const key = Object.keys(columns).find((one) => columns[one]?.name === wanted?.name);
  if (key !== undefined) return key;
  throw new DepotError('INVALID_OPTION', `There is no column "${wanted?.name}"`);
}
