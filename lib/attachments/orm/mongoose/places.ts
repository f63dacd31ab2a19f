import type { Schema } from 'mongoose';
import { isPlainObject } from './payload.js';
import { isAttachmentPath } from './schema-type.js';

/** A row, or a part of one, as the database has it. */
export type Row = Readonly<Record<string, unknown>>;

/** A path of a schema: mongoose's own class, with what is used of its many kinds. */
interface PathType {
  readonly $isSingleNested?: boolean;
  readonly $isMongooseDocumentArray?: boolean;
  readonly $isMongooseArray?: boolean;
  readonly $isSchemaMap?: boolean;
  /** Of a subdocument, or of each in a list. */
  readonly schema?: MongooseSchema;
  /** Of each element of a list or a map. */
  getEmbeddedSchemaType?(): PathType | undefined;
}

/** A schema, with what its types leave out. */
interface MongooseSchema {
  readonly paths: Readonly<Record<string, PathType>>;
  readonly discriminators?: Readonly<Record<string, MongooseSchema>>;
  readonly discriminatorMapping?: { readonly isRoot: boolean; readonly value?: unknown };
  get(option: 'discriminatorKey'): string | undefined;
}

/** A place that no dotted path can name: below a map, in a list of lists, or in a schema that holds itself. */
export const ANYWHERE = '*';

/** Where the rows of one collection have attachments, by the schemas of all its models. */
export class Places {
  readonly #schemas: readonly MongooseSchema[];
  readonly #topKeys: readonly string[];

  constructor(schemas: Iterable<Schema>) {
    const all = [...schemas] as unknown as MongooseSchema[];
    this.#schemas = all.filter(({ discriminatorMapping }) => discriminatorMapping?.isRoot !== false);
    this.#topKeys = topKeysOf(this.#schemas);
  }

  get isEmpty(): boolean {
    return this.#topKeys.length === 0;
  }

