import { expect, test } from '@jest/globals';
import { effectiveLimits, largestForm } from '../../lib/upload/limits.js';

test.each([
  [10, 10],
  ['10', 10],
  ['1kb', 1024],
  ['10mb', 10 * 1024 * 1024],
  ['1.5 MB', 1.5 * 1024 * 1024],
  [0, 0],
  [Number.POSITIVE_INFINITY, Number.POSITIVE_INFINITY],
])('a size of %j is %d bytes', (fileSize, bytes) => {
  expect(effectiveLimits({ fileSize }).fileSize).toBe(bytes);
});

test.each(['', 'mb', '10 foo', '-1', '1e3', '0x10', -1, 0.5, Number.NaN, Number.NEGATIVE_INFINITY])(
  '%j is no size',
  (fileSize) => {
    expect(() => effectiveLimits({ fileSize })).toThrow(expect.objectContaining({ code: 'INVALID_OPTION' }));
  },
);

test('what is left out or undefined has its default; parts follow from files and fields', () => {
  const { files, fields, parts, fieldSize } = effectiveLimits({ fields: undefined, files: 3 });
  expect([files, fields, parts, fieldSize]).toEqual([3, 100, 103, 1024 * 1024]);
  expect(effectiveLimits({ files: 1, parts: 7 }).parts).toBe(7);
});

test('the largest form has room for all that is allowed', () => {
  const limits = effectiveLimits({ fileSize: 1000, files: 2, fields: 1, fieldSize: 10 });
  expect(largestForm(limits, 2)).toBeGreaterThan(2 * 1000 + 10);
  expect(largestForm(limits, 2)).toBeLessThan(2 * 1000 + 10 + 100 * 1024);
  expect(largestForm(effectiveLimits(), 0)).toBeLessThan(Number.POSITIVE_INFINITY);
  expect(largestForm(effectiveLimits(), 1)).toBe(Number.POSITIVE_INFINITY);
});
