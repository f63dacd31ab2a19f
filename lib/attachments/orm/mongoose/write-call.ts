import type { ClientSession, mongo } from 'mongoose';
import { compared } from './assignments.js';

/** The methods of a collection that write rows. */
export const WRITING_METHODS = [
  'insertOne',
  'insertMany',
  'updateOne',
  'updateMany',
  'replaceOne',
  'deleteOne',
  'deleteMany',
  'findOneAndUpdate',
  'findOneAndReplace',
  'findOneAndDelete',
  'bulkWrite',
] as const;

export type WritingMethod = (typeof WRITING_METHODS)[number];

export type Filter = mongo.Filter<mongo.Document>;

/** What is used of the many options that the methods have. */
export interface WriteOptions {
  readonly session?: ClientSession | null | undefined;
  readonly writeConcern?: { readonly w?: unknown } | undefined;
  readonly w?: unknown;
  readonly upsert?: boolean | undefined;
  readonly includeResultMetadata?: boolean | undefined;
  readonly sort?: mongo.Sort | undefined;
  readonly collation?: mongo.CollationOptions | undefined;
  readonly hint?: mongo.Hint | undefined;
  readonly [name: string]: unknown;
}

/** One thing that a call does to rows. */
export interface Operation {
  readonly kind: 'insert' | 'update' | 'replace' | 'delete';
  /** Whether it may concern several rows. */
  readonly isMany: boolean;
  /** Of all but an insert. */
  readonly filter?: Filter | undefined;
  /** New rows, an update, or what replaces a row; nothing for a deletion. */
  readonly payload?: unknown;
  readonly options: WriteOptions;
}

/** A call of a writing method: what it does, and how it is sent when that has changed. */
export interface WriteCall {
  readonly method: WritingMethod;
  readonly operations: readonly Operation[];
  readonly options: WriteOptions;
  /** Its arguments, with other operations and options. */
  toArguments(operations: readonly Operation[], options: WriteOptions): unknown[];
}

/** The call as the server understands it: attachments in filters are what rows have. */
export function comparing(call: WriteCall): WriteCall {
  const operations = call.operations.map((operation) => ({
    ...operation,
    filter: compared(operation.filter),
    options: compared(operation.options),
  }));
  return { ...call, operations, options: compared(call.options) };
}

export function parseCall(method: WritingMethod, given: readonly unknown[]): WriteCall {
  if (method === 'bulkWrite') return bulkCall(given);
  const { kind, isMany } = KINDS[method];
  if (kind === 'insert') return insertCall(method, isMany, given);
  if (kind === 'delete') return deleteCall(method, isMany, given);
  const [filter, payload, options = {}] = given as [Filter, unknown, WriteOptions?];
  return {
    method,
    options,
    operations: [{ kind, isMany, filter, payload, options }],
    toArguments: ([operation], other) => [operation?.filter, operation?.payload, other],
  };
}

const KINDS: Readonly<Record<Exclude<WritingMethod, 'bulkWrite'>, Pick<Operation, 'kind' | 'isMany'>>> = {
  insertOne: { kind: 'insert', isMany: false },
  insertMany: { kind: 'insert', isMany: true },
  updateOne: { kind: 'update', isMany: false },
  updateMany: { kind: 'update', isMany: true },
  replaceOne: { kind: 'replace', isMany: false },
  deleteOne: { kind: 'delete', isMany: false },
  deleteMany: { kind: 'delete', isMany: true },
  findOneAndUpdate: { kind: 'update', isMany: false },
  findOneAndReplace: { kind: 'replace', isMany: false },
  findOneAndDelete: { kind: 'delete', isMany: false },
};

function insertCall(method: WritingMethod, isMany: boolean, given: readonly unknown[]): WriteCall {
  const [payload, options = {}] = given as [unknown, WriteOptions?];
  return {
    method,
    options,
    operations: [{ kind: 'insert', isMany, payload, options }],
    toArguments: ([operation], other) => [operation?.payload, other],
  };
}

function deleteCall(method: WritingMethod, isMany: boolean, given: readonly unknown[]): WriteCall {
  const [filter = {}, options = {}] = given as [Filter?, WriteOptions?];
  return {
    method,
    options,
    operations: [{ kind: 'delete', isMany, filter, options }],
    toArguments: ([operation], other) => [operation?.filter, other],
  };
}

type BulkModel = Readonly<Record<string, WriteOptions>>;

function bulkCall(given: readonly unknown[]): WriteCall {
  const [models, options = {}] = given as [readonly BulkModel[], WriteOptions?];
  return {
    method: 'bulkWrite',
    options,
    operations: models.map(bulkOperation),
    toArguments: (operations, other) => [
      models.map((model, index) => bulkModel(model, operations[index])),
      other,
    ],
  };
}

/** Where each kind of a bulk's operations has its payload. */
const PAYLOADS = { insert: 'document', update: 'update', replace: 'replacement', delete: undefined } as const;

function bulkOperation(model: BulkModel): Operation {
  const [name = '', details = {}] = Object.entries(model)[0] ?? [];
  const { kind, isMany } = KINDS[name as keyof typeof KINDS] ?? { kind: 'update', isMany: true };
  const payload = PAYLOADS[kind] && details[PAYLOADS[kind]];
  return { kind, isMany, filter: details.filter as Filter | undefined, payload, options: details };
}

function bulkModel(model: BulkModel, operation: Operation | undefined): BulkModel {
  const [name = ''] = Object.keys(model);
  if (!operation) return model;
  const { kind, filter, payload, options } = operation;
  const key = PAYLOADS[kind];
  return { [name]: { ...options, ...(filter && { filter }), ...(key && { [key]: payload }) } };
}
