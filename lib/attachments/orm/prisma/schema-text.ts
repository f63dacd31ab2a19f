/** What a Prisma schema says of a field. */
export interface SchemaField {
  readonly name: string;
  /** A scalar, an enumeration, or a model. */
  readonly type: string;
  readonly isList: boolean;
  /** Whether it may be null. */
  readonly isOptional: boolean;
  /** The attributes behind the type, e.g. `@id @default(autoincrement())`. */
  readonly attributes: string;
}

/** What a Prisma schema says of a model. */
export interface SchemaModel {
  readonly name: string;
  readonly fields: readonly SchemaField[];
  /** The attributes of the model itself, e.g. `@@map("documents")`. */
  readonly attributes: readonly string[];
}

const MODEL = /^[ \t]*model\s+(\w+)\s*\{(.*?)^[ \t]*\}/gms;

const ENUM = /^[ \t]*enum\s+(\w+)\s*\{(.*?)^[ \t]*\}/gms;

const FIELD = /^(\w+)\s+(\w+)(\[\])?(\?)?(.*)$/;

const ENUM_VALUE = /^(\w+)(.*)$/;

/** A comment, or a text in which something may look like one. */
const COMMENT_OR_TEXT = /\/\/[^\n]*|"(?:[^"\\]|\\.)*"/g;

/**
 * The models in the text of a schema, which is known to be valid
 * (https://www.prisma.io/docs/orm/prisma-schema/data-model/models).
 */
export function parseSchema(text: string): SchemaModel[] {
  return [...withoutComments(text).matchAll(MODEL)].map(([, name = '', body = '']) =>
    parseModel(name, linesOf(body)),
  );
}

/** The enumerations in it: what the database has for each of their values. */
export function parseEnums(text: string): Map<string, ReadonlyMap<string, string>> {
  const enums = [...withoutComments(text).matchAll(ENUM)];
  return new Map(enums.map(([, name = '', body = '']) => [name, parseEnum(linesOf(body))]));
}

function parseEnum(lines: readonly string[]): Map<string, string> {
  const values = lines.flatMap((line): [string, string][] => {
    const [, value, attributes = ''] = ENUM_VALUE.exec(line) ?? [];
    return value ? [[value, textIn(attributes, '@map') ?? value]] : [];
  });
  return new Map(values);
}

function withoutComments(text: string): string {
  return text.replace(COMMENT_OR_TEXT, (match) => (match.startsWith('//') ? '' : match));
}

/** An attribute may be written over several lines: it ends with its last bracket. */
function linesOf(body: string): string[] {
  const lines: string[] = [];
  let depth = 0;
  for (const line of body.split('\n').map((one) => one.trim())) {
    if (depth > 0) lines.push(`${lines.pop()} ${line}`);
    else lines.push(line);
    depth += line.split(/[([]/).length - line.split(/[)\]]/).length;
  }
  return lines.filter(Boolean);
}

function parseModel(name: string, lines: readonly string[]): SchemaModel {
  const fields = lines.flatMap((line) => {
    const [, field, type = '', list, optional, attributes = ''] = FIELD.exec(line) ?? [];
    const kind = { isList: list !== undefined, isOptional: optional !== undefined };
    return field ? [{ name: field, type, ...kind, attributes }] : [];
  });
  return { name, fields, attributes: lines.filter((line) => line.startsWith('@@')) };
}

/** The names in a list of an attribute: `fields: [a, b]`, or the list that it begins with. */
export function namesIn(attribute: string, key?: string): string[] {
  const list = key ? new RegExp(`\\b${key}:\\s*\\[([^\\]]*)\\]`) : /\(\s*(?:fields:\s*)?\[([^\]]*)\]/;
  const [, names = ''] = list.exec(attribute) ?? [];
  return names.split(',').flatMap((name) => /\w+/.exec(name)?.[0] ?? []);
}

/** The text in an attribute: `@map("name")`. */
export function textIn(attributes: string, name: string): string | undefined {
  return new RegExp(`${name}\\(\\s*(?:name:\\s*)?"([^"]*)"`).exec(attributes)?.[1];
}
