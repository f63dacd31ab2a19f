import type { Sharp } from 'sharp';
import { DepotError } from '../../errors.js';
import type { OutputFormat } from '../formats.js';
import type { Frame } from '../geometry.js';
import type { Rendition, RenditionRequest } from '../image-processor.js';

type EncodingOptions = Pick<RenditionRequest, 'quality' | 'progressive'>;

const WHITE = '#ffffff';
const TRANSPARENT = { r: 0, g: 0, b: 0, alpha: 0 };

/** From 1 to 100; each format has a scale of its own. */
const QUALITY = { jpeg: 80, webp: 80, avif: 50 } as const;

/**
 * How the formats are written. PNG without a palette, which would take ten times as long; `quality` is not passed on to it,
 * because it would bring one.
 */
const ENCODERS: Readonly<Record<OutputFormat, (image: Sharp, options: EncodingOptions) => Sharp>> = {
  jpeg: (image, { quality = QUALITY.jpeg, progressive = false }) =>
    image.flatten({ background: WHITE }).jpeg({ quality, progressive }),
  png: (image, { progressive = false }) => image.png({ progressive }),
  webp: (image, { quality = QUALITY.webp }) => image.webp({ quality }),
  avif: (image, { quality = QUALITY.avif }) => image.avif({ quality }),
  gif: (image) => image.gif(),
  tiff: (image) => image.tiff({ compression: 'lzw' }),
};

/** Placeholders are blurred by being tiny: sides of the frames that are tried, in pixels. */
const PLACEHOLDER_SIDES = [16, 12, 8, 4];

/** Characters of a placeholder, which lies in every row of the database. */
const PLACEHOLDER_LENGTH = 300;

/** From 1 to 100: nobody looks at it closely. */
const PLACEHOLDER_QUALITY = 20;

/** The frame that pixels for a placeholder must come from. */
export const PLACEHOLDER_FRAME = { width: 16, height: 16, fit: 'inside' } as const;

/**
 * Brings an image into a frame and writes it.
 * @throws whatever sharp fails with
 */
export async function render(
  image: Sharp,
  frame: Frame,
  format: OutputFormat,
  options: EncodingOptions,
): Promise<Rendition> {
  const background = format === 'jpeg' ? WHITE : TRANSPARENT;
  const framed = image.resize({ ...frame, background, withoutEnlargement: true });
  const { data, info } = await ENCODERS[format](framed, options).toBuffer({ resolveWithObject: true });
  return { content: data, format, width: info.width, height: info.pageHeight ?? info.height };
}

/**
 * A tiny picture as a `data:` URI.
 * @param open opens the image anew for each try
 * @throws whatever sharp fails with
 */
export async function placeholderOf(open: () => Sharp): Promise<string> {
  let uri = '';
  for (const side of PLACEHOLDER_SIDES) {
    const image = open().resize({ width: side, height: side, fit: 'inside', withoutEnlargement: true });
    const content = await image
      .webp({ quality: PLACEHOLDER_QUALITY, alphaQuality: PLACEHOLDER_QUALITY })
      .toBuffer();
    uri = `data:image/webp;base64,${content.toString('base64')}`;
    if (uri.length <= PLACEHOLDER_LENGTH) break;
  }
  return uri;
}

/** The pixels were right: what fails now is not the image's fault. */
export function failAsUnwritten(cause: Error): never {
  throw new DepotError('IMAGE_FAILED', `The picture could not be written: ${cause.message.trim()}`, {
    cause,
  });
}
