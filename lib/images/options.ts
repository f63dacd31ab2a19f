import { DepotError } from '../errors.js';
import { assertOptionNames } from '../internal/option-names.js';
import { type ImageFormat, isImageFormat, type OutputFormat } from './formats.js';
import type { Fit, Size } from './geometry.js';

/** Width and height in pixels, or one number for both. */
export type ImageSize = number | readonly [width: number, height: number];

const FITS: ReadonlySet<unknown> = new Set<Fit>(['inside', 'cover', 'contain', 'fill']);
const THUMBNAIL_FORMATS: ReadonlySet<unknown> = new Set<OutputFormat>(['jpeg', 'png', 'webp', 'avif', 'gif']);

/** Pixels: more than the formats of thumbnails can hold. */
const MAX_SIDE = 16_383;

/** Every option of a function that makes something. */
export type OptionNames<Options> = { readonly [Name in keyof Options]-?: true };

/**
 * Options of the function that is called so.
 * @throws DepotError `INVALID_OPTION` for one that does not exist
 */
export function checkedNames<Options>(options: Options, names: OptionNames<Options>, owner: string): Options {
  assertOptionNames(options, Object.keys(names), owner);
  return options;
}

/** @throws DepotError `INVALID_OPTION` */
export function checkedSize(size: ImageSize): Size {
  const [width, height] = typeof size === 'number' ? [size, size] : size;
  if (isBetween(width, 1, MAX_SIDE) && isBetween(height, 1, MAX_SIDE)) return { width, height };
  throw invalid(`A size is one or two whole numbers from 1 to ${MAX_SIDE}`, size);
}

/** @throws DepotError `INVALID_OPTION` */
export function checkedQuality(quality: number | undefined): number | undefined {
  if (quality === undefined || isBetween(quality, 1, 100)) return quality;
  throw invalid('A quality is a whole number from 1 to 100', quality);
}

/** @throws DepotError `INVALID_OPTION` */
export function checkedFit(fit: Fit): Fit {
  if (FITS.has(fit)) return fit;
  throw invalid(`A fit is one of ${[...FITS].join(', ')}`, fit);
}

/** @throws DepotError `INVALID_OPTION` */
export function checkedThumbnailFormat<Format extends OutputFormat>(format: Format): Format {
  if (THUMBNAIL_FORMATS.has(format)) return format;
  throw invalid(`The format of a thumbnail is one of ${[...THUMBNAIL_FORMATS].join(', ')}`, format);
}

/** @throws DepotError `INVALID_OPTION` */
export function checkedFormats(
  formats: readonly ImageFormat[] | undefined,
): readonly ImageFormat[] | undefined {
  if (formats === undefined || (Array.isArray(formats) && formats.every(isImageFormat))) return formats;
  throw invalid('Formats of images are jpeg, png, webp, avif, heif, gif and tiff', formats);
}

function isBetween(value: unknown, least: number, most: number): boolean {
  return Number.isSafeInteger(value) && Number(value) >= least && Number(value) <= most;
}

function invalid(rule: string, found: unknown): DepotError {
  return new DepotError('INVALID_OPTION', `${rule}, not ${JSON.stringify(found)}`);
}
