import { randomBytes } from 'node:crypto';
import { describe, expect, test } from '@jest/globals';
import {
  contentTypeOfName,
  detectContentType,
  HEAD_BYTES,
  parsedContentType,
} from '../../lib/internal/content-type.js';

describe('contentTypeOfName', () => {
  test.each([
    ['photo.jpg', 'image/jpeg'],
    ['PHOTO.JPG', 'image/jpeg'],
    ['page.html', 'text/html'],
    ['archive.tar.gz', 'application/gzip'],
    ['unnamed', undefined],
    ['strange.extension', undefined],
    ['', undefined],
    ['.', undefined],
    ['x.__proto__', undefined],
    ['x.constructor', undefined],
  ])('of %j is %j', (filename, type) => {
    expect(contentTypeOfName(filename)).toBe(type);
  });
});

describe('detectContentType', () => {
  test.each([
    ['a PNG', Buffer.from('89504e470d0a1a0a0000000d49484452', 'hex'), 'image/png'],
    ['a GIF', Buffer.from('GIF89a'), 'image/gif'],
    ['a PDF', Buffer.from('%PDF-1.7\n'), 'application/pdf'],
    ['a TIFF whose directory is far away', Buffer.from('II*\0\0\0\xff\0\0\0\0\0', 'latin1'), 'image/tiff'],
    ['such a TIFF of the other byte order', Buffer.from('MM\0*\0\xff\0\0\0\0\0\0', 'latin1'), 'image/tiff'],
    ['text', Buffer.from('hello, world'), undefined],
    ['HTML', Buffer.from('<!doctype html><script>alert(1)</script>'), undefined],
    ['nothing', Buffer.alloc(0), undefined],
    ['one byte', Buffer.from([0x89]), undefined],
  ])('of %s', async (_what, head, type) => {
    expect(await detectContentType(head)).toBe(type);
  });

  test('takes any bytes behind a known beginning', async () => {
    const beginnings = [
      '89504e470d0a1a0a',
      '504b0304',
      'ffd8ff',
      '494433',
      '1a45dfa3',
      '52494646',
      '49492a00',
      '4f676753',
    ];
    for (const beginning of beginnings) {
      const head = Buffer.concat([Buffer.from(beginning, 'hex'), randomBytes(HEAD_BYTES - 8)]);
      for (const length of [4, 9, 40, 300, HEAD_BYTES]) await detectContentType(head.subarray(0, length));
    }
  });
});

describe('parsedContentType', () => {
  test.each([
    ['image/png', 'image/png'],
    ['IMAGE/PNG', 'image/png'],
    ['text/html; charset=UTF-8', 'text/html; charset=UTF-8'],
    ['Text/HTML ;charset=utf-8', 'text/html;charset=utf-8'],
    ['image/svg+xml', 'image/svg+xml'],
    ['text', undefined],
    ['text/', undefined],
    ['/html', undefined],
    ['', undefined],
    ['text/html\r\nSet-Cookie: a=b', undefined],
    ['text/html; charset=utf-8\nX: y', undefined],
    ['text/html, text/plain', undefined],
    ['text/ht ml', undefined],
    ['text/plain\0', undefined],
    ['текст/plain', undefined],
    [undefined, undefined],
    [['image/png'], undefined],
    [5, undefined],
  ])('of %j is %j', (given, parsed) => {
    expect(parsedContentType(given as string)).toBe(parsed);
  });
});
