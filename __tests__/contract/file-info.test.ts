import { describe, expect, test } from '@jest/globals';
import { isIssued, issued, toFileInfo } from '../../lib/contract/file-info.js';

const details = {
  id: 'a1',
  filename: 'a.txt',
  contentType: 'text/plain',
  size: 7,
  lastModified: new Date(Date.UTC(2026, 0, 31, 23, 59, 59)),
  sha256: 'abc',
  metadata: { a: 1 },
  etag: '"secret"',
  publicUrl: 'https://example.org/a1',
};

describe('toFileInfo', () => {
  test('is plain JSON, and nothing else of the details', () => {
    const info = toFileInfo('photos', details, '/depot/photos/a1');
    expect(JSON.parse(JSON.stringify(info))).toEqual({
      storage: 'photos',
      id: 'a1',
      path: 'photos/a1',
      url: '/depot/photos/a1',
      filename: 'a.txt',
      contentType: 'text/plain',
      size: 7,
      sha256: 'abc',
      lastModified: '2026-01-31T23:59:59.000Z',
      metadata: { a: 1 },
    });
  });

  test('of a file that others wrote has no digest', () => {
    const { sha256: _, ...others } = details;
    expect(JSON.stringify(toFileInfo('photos', others, '/'))).not.toContain('sha256');
  });
});

describe('what was issued here', () => {
  test('is told from what a client has sent', () => {
    const info = toFileInfo('photos', details, '/');
    expect(isIssued(info)).toBe(true);
    expect(isIssued(issued({ path: 'photos/a1' }))).toBe(true);
    for (const forged of [{ ...info }, JSON.parse(JSON.stringify(info)), null, undefined, 'photos/a1', 7])
      expect(isIssued(forged)).toBe(false);
  });
});
