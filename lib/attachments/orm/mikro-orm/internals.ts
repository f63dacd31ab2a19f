import { type EntityMetadata, type EntityProperty, type MikroORM, ReferenceKind } from '@mikro-orm/core';
import { DepotError } from '../../../errors.js';
import { AttachmentType } from './type.js';

/** Values by the names of properties. */
export type Values = Record<string, unknown>;

/** A row by the names of its columns. */
export type Row = Readonly<Record<string, unknown>>;

export type Meta = EntityMetadata;

/** What a transaction of MikroORM is for its driver: one of Kysely. A savepoint is one of its own. */
export interface Context {
  readonly savepointName?: string;
  commit: End;
  rollback: End;
  rollbackToSavepoint: End;
}

/** Makes the statement that ends a transaction. */
export type End = (savepointName?: string) => { execute(): Promise<unknown> };

/** Options of a statement, as they are handed on. */
export interface StatementOptions {
  readonly ctx?: Context | undefined;
  readonly convertCustomTypes?: boolean | undefined;
  readonly schema?: string | undefined;
  readonly upsert?: boolean | undefined;
  /** Further conditions, of which rows have to meet one. */
  readonly unionWhere?: readonly unknown[] | undefined;
  readonly loggerContext?: unknown;
}

/** The part of MikroORM's drivers for SQL behind all that entity managers write. */
export interface Driver {
  nativeInsert(entity: unknown, data: Values, options?: StatementOptions): Promise<unknown>;
  nativeInsertMany(
    entity: unknown,
    data: Values[],
    options?: StatementOptions,
    transform?: unknown,
  ): Promise<unknown>;
  nativeUpdate(entity: unknown, where: unknown, data: Values, options?: StatementOptions): Promise<Answer>;
  nativeUpdateMany(
    entity: unknown,
    where: unknown[],
    data: Values[],
    options?: StatementOptions,
    transform?: unknown,
  ): Promise<Answer>;
  nativeDelete(entity: unknown, where: unknown, options?: StatementOptions): Promise<Answer>;
  nativeClone(
    entity: unknown,
    where: unknown,
    overrides: unknown,
    options?: StatementOptions,
  ): Promise<unknown>;
  getConnection(type: 'write'): SqlConnection;
  getSchemaName(meta: Meta, options: StatementOptions): string | undefined;
  createQueryBuilder(
    entity: unknown,
    ctx: Context | undefined,
    type: 'write',
    convertCustomTypes: boolean,
    loggerContext?: unknown,
  ): RowQuery;
}

/** What a statement answers. */
export interface Answer {
  readonly affectedRows: number;
}

/** Builds a query for rows. */
export interface RowQuery {
  withSchema(schema: string | undefined): RowQuery;
  select(fields: readonly string[]): RowQuery;
  where(condition: unknown): RowQuery;
  setLockMode(mode: number): RowQuery;
  execute(method: 'all', mapResults: false): Promise<Row[]>;
}

/** The part of a connection that transactions go through. */
export interface SqlConnection {
  begin(options?: BeginOptions): Promise<Context>;
  commit(ctx: Context, ...others: unknown[]): Promise<void>;
  rollback(ctx: Context, ...others: unknown[]): Promise<void>;
  execute(
    query: unknown,
    parameters?: unknown,
    method?: 'all',
    ctx?: Context,
    ...others: unknown[]
  ): Promise<Row[]>;
  close(force?: boolean): Promise<void>;
}

export interface BeginOptions {
  /** The transaction in which it is a savepoint. */
  readonly ctx?: Context | undefined;
  /** Tells subscribers; knows whose transaction it is. */
  readonly eventBroadcaster?: { readonly em?: object };
}

/** The types of MikroORM know no more than what all its databases have in common. */
export function driverOf(orm: MikroORM): Driver {
  return orm.driver as unknown as Driver;
}

/** A property for attachments. */
export interface AttachmentProperty {
  readonly name: string;
  readonly column: string;
  readonly type: AttachmentType;
  /** Where an entity has it: in an embedded object, if need be. */
  readonly path: readonly string[];
}

const PROPERTIES = new WeakMap<Meta, readonly AttachmentProperty[]>();

/** The properties of an entity that hold attachments. */
export function attachmentProperties(meta: Meta): readonly AttachmentProperty[] {
  const known = PROPERTIES.get(meta);
  if (known) return known;
  const found = meta.props.flatMap((property) => toAttachmentProperty(meta, property));
  PROPERTIES.set(meta, found);
  return found;
}

function toAttachmentProperty(meta: Meta, property: EntityProperty): AttachmentProperty[] {
  const { name, customType, fieldNames, persist } = property;
  if (!(customType instanceof AttachmentType) || persist === false) return [];
  return [{ name, type: customType, column: fieldNames[0] ?? name, path: pathTo(meta, property) }];
}

/** Properties of embedded objects are columns of the table, and properties of the entity under other names. */
function pathTo(meta: Meta, { name, embedded }: EntityProperty): string[] {
  if (!embedded) return [name];
  const [outer, inner] = embedded;
  const parent = meta.properties[outer as never] as EntityProperty | undefined;
  return [...(parent ? pathTo(meta, parent) : [outer]), inner];
}

/**
 * Fails where attachments are in what is no column of one table.
 * @throws DepotError `ATTACHMENT_UNSUPPORTED`
 */
export function refuseHiddenAttachments(orm: MikroORM): void {
  for (const meta of orm.getMetadata().getAll().values()) {
    if (meta.inheritanceType === 'tpt' && attachmentProperties(meta).length > 0)
      throw unsupported(meta, 'it is spread over several tables');
    for (const { kind, object, array, targetMeta } of meta.props) {
      if (kind !== ReferenceKind.EMBEDDED || !(object || array) || !targetMeta) continue;
      if (targetMeta.props.some(({ customType }) => customType instanceof AttachmentType))
        throw unsupported(meta, 'they are in an embedded object that is JSON');
    }
  }
}

function unsupported({ className }: Meta, why: string): DepotError {
  return new DepotError('ATTACHMENT_UNSUPPORTED', `Attachments of ${className} cannot be followed: ${why}`);
}

/** What an entity has there. */
export function valueAt(entity: object, path: readonly string[]): unknown {
  return path.reduce<unknown>((value, name) => (value as Values | undefined)?.[name], entity);
}

export function assignAt(entity: object, path: readonly string[], value: unknown): void {
  const owner = valueAt(entity, path.slice(0, -1)) as Values | undefined;
  const name = path.at(-1);
  if (owner && name !== undefined) owner[name] = value;
}