  /** What must be read of a row so that its attachments are seen. */
  get projection(): Record<string, 1> {
    const discriminatorKeys = this.#schemas.flatMap((schema) => schema.get('discriminatorKey') ?? []);
    return Object.fromEntries([...this.#topKeys, ...discriminatorKeys].map((key) => [key, 1]));
  }

  /** Dotted paths of the attachments, as queries write them; `*` where one is at a place without such a path. */
  get queryPaths(): string[] {
    return [...new Set(this.#schemas.flatMap((schema) => queryPathsOf(schema, '', [])))];
  }

  /** What a row holds in its attachment fields. */
  valuesOf(row: Row): unknown[] {
    const values: unknown[] = [];
    for (const schema of this.#schemas) collect(schema, row, values);
    return values;
  }

  /** Whether a change of this path, as update operators write it, may be one of an attachment. */
  touches(path: string): boolean {
    return this.#schemas.some((schema) => touchesSchema(schema, path.split('.')));
  }

  /** Whether a path leads into an attachment, which is written as a whole only. */
  reachesInto(path: string): boolean {
    return this.#schemas.some((schema) => reachesIntoSchema(schema, path.split('.')));
  }
}

function topKeysOf(schemas: readonly MongooseSchema[]): string[] {
  const keys = schemas
    .flatMap(pathsOf)
    .filter(([, type]) => carries(type))
    .map(([path]) => path.split('.')[0] ?? path);
  return [...new Set(keys)];
}

function withDiscriminators(schema: MongooseSchema): MongooseSchema[] {
  return [schema, ...Object.values(schema.discriminators ?? {})];
}

/** Whether there may be an attachment at or below a path. */
function carries(type: PathType, seen: readonly unknown[] = []): boolean {
  if (isAttachmentPath(type)) return true;
  const { schema } = type;
  if (schema) {
    if (seen.includes(schema)) return false;
    return withDiscriminators(schema).some(({ paths }) =>
      Object.values(paths).some((path) => carries(path, [...seen, schema])),
    );
  }
  const element = type.getEmbeddedSchemaType?.();
  return element !== undefined && element !== null && carries(element, seen);
}

/** The schema of the row's own kind, where its collection holds several. */
function schemaOf(schema: MongooseSchema, row: Row): MongooseSchema {
  const key = schema.get('discriminatorKey');
  const kind = key === undefined ? undefined : row[key];
  if (kind === undefined || kind === null) return schema;
  const kinds = Object.values(schema.discriminators ?? {});
  return kinds.find(({ discriminatorMapping }) => discriminatorMapping?.value === kind) ?? schema;
}

function collect(schema: MongooseSchema, row: Row, values: unknown[]): void {
  for (const [path, type] of Object.entries(schemaOf(schema, row).paths)) {
    if (!isOfMap(path)) collectAt(type, valueAt(row, path.split('.')), values);
  }
}

/** The elements of maps are paths of the schema too. */
function isOfMap(path: string): boolean {
  return path.includes('$*');
}

function collectAt(type: PathType, value: unknown, values: unknown[]): void {
  if (value === null || value === undefined) return;
  if (isAttachmentPath(type)) values.push(value);
  else if (type.schema) for (const row of rowsIn(value)) collect(type.schema, row, values);
  else {
    const element = type.getEmbeddedSchemaType?.();
    if (element) for (const one of elementsOf(type, value)) collectAt(element, one, values);
  }
}

/** Subdocuments: one, or a list of them, or lists of lists. */
function rowsIn(value: unknown): Row[] {
  if (Array.isArray(value)) return value.flatMap(rowsIn);
  return typeof value === 'object' && value !== null ? [value as Row] : [];
}

function elementsOf(type: PathType, value: unknown): unknown[] {
  if (type.$isSchemaMap)
    return Object.values(value instanceof Map ? Object.fromEntries(value) : Object(value));
  return Array.isArray(value) ? value : [];
}

function valueAt(row: unknown, path: readonly string[]): unknown {
  return path.reduce((value, key) => {
    const isNested = typeof value === 'object' && value !== null && isPlainObject(value);
    return isNested ? (value as Row)[key] : undefined;
  }, row);
}

function touchesSchema(schema: MongooseSchema, path: readonly string[]): boolean {
  const isAbove = ([own, type]: [string, PathType]) => startsWith(own.split('.'), path) && carries(type);
  return (
    pathsOf(schema).some(isAbove) || pathsAbove(schema, path).some(([type, rest]) => touches(type, rest))
  );
}

/** @param rest what comes after the path of this type */
function touches(type: PathType, rest: readonly string[]): boolean {
  if (isAttachmentPath(type)) return true;
  if (!carries(type)) return false;
  const below = withoutPosition(type, rest);
  if (below.length === 0) return true;
  if (type.schema) return touchesSchema(type.schema, below);
  const element = type.getEmbeddedSchemaType?.();
  return !element || touches(element, below);
}

function reachesIntoSchema(schema: MongooseSchema, path: readonly string[]): boolean {
  return pathsAbove(schema, path).some(([type, rest]) => reachesInto(type, rest));
}

function reachesInto(type: PathType, rest: readonly string[]): boolean {
  if (rest.length === 0) return false;
  if (isAttachmentPath(type)) return true;
  const below = withoutPosition(type, rest);
  if (type.schema) return reachesIntoSchema(type.schema, below);
  const element = type.getEmbeddedSchemaType?.();
  return element ? reachesInto(element, below) : false;
}

function pathsOf(schema: MongooseSchema): [string, PathType][] {
  return withDiscriminators(schema).flatMap(({ paths }) => Object.entries(paths));
}

/** The types of a path and of those above it, each with what comes after. */
function pathsAbove(schema: MongooseSchema, path: readonly string[]): [PathType, readonly string[]][] {
  return pathsOf(schema).flatMap(([own, type]) => {
    const names = own.split('.');
    return startsWith(path, names) ? [[type, path.slice(names.length)] as const] : [];
  }) as [PathType, readonly string[]][];
}

/** Below a list come positions, below a map keys. */
function withoutPosition(type: PathType, rest: readonly string[]): readonly string[] {
  return type.$isSchemaMap || isPosition(rest[0] ?? '') ? rest.slice(1) : rest;
}

/** A number, or one of `$`, `$[]` and `$[name]`. */
function isPosition(key: string): boolean {
  return /^(?:\d+|\$.*)$/.test(key);
}

function startsWith(path: readonly string[], beginning: readonly string[]): boolean {
  return beginning.length <= path.length && beginning.every((key, index) => path[index] === key);
}

function queryPathsOf(schema: MongooseSchema, prefix: string, seen: readonly unknown[]): string[] {
  if (seen.includes(schema)) return [ANYWHERE];
  return pathsOf(schema)
    .filter(([path, type]) => !isOfMap(path) && carries(type))
    .flatMap(([path, type]) => queryPathsAt(type, prefix + path, [...seen, schema]));
}

function queryPathsAt(type: PathType, path: string, seen: readonly unknown[]): string[] {
  if (isAttachmentPath(type)) return [path];
  if (type.$isSchemaMap || isListOfLists(type)) return [ANYWHERE];
  if (type.schema) return queryPathsOf(type.schema, `${path}.`, seen);
  const element = type.getEmbeddedSchemaType?.();
  return element ? queryPathsAt(element, path, seen) : [];
}

/** Dotted paths lead into the elements of a list, not into those of a list that is one of them. */
function isListOfLists(type: PathType): boolean {
  return type.$isMongooseArray === true && type.getEmbeddedSchemaType?.()?.$isMongooseArray === true;
}
