import { DepotError } from '../../../errors.js';
import { type AttachmentField, type AttachmentFieldOptions, attachmentField } from '../../field.js';
import {
  namesIn,
  parseEnums,
  parseSchema,
  type SchemaField,
  type SchemaModel,
  textIn,
} from './schema-text.js';

type FieldOptions = AttachmentFieldOptions | AttachmentField;

/** What a field is declared as: an attachment, or, in brackets, a list of them. */
export type FieldDeclaration = FieldOptions | readonly [FieldOptions];

/** The fields with attachments, by models and their names as the client has them: `{ document: { photo: {…} } }`. */
export type ModelDeclarations = Readonly<Record<string, Readonly<Record<string, FieldDeclaration>>>>;

/** A field for attachments. */
export interface AttachmentEntry {
  readonly field: AttachmentField;
  readonly isList: boolean;
}

/** Rows of another model that go when rows of this one go. */
export interface Cascade {
  readonly child: ModelShape;
  readonly references: readonly { readonly childKey: string; readonly parentKey: string }[];
}

/** What is to be known of a model. */
export interface ModelShape {
  /** As the client has it, e.g. `document`. */
  readonly name: string;
  readonly attachments: ReadonlyMap<string, AttachmentEntry>;
  /** The models that its relations lead to. */
  readonly relations: ReadonlyMap<string, ModelShape>;
  /** The fields that tell rows apart. */
  readonly key: readonly string[];
  readonly cascades: readonly Cascade[];
  /** Its table, quoted, with its schema. */
  readonly table: string;
  /** The column of a field, not quoted. */
  column(field: string): string;
  /** A value of a field as the database has it: values of enumerations may have other names there. */
  inDatabase(field: string, value: unknown): unknown;
  /** Whether the database may have moments of a field that are finer than JavaScript's dates, which are all Prisma knows. */
  isFiner(field: string): boolean;
}

interface MutableShape extends ModelShape {
  readonly relations: Map<string, ModelShape>;
  readonly cascades: Cascade[];
}

/** The models of an application. */
export class DataModel {
  readonly #shapes: ReadonlyMap<string, MutableShape>;

  /**
   * @param schema the text of the Prisma schema
   * @param defaultSchema of the database, for tables that name none
   * @throws DepotError `INVALID_OPTION` for models and fields that it does not have
   */
  constructor(schema: string, declarations: ModelDeclarations, defaultSchema?: string) {
    const models = parseSchema(schema);
    const enums = parseEnums(schema);
    const shapes = models.map((model) => shapeOf(model, declarations, enums, defaultSchema));
    this.#shapes = new Map(shapes.map((shape) => [shape.name, shape]));
    for (const name of Object.keys(declarations)) this.#assertKnown(name);
    for (const model of models) this.#connect(model);
  }

  /** The models with attachments of their own. */
  get withAttachments(): readonly ModelShape[] {
    return [...this.#shapes.values()].filter(({ attachments }) => attachments.size > 0);
  }

  /** A model by its name in the client: `document`, or `Document`. */
  find(name: string): ModelShape | undefined {
    return this.#shapes.get(nameOf(name));
  }

  #assertKnown(name: string): void {
    if (!this.#shapes.has(name)) throw new DepotError('INVALID_OPTION', `There is no model "${name}"`);
  }

  #connect(model: SchemaModel): void {
    const shape = this.#shapes.get(nameOf(model.name)) as MutableShape;
    for (const field of model.fields) {
      const other = this.#shapes.get(nameOf(field.type));
      if (!other) continue;
      shape.relations.set(field.name, other);
      if (/\bonDelete:\s*Cascade\b/.test(field.attributes)) other.cascades.push(cascadeTo(shape, field));
    }
  }
}

/** Whether files of attachments may go with rows of the model: its own, or those of rows that go with them. */
export function deletesFiles(shape: ModelShape, seen: Set<ModelShape> = new Set()): boolean {
  if (seen.has(shape)) return false;
  seen.add(shape);
  return shape.attachments.size > 0 || shape.cascades.some(({ child }) => deletesFiles(child, seen));
}

function cascadeTo(child: ModelShape, { attributes }: SchemaField): Cascade {
  const parentKeys = namesIn(attributes, 'references');
  const childKeys = namesIn(attributes, 'fields');
  const references = childKeys.map((childKey, position) => ({
    childKey,
    parentKey: parentKeys[position] ?? '',
  }));
  return { child, references };
}

/** `Document` is `document` in the client. */
export function nameOf(model: string): string {
  return model.slice(0, 1).toLowerCase() + model.slice(1);
}

function shapeOf(
  model: SchemaModel,
  declarations: ModelDeclarations,
  enums: ReadonlyMap<string, ReadonlyMap<string, string>>,
  defaultSchema: string | undefined,
): MutableShape {
  const name = nameOf(model.name);
  const values = new Map(model.fields.map((field) => [field.name, enums.get(field.type)]));
  const finer = new Set(model.fields.filter(isFiner).map((field) => field.name));
  const columns = new Map(
    model.fields.map((field) => [field.name, textIn(field.attributes, '@map') ?? field.name]),
  );
  return {
    name,
    attachments: attachmentsOf(model, declarations[name] ?? {}),
    relations: new Map(),
    cascades: [],
    key: keyOf(model),
    table: tableOf(model, defaultSchema),
    column: (field) => columns.get(field) ?? field,
    inDatabase: (field, value) => values.get(field)?.get(String(value)) ?? value,
    isFiner: (field) => finer.has(field),
  };
}

/** What Prisma declares by itself has milliseconds. */
function isFiner({ type, attributes }: SchemaField): boolean {
  return type === 'DateTime' && /@db\.Timestamp/.test(attributes);
}

function attachmentsOf(
  { name, fields }: SchemaModel,
  declared: Readonly<Record<string, FieldDeclaration>>,
): Map<string, AttachmentEntry> {
  const entries = Object.entries(declared).map(([key, declaration]): [string, AttachmentEntry] => {
    const isJson = fields.some((field) => field.name === key && field.type === 'Json' && !field.isList);
    if (!isJson)
      throw new DepotError('INVALID_OPTION', `Model "${name}" has no field "${key}" of the type Json`);
    const isList = Array.isArray(declaration);
    const [options] = [declaration].flat() as [FieldOptions];
    return [key, { field: attachmentField(options), isList }];
  });
  return new Map(entries);
}

/** Null tells no rows apart: a model has some unique fields of which none is optional. */
function keyOf({ fields, attributes }: SchemaModel): string[] {
  const required = fields.filter(({ isOptional }) => !isOptional);
  const names = required.map(({ name }) => name);
  for (const mark of ['id', 'unique']) {
    const single = required.find((field) => new RegExp(`@${mark}\\b`).test(field.attributes));
    if (single) return [single.name];
    const all = attributes.filter((attribute) => attribute.startsWith(`@@${mark}`));
    const several = all
      .map((attribute) => namesIn(attribute))
      .find((key) => key.every((name) => names.includes(name)));
    if (several) return several;
  }
  return [];
}

function tableOf({ name, attributes }: SchemaModel, defaultSchema: string | undefined): string {
  const all = attributes.join(' ');
  const parts = [textIn(all, '@@schema') ?? defaultSchema, textIn(all, '@@map') ?? name];
  return parts.flatMap((part) => (part === undefined ? [] : quote(part))).join('.');
}

/** A name in SQL. */
export function quote(name: string): string {
  return `"${name.replaceAll('"', '""')}"`;
}
