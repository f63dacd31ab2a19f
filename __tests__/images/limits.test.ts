import { describe, expect, test } from '@jest/globals';
import { assertWithin, checkedLimits } from '../../lib/images/limits.js';

describe('limits', () => {
  test('have defaults', () => {
    expect(checkedLimits({ maxPages: 3 })).toEqual({
      maxPixels: 64_000_000,
      maxSide: 32_767,
      maxPages: 3,
      timeout: 20,
      concurrency: 2,
    });
  });

  test.each([0, -1, 1.5, Number.NaN, Number.POSITIVE_INFINITY, '5' as unknown as number])(
    'are whole numbers from 1, not %p',
    (maxPixels) => {
      expect(() => checkedLimits({ maxPixels })).toThrow(expect.objectContaining({ code: 'INVALID_OPTION' }));
    },
  );
});

test('a limit that does not exist is no limit that was left out', () => {
  expect(() => checkedLimits({ maxPixel: 5 } as object)).toThrow(
    expect.objectContaining({
      code: 'INVALID_OPTION',
      message: expect.stringMatching(/maxPixel".*maxPixels/),
    }),
  );
});

describe('an image', () => {
  const limits = checkedLimits({ maxPixels: 1000, maxSide: 100, maxPages: 5 });

  test.each([
    ['of as many pixels as it may have', { width: 100, height: 10, pages: 1 }, 1],
    ['of more frames than pixels, if only one is read', { width: 100, height: 10, pages: 5 }, 1],
    ['of as many pixels in all frames', { width: 20, height: 10, pages: 5 }, 5],
  ])('%s is accepted', (_what, image, frames) => {
    expect(() => assertWithin(limits, image, frames)).not.toThrow();
  });

  test.each([
    ['with too many pixels', { width: 100, height: 11, pages: 1 }, 1],
    ['with too many in all frames', { width: 20, height: 11, pages: 5 }, 5],
    ['that is too wide', { width: 101, height: 1, pages: 1 }, 1],
    ['that is too high', { width: 1, height: 101, pages: 1 }, 1],
    ['with too many frames', { width: 1, height: 1, pages: 6 }, 1],
  ])('%s is refused', (_what, image, frames) => {
    expect(() => assertWithin(limits, image, frames)).toThrow(
      expect.objectContaining({ code: 'IMAGE_TOO_LARGE' }),
    );
  });
});
