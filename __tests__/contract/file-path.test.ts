import { describe, expect, test } from '@jest/globals';
import { assertStorageName, parseFilePath } from '../../lib/contract/file-path.js';

const NOT_NAMES = [
  '',
  '.',
  '..',
  '-a',
  '_a',
  '.a',
  'a/b',
  'a b',
  'a%20b',
  'a\\b',
  'é',
  'a\n',
  '__proto__',
  'a'.repeat(129),
];

describe('names of storages', () => {
  test.each(['default', 'photos', 'user-photos', 'user_photos', 'photos.old', '2026', 'constructor'])(
    '%j is one',
    (name) => {
      expect(() => assertStorageName(name)).not.toThrow();
      expect(encodeURIComponent(name)).toBe(name);
    },
  );

  test.each(NOT_NAMES)('%j is none', (name) => {
    expect(() => assertStorageName(name)).toThrow(expect.objectContaining({ code: 'INVALID_OPTION' }));
  });
});

describe('paths of files', () => {
  test('name a storage and an id', () => {
    expect(parseFilePath('photos/a1')).toEqual({ storageName: 'photos', id: 'a1' });
  });

  test.each([
    '',
    '/',
    'photos',
    'photos/',
    '/a1',
    'photos/a1/',
    '/photos/a1',
    'photos//a1',
    'photos/a1/name.txt',
    '../a1',
    'photos/..',
    'photos/%2e%2e',
    'photos\\a1',
    'pho tos/a1',
    'photos/a 1',
    'photos/a1?x',
    'photos/a1\n',
    '__proto__/a1',
    'x'.repeat(10_000),
  ])('%.40j is none', (path) => {
    expect(() => parseFilePath(path)).toThrow(expect.objectContaining({ code: 'INVALID_PATH', status: 404 }));
  });

  test.each([undefined, null, 1, {}, []])('%j is none, also where types are not checked', (path) => {
    expect(() => parseFilePath(path as unknown as string)).toThrow(
      expect.objectContaining({ code: 'INVALID_PATH' }),
    );
  });
});
