import { expect, test } from '@jest/globals';
import { mendName, receivedFileName } from '../../lib/upload/file-names.js';

/** UTF-8 as a parser gives it that takes it for Latin-1. */
const misread = (name: string): string => Buffer.from(name).toString('latin1');

test.each([
  ['plain.txt', 'plain.txt'],
  [misread('größe.txt'), 'größe.txt'],
  [misread('日本語.png'), '日本語.png'],
  [misread('🙂.gif'), '🙂.gif'],
  ['größe.txt', 'größe.txt'],
  ['caf\u00e9', 'caf\u00e9'],
  ['日本語.png', '日本語.png'],
  ['日本 é.png', '日本 é.png'],
  ['', ''],
])('%j was meant as %j', (received, meant) => {
  expect(mendName(received)).toBe(meant);
});

test.each([
  ['C:\\fakepath\\photo.png', 'photo.png'],
  ['../../etc/passwd', 'passwd'],
  [misread('../größe.txt'), 'größe.txt'],
  [misread('a\u202egpj.exe'), 'agpj.exe'],
  ['a\r\nb', 'ab'],
  ['..', 'unnamed'],
])('%j is received as %j', (received, name) => {
  expect(receivedFileName(received)).toBe(name);
});
