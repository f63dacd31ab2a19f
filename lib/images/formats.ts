import { DepotError } from '../errors.js';

/** What images can be: nothing else ever reaches the decoders. */
export type ImageFormat = 'jpeg' | 'png' | 'webp' | 'avif' | 'heif' | 'gif' | 'tiff';

/** What can be made of them. */
export type OutputFormat = Exclude<ImageFormat, 'heif'>;

/**
 * Formats by the media type that magic bytes show. What is left out is left out on purpose: SVG and PDF are programs
 * that may fetch what they name, and raw formats of cameras wear the magic bytes of TIFF.
 */
const FORMAT_OF_TYPE: Readonly<Record<string, ImageFormat>> = {
  'image/jpeg': 'jpeg',
  'image/png': 'png',
  'image/apng': 'png',
  'image/webp': 'webp',
  'image/avif': 'avif',
  'image/heif': 'heif',
  'image/heic': 'heif',
  'image/gif': 'gif',
  'image/tiff': 'tiff',
};

/** Formats whose frames are an animation, and not the pages of a document. */
const ANIMATED: ReadonlySet<string> = new Set<ImageFormat>(['gif', 'webp']);

const EXTENSIONS: Readonly<Record<ImageFormat, string>> = {
  jpeg: 'jpg',
  png: 'png',
  webp: 'webp',
  avif: 'avif',
  heif: 'heic',
  gif: 'gif',
  tiff: 'tif',
};

/**
 * The format of an image whose first bytes show this media type.
 * @throws DepotError `IMAGE_NOT_ACCEPTED`
 */
export function acceptedFormat(detectedType: string | undefined): ImageFormat {
  const format = detectedType === undefined ? undefined : FORMAT_OF_TYPE[detectedType];
  if (format) return format;
  const found = detectedType ? `of type ${detectedType}` : 'of no known type';
  throw new DepotError('IMAGE_NOT_ACCEPTED', `This is not an image that can be processed, but ${found}`);
}

/** Whether this is the name of a format, and none that merely looks like one, as `jpg` does. */
export function isImageFormat(name: unknown): name is ImageFormat {
  return typeof name === 'string' && Object.hasOwn(EXTENSIONS, name);
}

/** Whether several frames of this format are an animation. */
export function canBeAnimated(format: ImageFormat): boolean {
  return ANIMATED.has(format);
}

/** In what an image is written again: in its own format, and in JPEG where nobody may write that. */
export function outputFormatOf(format: ImageFormat): OutputFormat {
  return format === 'heif' ? 'jpeg' : format;
}

/** Media type of a format. */
export function typeOfFormat(format: ImageFormat): string {
  return `image/${format}`;
}

/** What names of files of a format end in, without the dot. */
export function extensionOf(format: ImageFormat): string {
  return EXTENSIONS[format];
}
