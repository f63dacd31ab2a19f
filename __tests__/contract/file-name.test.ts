import { describe, expect, test } from '@jest/globals';
import { cleanFileName, MAX_FILE_NAME_BYTES } from '../../lib/contract/file-name.js';

describe('cleanFileName', () => {
  test.each([
    ['photo.jpg'],
    ['žluťoučký kůň.txt'],
    ['写真.png'],
    ['صورة.png'],
    ['🏳️‍🌈.svg'],
    ['a"b\'c`d.txt'],
    ['a%2fb.txt'],
    ['a;b=c,d&e?f#g.txt'],
    ['<script>.html'],
    ['__proto__'],
    ['constructor'],
    ['.gitignore'],
    ['...three'],
    ['archive.tar.gz'],
    ['dot at the end.'],
  ])('keeps %j', (name) => {
    expect(cleanFileName(name)).toBe(name);
  });

  test.each([{}, ['a.txt'], 0, 5, true])('refuses %j, which is no text', (name) => {
    expect(() => cleanFileName(name as never)).toThrow(
      expect.objectContaining({ code: 'INVALID_METADATA', status: 400 }),
    );
  });

  test.each([
    [undefined, 'unnamed'],
    [null, 'unnamed'],
    ['', 'unnamed'],
    ['   ', 'unnamed'],
    ['.', 'unnamed'],
    ['..', 'unnamed'],
    ['......', 'unnamed'],
    [' . ', 'unnamed'],
    ['/', 'unnamed'],
    ['folder/', 'unnamed'],
    ['a/..', 'unnamed'],
    ['\r\n\t\0', 'unnamed'],
    ['\u202e\u2066', 'unnamed'],
  ])('%j leaves no name', (name, cleaned) => {
    expect(cleanFileName(name)).toBe(cleaned);
  });

  test.each([
    ['../../etc/passwd', 'passwd'],
    ['/abs/path.txt', 'path.txt'],
    ['..\\..\\windows\\win.ini', 'win.ini'],
    ['C:\\fakepath\\me.png', 'me.png'],
    ['a/b\\c', 'c'],
    ['line\nbreak/name.txt', 'name.txt'],
  ])('of %j keeps the last part', (name, cleaned) => {
    expect(cleanFileName(name)).toBe(cleaned);
  });

  test.each([
    ['a\r\nX-Evil: 1.txt', 'aX-Evil: 1.txt'],
    ['a\0.png', 'a.png'],
    ['a\u007f\u0080\u009fb', 'ab'],
    ['a\u2028b\u2029c', 'abc'],
    ['cod\u202egpj.exe', 'codgpj.exe'],
    ['\u200ea\u200fb\u061cc\u202ad\u202be\u202cf\u202dg', 'abcdefg'],
    ['\u2066a\u2067b\u2068c\u2069', 'abc'],
    ['\ufeffbom.txt', 'bom.txt'],
    ['\u202e/../x', 'x'],
  ])('of %j takes out what harms', (name, cleaned) => {
    expect(cleanFileName(name)).toBe(cleaned);
  });

  test('composes what was decomposed (NFC), as other systems send it', () => {
    expect(cleanFileName('cafe\u0301.txt')).toBe('caf\u00e9.txt');
  });

  test('mends half characters', () => {
    expect(cleanFileName('a\ud83db.txt')).toBe('a\ufffdb.txt');
  });

  describe('cuts what is too long', () => {
    test.each(['a', 'é', '写', '🐎', 'e\u0323'])('made of %j, between its characters', (character) => {
      for (let length = 240; length < 265; length++) {
        const cleaned = cleanFileName(`${character.repeat(length)}.jpeg`);
        expect(Buffer.byteLength(cleaned)).toBeLessThanOrEqual(MAX_FILE_NAME_BYTES);
        expect(cleaned).toMatch(/\.jpeg$/);
        expect(cleaned.isWellFormed()).toBe(true);
        expect(cleaned).not.toContain('\ufffd');
      }
    });

    test('and not what just fits', () => {
      const name = `${'a'.repeat(MAX_FILE_NAME_BYTES - 4)}.txt`;
      expect(cleanFileName(name)).toBe(name);
    });

    test('without an extension', () => {
      expect(cleanFileName('a'.repeat(1000))).toBe('a'.repeat(MAX_FILE_NAME_BYTES));
    });

    test('where the extension is no extension', () => {
      const cleaned = cleanFileName(`a.${'b'.repeat(1000)}`);
      expect(Buffer.byteLength(cleaned)).toBe(MAX_FILE_NAME_BYTES);
      expect(cleaned.startsWith('a.bbb')).toBe(true);
    });

    test('in time, however long it is', () => {
      const start = performance.now();
      cleanFileName('/'.repeat(1_000_000));
      cleanFileName('.'.repeat(1_000_000));
      cleanFileName(`${' '.repeat(1_000_000)}a`);
      cleanFileName(`a${' .'.repeat(500_000)} `);
      expect(performance.now() - start).toBeLessThan(2000);
    });
  });

  test('is at rest: a clean name stays as it is', () => {
    for (const name of ['../a\0b.txt', 'cafe\u0301', `${'🐎'.repeat(100)}.x`, 'a'.repeat(300), '\ud800x']) {
      expect(cleanFileName(cleanFileName(name))).toBe(cleanFileName(name));
    }
  });
});
