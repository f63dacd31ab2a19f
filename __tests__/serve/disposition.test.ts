import { describe, expect, test } from '@jest/globals';
import { parse } from 'content-disposition';
import { formatDisposition, isSafeInline } from '../../lib/serve/disposition.js';

describe('what browsers may show', () => {
  test.each([
    'image/png',
    'image/jpeg',
    'image/gif',
    'image/webp',
    'image/avif',
    'image/x-icon',
    'IMAGE/PNG',
    'image/png; foo=bar',
    'audio/mpeg',
    'audio/ogg; codecs=opus',
    'audio/x-m4a',
    'video/mp4',
    'video/webm',
    'text/plain',
    'Text/Plain; charset=utf-8',
  ])('%s', (type) => expect(isSafeInline(type)).toBe(true));
});

describe('what browsers must download', () => {
  test.each([
    'text/html',
    'TEXT/HTML; charset=utf-8',
    ' text/html',
    'text/html;',
    'application/xhtml+xml',
    'image/svg+xml',
    'Image/SVG+XML',
    'image/svg+xml;charset=utf-8',
    'text/xml',
    'application/xml',
    'application/atom+xml',
    'video/anything+xml',
    'audio/anything+xml',
    'image/anything+xml',
    'application/pdf',
    'text/javascript',
    'application/javascript',
    'application/ecmascript',
    'text/css',
    'text/csv',
    'text/calendar',
    'text/plainx',
    'application/json',
    'application/octet-stream',
    'application/x-shockwave-flash',
    'multipart/related',
    'message/rfc822',
    'image/',
    'video/',
    'image',
    'image/*',
    '',
    'text/plain, text/html',
    'video/mp4\ntext/html',
  ])('%j', (type) => expect(isSafeInline(type)).toBe(false));
});

describe('names', () => {
  test.each([
    ['RFC 6266 section 4.3: a token', 'plain.txt', 'inline; filename="plain.txt"'],
    ['RFC 6266 section 4.3: spaces', 'two words.txt', 'inline; filename="two words.txt"'],
    ['RFC 9110 section 5.6.4: quotes', 'a "b" c.txt', 'inline; filename="a \\"b\\" c.txt"'],
    [
      'RFC 8187 section 3.2: beyond ASCII',
      'naïve €.txt',
      'inline; filename="na_ve _.txt"; filename*=UTF-8\'\'na%C3%AFve%20%E2%82%AC.txt',
    ],
    [
      'RFC 6266 appendix D: what looks percent-encoded',
      '100%41.txt',
      'inline; filename="100%41.txt"; filename*=UTF-8\'\'100%2541.txt',
    ],
  ])('%s', (_section, name, header) => {
    expect(formatDisposition('inline', name)).toBe(header);
  });

  test.each([
    'a\r\nSet-Cookie: x=1.txt',
    'a\u202etxt.exe',
    'nul\0.txt',
    '../../etc/passwd',
    '..\\..\\boot.ini',
    'semi;colon=1.txt',
    "apos'tro*phe.txt",
    '\ud800.txt',
    `${'ü'.repeat(300)}.txt`,
    '...',
    '',
    '日本語 ファイル.txt',
    'back\\slash"quote.txt',
  ])('%j breaks no header, and can be read again', (name) => {
    const header = formatDisposition('attachment', name);
    expect(header).toMatch(/^attachment; filename="[\x20-\x7e]+"(; filename\*=UTF-8''[\x21-\x7e]+)?$/);
    const { type, parameters } = parse(header);
    expect(type).toBe('attachment');
    expect(parameters.filename).not.toMatch(/[/\\\0\r\n\u202e]|^\.*$/);
  });
});
