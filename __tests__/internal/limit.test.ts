import { describe, expect, test } from '@jest/globals';
import { toLimit } from '../../lib/internal/limit.js';

describe('toLimit', () => {
  test.each([
    [0, 0],
    [5, 5],
    [Number.POSITIVE_INFINITY, Number.POSITIVE_INFINITY],
    ['10', 10],
    ['1kb', 1024],
    ['1.5 MB', 1.5 * 1024 * 1024],
  ])('%j is %d bytes', (limit, bytes) => {
    expect(toLimit('limit', limit)).toBe(bytes);
  });

  test.each([-1, 1.5, Number.NaN, 'much', '', '10 apples', null])('%j is none', (limit) => {
    expect(() => toLimit('maxSize', limit as never)).toThrow(
      expect.objectContaining({ code: 'INVALID_OPTION', message: expect.stringContaining('maxSize') }),
    );
  });
});
