import { type EntityProperty, LockMode, type MikroORM, ReferenceKind, Utils } from '@mikro-orm/core';
import type { Attachment } from '../../attachment.js';
import {
  type AttachmentProperty,
  attachmentProperties,
  type Context,
  type Driver,
  type Meta,
  type Row,
  type StatementOptions,
} from './internals.js';

/** Rows of one entity. */
export interface Rows {
  readonly meta: Meta;
  readonly rows: readonly Row[];
}

/** A foreign key: rows of this entity go with the rows that it refers to. */
interface Cascade {
  readonly meta: Meta;
  /** Name of the property. */
  readonly property: string;
  /** Names of the columns that it refers to. */
  readonly referred: readonly string[];
}

const SCHEMAS_OF_SQLITE = 'SELECT schema FROM pragma_table_list WHERE name = ? COLLATE NOCASE';

/** A table that is found without its schema must be readable; others may be those of other applications. */
const SCHEMAS_OF_POSTGRES = `SELECT nspname AS schema FROM pg_attribute
  JOIN pg_class ON pg_class.oid = attrelid JOIN pg_namespace ON pg_namespace.oid = relnamespace
  WHERE relname = ? AND attname = ? AND relkind IN ('r', 'p', 'v', 'm', 'f') AND NOT pg_is_other_temp_schema(relnamespace)
  AND (pg_table_is_visible(attrelid)
    OR has_schema_privilege(relnamespace, 'USAGE') AND has_column_privilege(attrelid, attnum, 'SELECT'))`;

type Read = (value: unknown) => Attachment | null;

/** Finds rows with their attachments, and what the database deletes with them. */
export class RowReader {
  readonly #orm: MikroORM;
  readonly #driver: Driver;
  readonly #isSqlite: boolean;
  readonly #read: Read;

  constructor(orm: MikroORM, driver: Driver, isSqlite: boolean, read: Read) {
    this.#orm = orm;
    this.#driver = driver;
    this.#isSqlite = isSqlite;
    this.#read = read;
  }

  metaOf(entity: unknown): Meta {
    return this.#orm.getMetadata().get(entity as never).root;
  }

