import { describe, expect, test } from '@jest/globals';
import {
  commonSize,
  exactFrame,
  type Fit,
  type Frame,
  isLarger,
  neededScale,
} from '../../lib/images/geometry.js';

const PHOTO = { width: 4000, height: 3000 };

function frame(width: number, height: number, fit: Fit = 'inside'): Frame {
  return { width, height, fit };
}

describe('the scale that a frame needs', () => {
  test.each([
    ['a whole picture, by its tighter side', PHOTO, frame(400, 400), 0.1],
    ['the same on a background', PHOTO, frame(400, 150, 'contain'), 0.05],
    ['a filled frame, by its wider side', PHOTO, frame(400, 600, 'cover'), 0.2],
    ['a stretched picture, by its wider side', PHOTO, frame(400, 600, 'fill'), 0.2],
    ['nothing is enlarged', { width: 10, height: 10 }, frame(400, 400), 1],
    ['not even on one side', { width: 1, height: 30_000 }, frame(128, 128, 'cover'), 1],
  ])('%s', (_what, image, wanted, scale) => {
    expect(neededScale(image, wanted)).toBeCloseTo(scale);
  });
});

describe('the size that serves several frames', () => {
  test.each([
    ['that of the largest', PHOTO, [frame(200, 200), frame(800, 800), frame(400, 400)], [800, 600]],
    [
      'by what they need, and not by what they measure',
      PHOTO,
      [frame(900, 90), frame(200, 300, 'cover')],
      [400, 300],
    ],
    ['never more than the image', PHOTO, [frame(9000, 9000), frame(200, 200)], [4000, 3000]],
    ['at least a pixel of a narrow one', { width: 1, height: 30_000 }, [frame(128, 128)], [1, 128]],
    ['a pixel, if nobody wants anything', PHOTO, [], [1, 1]],
  ])('is %s', (_what, image, frames, [width, height]) => {
    expect(commonSize(image, frames)).toEqual({ width, height });
  });
});

describe('the exact frame', () => {
  test('of a whole picture is the picture itself', () => {
    const image = { width: 400, height: 300 };
    expect(exactFrame(image, frame(50, 50))).toEqual(frame(50, 38, 'fill'));
    expect(exactFrame(image, frame(500, 500))).toEqual(frame(400, 300, 'fill'));
  });

  test.each(['cover', 'contain', 'fill'] as const)('of %s is the frame', (fit) => {
    expect(exactFrame(PHOTO, frame(50, 40, fit))).toEqual(frame(50, 40, fit));
  });
});

test.each([
  [100, 100, false],
  [101, 100, true],
  [100, 101, true],
  [1, 1, false],
])('%i x %i is larger than 100 x 100: %p', (width, height, answer) => {
  expect(isLarger({ width, height }, { width: 100, height: 100 })).toBe(answer);
});
