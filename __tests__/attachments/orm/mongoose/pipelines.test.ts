import { expect, test } from '@jest/globals';
import mongoose, { Schema } from 'mongoose';
import { attachmentField } from '../../../../lib/attachments/field.js';
import { onlyTakesAway } from '../../../../lib/attachments/orm/mongoose/pipelines.js';
import { Places } from '../../../../lib/attachments/orm/mongoose/places.js';
import { attachmentType } from '../../../../lib/attachments/orm/mongoose/schema-type.js';

const type = attachmentType(mongoose);
const attachment = { type, attachment: { field: attachmentField(), read: () => null } };
const places = new Places([
  new Schema({
    name: String,
    photo: attachment,
    maker: { name: String, logo: attachment },
    pages: [attachment],
    parts: [new Schema({ label: String, scan: attachment })],
    languages: { type: Map, of: attachment },
  }),
]);

test.each([
  [{ $set: { name: '$photo.filename', maker: { name: { $toUpper: '$name' } } } }],
  [{ $addFields: { 'parts.label': { $literal: 1 } } }],
  [{ $set: { photo: null, pages: [], maker: { logo: '$$REMOVE' }, 'parts.scan': null } }],
  [{ $set: { languages: { en: null } } }],
  [{ $unset: 'photo' }],
  [{ $unset: ['name', 'maker', 'parts.scan'] }],
  [{ $project: { photo: 0, maker: { logo: false } } }],
  [{ $project: { name: { $toUpper: '$name' }, photo: 1, parts: true } }],
])('is followed: %j', (stage) => {
  expect(onlyTakesAway([{ $set: { name: 'x' } }, stage], places)).toBe(true);
});

test.each([
  [{ $set: { photo: '$maker.logo' } }],
  [{ $set: { photo: { path: 'default/1' } } }],
  [{ $set: { photo: { $cond: ['$name', null, '$photo'] } } }],
  [{ $addFields: { maker: { logo: '$photo' } } }],
  [{ $addFields: { maker: { $mergeObjects: ['$maker', { logo: '$photo' }] } } }],
  [{ $set: { pages: ['$photo'] } }],
  [{ $set: { parts: { $reverseArray: '$parts' } } }],
  [{ $set: { 'languages.en': '$photo' } }],
  [{ $set: { 'photo.path': null } }],
  [{ $unset: 'photo.files' }],
  [{ $project: { photo: '$maker.logo' } }],
  [{ $project: { 'photo.filename': 1 } }],
  [{ $replaceRoot: { newRoot: '$maker' } }],
  [{ $replaceWith: '$maker' }],
])('is refused: %j', (stage) => {
  expect(onlyTakesAway([{ $set: { name: 'x' } }, stage], places)).toBe(false);
});
