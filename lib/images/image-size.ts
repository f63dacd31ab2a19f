import { parse } from 'node:path';
import type { IncomingContent, ProcessContent } from '../attachments/field.js';
import { type Content, toContentSource } from '../contract/content.js';
import { toLimit } from '../internal/limit.js';
import { extensionOf, outputFormatOf, typeOfFormat } from './formats.js';
import { defaultProcessor, type ImageFilterOptions } from './image-filter.js';
import type { ProcessedImage, Rendition, RenditionRequest } from './image-processor.js';
import { checkedNames, checkedQuality, checkedSize, type ImageSize, type OptionNames } from './options.js';
import { ReadableImage } from './readable-image.js';

export interface ImageSizeOptions extends ImageFilterOptions {
  /** The frame that images are shrunk into, in pixels. */
  readonly maxSize: ImageSize;
  /** From 1 to 100, of the JPEG, WebP and AVIF that are shrunk. @default 85 */
  readonly quality?: number | undefined;
  /** Bytes of what comes, or text such as `'10mb'`; one more fails with `FILE_TOO_LARGE`. @default no limit */
  readonly maxFileSize?: number | string | undefined;
}

const OPTIONS: OptionNames<ImageSizeOptions> = {
  processor: true,
  maxSize: true,
  quality: true,
  maxFileSize: true,
};

/** From 1 to 100: higher than for thumbnails, because this is the only copy that stays. */
const DEFAULT_QUALITY = 85;

/**
 * Shrinks images before they are stored, for a field's `processContent`. What fits into the frame is stored as it came, with
 * all its metadata. What is larger is written again in its own format (HEIC in JPEG): upright, in sRGB with 8 bits a
 * colour, without metadata, of pages only the first one; animations stay animated.
 *
 * Refuses what is no image as `withThumbnail` does, before anything is stored. Needs the package `sharp`.
 * @throws DepotError `INVALID_OPTION`
 */
export function withImageSize(options: ImageSizeOptions): ProcessContent {
  checkedNames(options, OPTIONS, 'withImageSize');
  const { maxSize, quality, maxFileSize = Number.POSITIVE_INFINITY, processor = defaultProcessor } = options;
  const rendition: RenditionRequest = {
    ...checkedSize(maxSize),
    fit: 'inside',
    quality: checkedQuality(quality) ?? DEFAULT_QUALITY,
    onlyIfLarger: true,
  };
  const request = { renditions: [rendition], placeholder: false };
  const limits = { maxSize: toLimit('maxFileSize', maxFileSize) };
  return async (incoming) => {
    const image = await ReadableImage.of(incoming.content, limits);
    try {
      const processed = await processor.process(image.input, request);
      const [smaller] = processed.renditions;
      if (!smaller) return unchanged(incoming, await image.handOver());
      await image.release();
      return shrunk(incoming, smaller, processed);
    } catch (error) {
      await image.release();
      throw error;
    }
  };
}

/** Where the content is another object now, what the first one said of itself must not be lost. */
function unchanged(incoming: IncomingContent, content: Content): IncomingContent {
  if (content === incoming.content) return incoming;
  const { filename, contentType } = toContentSource(incoming.content);
  return {
    ...incoming,
    content,
    filename: incoming.filename ?? filename,
    contentType: incoming.contentType ?? contentType,
  };
}

function shrunk(incoming: IncomingContent, smaller: Rendition, { facts }: ProcessedImage): IncomingContent {
  const filename = incoming.filename ?? toContentSource(incoming.content).filename;
  const isRenamed = smaller.format !== facts.format && filename !== undefined;
  return {
    ...incoming,
    content: smaller.content,
    filename: isRenamed ? `${parse(filename).name}.${extensionOf(outputFormatOf(facts.format))}` : filename,
    contentType: typeOfFormat(smaller.format),
  };
}