  /** Keys and attachments of rows, which nobody else changes until the transaction ends; SQLite has one lock for all. */
  async find(meta: Meta, where: unknown, ctx: Context, options: StatementOptions = {}): Promise<Rows> {
    const { convertCustomTypes = false, loggerContext } = options;
    const query = this.#driver
      .createQueryBuilder(meta.class, ctx, 'write', convertCustomTypes, loggerContext)
      .withSchema(this.#driver.getSchemaName(meta, options))
      .select([...this.#propertiesOf(meta)])
      .where(where);
    const locked = this.#isSqlite ? query : query.setLockMode(LockMode.PESSIMISTIC_WRITE);
    const rows = await locked.execute('all', false);
    const seen = new Set<string>();
    // A condition on a relation finds a row once for each that it is related to.
    return { meta, rows: rows.filter((row) => isFirst(seen, meta, row)) };
  }

  /**
   * A condition that only these rows meet: there must be some.
   * @param options `convertCustomTypes` whether its values are to be those of entities, and not those of the database
   */
  keysOf({ meta, rows }: Rows, { convertCustomTypes = false }: StatementOptions = {}): object {
    const platform = this.#orm.driver.getPlatform();
    const keyOf = (row: Row, key: string) => {
      const { fieldNames, customType } = meta.properties[key as never] as EntityProperty;
      const value = keyIn(row, fieldNames);
      return convertCustomTypes && customType ? customType.convertToJSValue(value, platform) : value;
    };
    const { primaryKeys } = meta;
    const [only, ...more] = rows;
    // MikroORM reads the key of collections out of it.
    if (only && more.length === 0)
      return Object.fromEntries(primaryKeys.map((key) => [key, keyOf(only, key)]));
    const tuples = rows.map((row) => primaryKeys.map((key) => keyOf(row, key)));
    const keys = primaryKeys.length > 1 ? tuples : tuples.flat();
    return { [Utils.getPrimaryKeyHash(primaryKeys)]: keys };
  }

  /** Whether files may go when rows of the entity are deleted. */
  losesFiles(meta: Meta, seen = new Set<Meta>()): boolean {
    if (attachmentProperties(meta).length > 0) return true;
    seen.add(meta);
    return this.#cascades(meta).some((one) => !seen.has(one.meta) && this.losesFiles(one.meta, seen));
  }

  /**
   * What the database will delete with these rows, level by level.
   * @param options of the statement: its schema
   */
  async findBelow(
    parents: Rows,
    ctx: Context,
    { schema }: StatementOptions,
    seen = new Set<string>(),
  ): Promise<Rows[]> {
    const found: Rows[][] = [];
    for (const cascade of this.#cascades(parents.meta)) {
      if (parents.rows.length === 0 || !this.losesFiles(cascade.meta)) continue;
      const keys = parents.rows.map((row) => keyIn(row, cascade.referred));
      const where = { [cascade.property]: { $in: keys } };
      const { meta, rows } = await this.find(cascade.meta, where, ctx, { schema });
      const children = { meta, rows: rows.filter((row) => isFirst(seen, meta, row)) };
      if (children.rows.length > 0)
        found.push([children], await this.findBelow(children, ctx, { schema }, seen));
    }
    return found.flat();
  }

  /**
   * Attachments of those rows that are no more: tables need not have the foreign keys that entities declare, and a policy
   * or a trigger may keep rows.
   * @param options of the statement: its schema
   */
  async attachmentsGone(
    before: readonly Rows[],
    ctx: Context,
    { schema }: StatementOptions,
  ): Promise<Attachment[]> {
    const gone: Attachment[][] = [];
    for (const { meta, rows } of before) {
      const properties = attachmentProperties(meta);
      const withFiles = rows.filter((row) => this.attachmentsOf([row], properties).length > 0);
      if (withFiles.length === 0) continue;
      const after = await this.find(meta, this.keysOf({ meta, rows: withFiles }), ctx, { schema });
      const left = new Set(after.rows.map((row) => nameOf(meta, row)));
      const isGone = (row: Row) => !left.has(nameOf(meta, row));
      gone.push(this.attachmentsOf(withFiles.filter(isGone), properties));
    }
    return gone.flat();
  }

  attachmentsOf(rows: readonly Row[], properties: readonly AttachmentProperty[]): Attachment[] {
    return rows.flatMap((row) =>
      properties.flatMap(({ column, type }) => this.attachmentsIn(row[column], type.isList)),
    );
  }

  /** The attachments in what a column holds. */
  attachmentsIn(data: unknown, isList: boolean): Attachment[] {
    const list: unknown = isList && typeof data === 'string' ? JSON.parse(data) : data;
    const values = isList && Array.isArray(list) ? list : [list];
    return values.map(this.#read).filter((attachment) => attachment !== null);
  }

  /** Searches all tables that have attachments for a path, as it stands in their JSON. */
  async isReferenced(path: string): Promise<boolean> {
    const text = JSON.stringify(path);
    for (const meta of this.#entities())
      for (const { column } of attachmentProperties(meta))
        for (const schema of await this.#schemasOf(meta, column))
          if (await this.#isIn([schema, meta.tableName, column], text)) return true;
    return false;
  }

  async #isIn(
    names: readonly [schema: string, table: string, column: string],
    text: string,
  ): Promise<boolean> {
    const platform = this.#orm.driver.getPlatform();
    const [schema, table, column] = names.map((name) => platform.quoteIdentifier(name));
    const find = this.#isSqlite ? 'instr' : 'strpos';
    const sql = `SELECT 1 AS found FROM ${schema}.${table} WHERE ${find}(CAST(${column} AS text), ?) > 0 LIMIT 1`;
    return (await this.#select(sql, [text])).length > 0;
  }

  /** Those in which an entity has a table: entity managers may each have their own, as those of tenants do. */
  async #schemasOf({ schema, tableName }: Meta, column: string): Promise<string[]> {
    if (schema && schema !== '*') return [schema];
    const rows = await (this.#isSqlite
      ? this.#select(SCHEMAS_OF_SQLITE, [tableName])
      : this.#select(SCHEMAS_OF_POSTGRES, [tableName, column]));
    return rows.map((row) => String(row.schema));
  }

  #select(sql: string, parameters: readonly string[]): Promise<Row[]> {
    return this.#driver.getConnection('write').execute(sql, parameters, 'all');
  }

  /** Names of properties: keys, also those that others refer to, and attachments. */
  #propertiesOf(meta: Meta): Set<string> {
    const referred = new Set(this.#cascades(meta).flatMap((cascade) => cascade.referred));
    const keys = meta.props.filter(({ fieldNames = [] }) =>
      fieldNames.some((column) => referred.has(column)),
    );
    const attachments = attachmentProperties(meta);
    return new Set([...meta.primaryKeys, ...[...keys, ...attachments].map(({ name }) => name)]);
  }

  /** Foreign keys with `ON DELETE CASCADE` that refer to the entity's table. */
  #cascades(parent: Meta): Cascade[] {
    const { defaultDeleteRule } = this.#orm.config.get('schemaGenerator');
    return this.#entities().flatMap((meta) =>
      meta.relations.flatMap(
        ({ kind, owner, name, targetMeta, deleteRule, referencedColumnNames, persist }) => {
          const isForeignKey =
            kind === ReferenceKind.MANY_TO_ONE || (kind === ReferenceKind.ONE_TO_ONE && owner);
          const isCascading = (deleteRule ?? defaultDeleteRule) === 'cascade' && persist !== false;
          if (!isForeignKey || !isCascading || targetMeta?.root !== parent.root) return [];
          return [{ meta, property: name, referred: referencedColumnNames }];
        },
      ),
    );
  }

  #entities(): Meta[] {
    const all = [...this.#orm.getMetadata().getAll().values()];
    return all.filter((meta) => meta.root === meta && !meta.abstract && !meta.virtual && !meta.embeddable);
  }
}

/** As a condition has it: several columns are a tuple. */
function keyIn(row: Row, columns: readonly string[]): unknown {
  const values = columns.map((column) => row[column]);
  return values.length === 1 ? values[0] : values;
}

function nameOf(meta: Meta, row: Row): string {
  const attachments = new Set(attachmentProperties(meta).map(({ column }) => column));
  const keys = Object.keys(row).filter((column) => !attachments.has(column));
  return JSON.stringify([meta.className, ...keys.sort().map((column) => String(row[column]))]);
}

/** Rows may refer to each other in a circle, and be reached on two ways. */
function isFirst(seen: Set<string>, meta: Meta, row: Row): boolean {
  const name = nameOf(meta, row);
  return !seen.has(name) && Boolean(seen.add(name));
}
