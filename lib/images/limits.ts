import { DepotError } from '../errors.js';
import { assertOptionNames } from '../internal/option-names.js';
import type { Size } from './geometry.js';

/** What an image may ask of this machine; what asks for more is refused, from what its header says. */
export interface ImageLimits {
  /** Pixels of an image; of all its frames together where an animation is kept. @default 64,000,000 */
  readonly maxPixels: number;
  /** Pixels of the longer side. @default 32,767 */
  readonly maxSide: number;
  /** Frames of an animation, or pages. @default 1,000 */
  readonly maxPages: number;
  /** Seconds for one image, from when its turn has come. A whole number. @default 20 */
  readonly timeout: number;
  /** Images at once: each keeps one of the threads busy (four, unless told otherwise) that files need as well. @default 2 */
  readonly concurrency: number;
}

/** Limits as they are given; what is left out has its default. */
export type ImageLimitOptions = { readonly [Name in keyof ImageLimits]?: ImageLimits[Name] | undefined };

const DEFAULTS: ImageLimits = {
  maxPixels: 64_000_000,
  maxSide: 32_767,
  maxPages: 1_000,
  timeout: 20,
  concurrency: 2,
};

/** Seconds; more is no limit (sharp takes 3,600). */
const MAX_TIMEOUT = 3_600;

/**
 * Limits, with those that are not given at their defaults.
 * @throws DepotError `INVALID_OPTION` for what is no whole number from 1, and for a limit that does not exist
 */
export function checkedLimits(limits: ImageLimitOptions = {}): ImageLimits {
  assertOptionNames(limits, Object.keys(DEFAULTS), 'SharpProcessor');
  const given = Object.entries(limits).filter(([, value]) => value !== undefined);
  const checked: ImageLimits = { ...DEFAULTS, ...Object.fromEntries(given) };
  for (const [name, value] of Object.entries(checked)) {
    if (!Number.isSafeInteger(value) || value < 1)
      throw new DepotError('INVALID_OPTION', `${name} must be a whole number from 1, not ${value}`);
  }
  return { ...checked, timeout: Math.min(checked.timeout, MAX_TIMEOUT) };
}

/**
 * Whether an image may be decoded at all.
 * @param frames how many of its pages are to be read
 * @throws DepotError `IMAGE_TOO_LARGE`
 */
export function assertWithin(
  limits: ImageLimits,
  image: Size & { readonly pages: number },
  frames: number,
): void {
  const { width, height, pages } = image;
  if (Math.max(width, height) > limits.maxSide)
    throw tooLarge(`${width} x ${height} pixels; a side may have ${limits.maxSide}`);
  if (pages > limits.maxPages) throw tooLarge(`${pages} frames; it may have ${limits.maxPages}`);
  if (width * height * frames > limits.maxPixels)
    throw tooLarge(`${width} x ${height} pixels in ${frames} frames; it may have ${limits.maxPixels} in all`);
}

function tooLarge(found: string): DepotError {
  return new DepotError('IMAGE_TOO_LARGE', `The image has ${found}`);
}
