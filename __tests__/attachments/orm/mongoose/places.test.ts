import { describe, expect, test } from '@jest/globals';
import mongoose, { Schema } from 'mongoose';
import { attachmentField } from '../../../../lib/attachments/field.js';
import { Places } from '../../../../lib/attachments/orm/mongoose/places.js';
import { attachmentType } from '../../../../lib/attachments/orm/mongoose/schema-type.js';

const type = attachmentType(mongoose);
const attachment = { type, attachment: { field: attachmentField(), read: () => null } };

function everywhere(): Schema {
  const part = new Schema({ label: String, scan: attachment });
  const shape = new Schema({ label: String }, { discriminatorKey: 'kind' });
  const schema = new Schema({
    name: String,
    photo: attachment,
    maker: { name: String, logo: attachment },
    pages: [attachment],
    sheets: [[attachment]],
    parts: [part],
    main: part,
    shapes: [shape],
  });
  const shapes = schema.path('shapes') as mongoose.Schema.Types.DocumentArray;
  shapes.discriminator('Drawn', new Schema({ drawing: attachment }));
  return schema;
}

function unnameable(): Schema {
  const node = new Schema({ file: attachment });
  node.add({ children: [node] } as object);
  return new Schema({ root: node, languages: { type: Map, of: attachment } });
}

describe('where attachments are', () => {
  const places = new Places([everywhere()]);

  test('is told by dotted paths, or by none where there is none', () => {
    expect(places.queryPaths.sort()).toEqual([
      '*',
      'main.scan',
      'maker.logo',
      'pages',
      'parts.scan',
      'photo',
      'shapes.drawing',
    ]);
    const sheets = new Schema({ rows: [[new Schema({ scan: attachment })]], deep: [[[attachment]]] });
    expect(new Places([sheets]).queryPaths).toEqual(['*']);
    const lists = new Schema({ parts: [new Schema({ scans: [attachment] })] });
    expect(new Places([lists]).queryPaths).toEqual(['parts.scans']);
    expect(new Places([unnameable()]).queryPaths.sort()).toEqual(['*', 'root.file']);
    expect(new Places([new Schema({ name: String })]).isEmpty).toBe(true);
  });

  test('is found in rows', () => {
    const row = {
      photo: 1,
      maker: { logo: 2, name: 'x' },
      pages: [3, null, 4],
      sheets: [[5], [], [6]],
      parts: [{ scan: 7 }, {}, { label: 'x', scan: null }],
      main: { scan: 8 },
      shapes: [{ kind: 'Drawn', drawing: 9 }, { drawing: 'of no kind' }],
      other: { scan: 'not in the schema' },
    };
    expect(places.valuesOf(row).sort()).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9]);
    expect(places.valuesOf({})).toEqual([]);
    const deep = { root: { file: 1, children: [{ children: [{ file: 2 }] }] }, languages: { en: 3, de: 4 } };
    expect(new Places([unnameable()]).valuesOf(deep).sort()).toEqual([1, 2, 3, 4]);
  });

  test.each([
    ['name', false, false],
    ['photo', true, false],
    ['photo.path', true, true],
    ['maker', true, false],
    ['maker.name', false, false],
    ['maker.logo', true, false],
    ['maker.logo.files.0', true, true],
    ['pages', true, false],
    ['pages.3', true, false],
    ['pages.$', true, false],
    ['pages.$[].path', true, true],
    ['sheets.0.1', true, false],
    ['sheets.0.1.path', true, true],
    ['parts', true, false],
    ['parts.0', true, false],
    ['parts.0.label', false, false],
    ['parts.$[one].scan', true, false],
    ['parts.0.scan.path', true, true],
    ['main.label', false, false],
    ['main.scan', true, false],
    ['shapes.0.drawing', true, false],
    ['shapes.0.label', false, false],
    ['photograph', false, false],
  ])(
    'a change of %s may be one of an attachment: %s, and reaches into one: %s',
    (path, touches, reachesInto) => {
      expect([places.touches(path), places.reachesInto(path)]).toEqual([touches, reachesInto]);
    },
  );

  test.each([
    ['languages', true, false],
    ['languages.en', true, false],
    ['languages.en.path', true, true],
    ['root.children.0.children.1.file', true, false],
    ['root.children.0.file.id', true, true],
  ])('in maps and recursive schemas: %s, %s, %s', (path, touches, reachesInto) => {
    const others = new Places([unnameable()]);
    expect([others.touches(path), others.reachesInto(path)]).toEqual([touches, reachesInto]);
  });
});
