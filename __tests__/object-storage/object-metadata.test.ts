import { describe, expect, test } from '@jest/globals';
import {
  formatDisposition,
  formatUserMetadata,
  parseUserMetadata,
  revisionOf,
  type WrittenFile,
} from '../../lib/object-storage/object-metadata.js';

const FILE: WrittenFile = {
  id: 'id',
  filename: 'žluť "1" 100%.txt',
  contentType: 'text/plain',
  metadata: {},
  sha256: 'a'.repeat(64),
  lastModified: new Date('2024-02-29T23:59:59Z'),
};

/** Only what headers can carry. */
const HEADER_VALUE = /^[\x20-\x7e]*$/;

describe('user metadata of an object', () => {
  test('are those of Python, and ours', () => {
    expect(formatUserMetadata(FILE, 'revision', 2048)).toEqual({
      'x-depot-filename': '%C5%BElu%C5%A5%20%221%22%20100%25.txt',
      'x-depot-modified': '2024-02-29 23:59:59',
      'x-depot-sha256': FILE.sha256,
      'x-depot-revision': 'revision',
    });
  });

  test.each([
    [{ a: 1, b: ['x', null] }],
    [{ name: 'žluťoučký' }],
    [{ text: 'two  spaces' }],
    [{ lines: 'a\r\nb' }],
  ])('keep %j as a header can carry it', (metadata) => {
    const written = formatUserMetadata({ ...FILE, metadata }, 'revision', 8192);
    for (const value of Object.values(written)) expect(value).toMatch(HEADER_VALUE);
    expect(parseUserMetadata(written, undefined)).toEqual({
      filename: FILE.filename,
      lastModified: FILE.lastModified,
      sha256: FILE.sha256,
      metadata,
    });
    expect(revisionOf(written)).toBe('revision');
  });

  test('leave the name to the disposition where there is no room for all', () => {
    const file = { ...FILE, filename: 'ž'.repeat(120), metadata: { text: 'ž'.repeat(480) } };
    const written = formatUserMetadata(file, 'revision', 2048);
    expect(written).not.toHaveProperty('x-depot-filename');
    const disposition = formatDisposition('inline', file.filename);
    expect(parseUserMetadata(written, disposition)).toMatchObject({
      filename: file.filename,
      metadata: file.metadata,
    });
  });

  test.each([
    ['nothing', {}, undefined, { filename: 'unnamed', metadata: {} }],
    ['a disposition', {}, 'attachment; filename="a.txt"', { filename: 'a.txt' }],
    ['a disposition that is none', {}, '"', { filename: 'unnamed' }],
    ['a name that is not encoded well', { 'x-depot-filename': '100%' }, undefined, { filename: '100%' }],
    [
      'a path for a name',
      { 'x-depot-filename': '..%2F..%2Fetc%2Fpasswd' },
      undefined,
      { filename: 'passwd' },
    ],
    ['a digest that is none', { 'x-depot-sha256': 'x' }, undefined, { sha256: undefined }],
    ['metadata that are none', { 'x-depot-metadata': '{' }, undefined, { metadata: {} }],
    ['metadata that are a list', { 'x-depot-metadata': '[1]' }, undefined, { metadata: {} }],
  ])('of others: %s', (_what, userMetadata, disposition, file) => {
    expect(parseUserMetadata(userMetadata, disposition)).toMatchObject(file);
  });

  test('of others may have no date', () => {
    expect(parseUserMetadata({ 'x-depot-modified': 'yesterday' }, undefined)).not.toHaveProperty(
      'lastModified',
    );
  });
});

test('a disposition has the name in ASCII, and in UTF-8 where that is not all', () => {
  expect(formatDisposition('inline', 'a.txt')).toBe('inline; filename="a.txt"');
  expect(formatDisposition('attachment', 'ž.txt')).toBe(
    `attachment; filename="_.txt"; filename*=UTF-8''%C5%BE.txt`,
  );
});
