import type { Raw, SharpConstructor } from 'sharp';
import { commonSize, type Frame } from '../geometry.js';
import { failAsInvalid, type ImageHeader, type SharpSource } from './source.js';

/** Pixels of an image, upright, in sRGB, 8 bits each: no larger than the largest picture that is made of them. */
export interface Pixels {
  readonly data: Buffer;
  readonly raw: Raw;
}

/**
 * Decodes an image once for all frames, or its first page. Decoders of JPEG and WebP shrink while they decode.
 * @throws DepotError `IMAGE_INVALID`, `IMAGE_TIMEOUT`
 */
export async function decode(
  source: SharpSource,
  header: ImageHeader,
  frames: readonly Frame[],
): Promise<Pixels> {
  const image = source
    .open({ autoOrient: true })
    .resize({ ...commonSize(header, frames), fit: 'fill' })
    .raw();
  if (header.isDeepColour) image.withIccProfile('srgb', { attach: false });
  const { data, info } = await image.toBuffer({ resolveWithObject: true }).catch(failAsInvalid);
  const { width, height, channels } = info;
  return { data, raw: { width, height, channels } };
}

/** Pixels as an image again. */
export function openPixels(sharp: SharpConstructor, { data, raw }: Pixels) {
  return sharp(data, { raw });
}
