import { describe, expect, test } from '@jest/globals';
import { DataModel, deletesFiles } from '../../../../lib/attachments/orm/prisma/data-model.js';
import { namesIn, parseSchema } from '../../../../lib/attachments/orm/prisma/schema-text.js';

const SCHEMA = `
// model Comment { id Int @id }
datasource db {
  provider = "postgresql"
}

enum Kind {
  A
}

/// model Documented {
model Library {
  id      String   @id @default("// no comment {") @db.Uuid
  kind    Kind
  shelves Shelf[]  @relation("Shelves")
  logo    Json?    @map("logo_json")
  @@map("libraries")
  @@schema("app")
}

model Shelf {
  libraryId String  @map("library_id") @db.Uuid // of its library
  number    Int
  tags      String[]
  library   Library @relation(
    "Shelves",
    fields: [libraryId],
    references: [id],
    onDelete: Cascade
  )
  books     Book[]

  @@id([libraryId, number(sort: Desc)], name: "place", map: "shelf_pk")
}

model Book {
  isbn      String @unique
  libraryId String
  number    Int
  scan      Json
  shelf     Shelf  @relation(fields: [libraryId, number], references: [libraryId, number], onDelete: Cascade, onUpdate: NoAction)
  shape     Unsupported("circle")?
  readers   Reader[]
}

model Reader {
  first String
  last  String
  books Book[]
  @@unique(fields: [first, last])
}
`;

const MODELS = { book: { scan: {} }, library: { logo: {} } };

describe('a schema of Prisma', () => {
  test('has models, and whatever else looks like them', () => {
    expect(parseSchema(SCHEMA).map(({ name }) => name)).toEqual(['Library', 'Shelf', 'Book', 'Reader']);
  });

  test('has fields with types', () => {
    const [, shelf] = parseSchema(SCHEMA);
    const fields = shelf?.fields.map(({ name, type, isList }) => [name, type, isList]);
    expect(fields).toEqual([
      ['libraryId', 'String', false],
      ['number', 'Int', false],
      ['tags', 'String', true],
      ['library', 'Library', false],
      ['books', 'Book', true],
    ]);
  });

  test.each([
    ['@@id([a, b])', undefined, ['a', 'b']],
    ['@@id([a(sort: Desc), b], map: "c")', undefined, ['a', 'b']],
    ['@@unique(fields: [a])', undefined, ['a']],
    ['@relation("X", fields: [a, b], references: [c, d])', 'fields', ['a', 'b']],
    ['@relation("X", fields: [a, b], references: [c, d])', 'references', ['c', 'd']],
    ['@relation("X")', 'fields', []],
  ])('names fields in %s (%s)', (attribute, key, names) => {
    expect(namesIn(attribute, key)).toEqual(names);
  });
});

describe('the models of an application', () => {
  const models = new DataModel(SCHEMA, MODELS);

  test.each([
    ['library', ['id']],
    ['shelf', ['libraryId', 'number']],
    ['book', ['isbn']],
    ['reader', ['first', 'last']],
  ])('have keys: %s', (name, key) => {
    expect(models.find(name)?.key).toEqual(key);
  });

  test('have tables and columns', () => {
    const library = models.find('Library');
    expect(library?.table).toBe('"app"."libraries"');
    expect(['logo', 'kind'].map((field) => library?.column(field))).toEqual(['logo_json', 'kind']);
    expect(models.find('book')?.table).toBe('"Book"');
  });

  test('have rows that go with others', () => {
    const [cascade] = models.find('shelf')?.cascades ?? [];
    expect(cascade?.child.name).toBe('book');
    expect(cascade?.references).toEqual([
      { childKey: 'libraryId', parentKey: 'libraryId' },
      { childKey: 'number', parentKey: 'number' },
    ]);
  });

  test.each([
    ['library', true],
    ['shelf', true],
    ['book', true],
    ['reader', false],
  ])('may take files along: %s', (name, isTaking) => {
    const shape = models.find(name);
    expect(shape && deletesFiles(shape)).toBe(isTaking);
  });
});
