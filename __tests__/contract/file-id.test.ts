import { describe, expect, test } from '@jest/globals';
import { assertFileId, createFileId, isFileId } from '../../lib/contract/file-id.js';

describe('isFileId', () => {
  test.each([
    ['6ba7b810-9dad-41d1-80b4-00c04fd430c8'],
    ['6ba7b810-9dad-11d1-80b4-00c04fd430c8'],
    ['507f1f77bcf86cd799439011'],
    ['a'],
    ['0'],
    ['A_b-C'],
    ['constructor'],
    ['x'.repeat(128)],
  ])('%j can be an id', (id) => {
    expect(isFileId(id)).toBe(true);
    expect(() => assertFileId(id)).not.toThrow();
  });

  test.each([
    [''],
    ['.'],
    ['..'],
    ['.hidden'],
    ['-rf'],
    ['_x'],
    ['__proto__'],
    ['a.b'],
    ['a/b'],
    ['../a'],
    ['a\\b'],
    ['a%2fb'],
    ['a b'],
    ['a\n'],
    ['\na'],
    ['a\0'],
    ['é'],
    ['ａ'],
    ['\u212a'],
    ['ı'],
    ['x'.repeat(129)],
    [undefined],
    [null],
    [1],
    [true],
    [{}],
    [['a']],
    [{ toString: () => 'a' }],
    [new String('a')],
  ])('%p cannot', (id) => {
    expect(isFileId(id)).toBe(false);
    expect(() => assertFileId(id)).toThrow(expect.objectContaining({ code: 'INVALID_FILE_ID', status: 404 }));
  });

  test('what cannot be an id is shown in part only', () => {
    const act = () => assertFileId('/'.repeat(100_000));
    expect(act).toThrow(expect.objectContaining({ message: `Not a file id: "${'/'.repeat(100)}"` }));
  });
});

describe('createFileId', () => {
  test('makes random UUIDs of version 4', () => {
    const ids = Array.from({ length: 1000 }, createFileId);
    for (const id of ids) {
      expect(id).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
      expect(isFileId(id)).toBe(true);
    }
    expect(new Set(ids).size).toBe(ids.length);
  });
});
