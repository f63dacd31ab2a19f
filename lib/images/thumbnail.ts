import { parse } from 'node:path';
import type { AttachmentFilter, FilterContext } from '../attachments/filters.js';
import { DepotError } from '../errors.js';
import { extensionOf, type OutputFormat, typeOfFormat } from './formats.js';
import type { Fit } from './geometry.js';
import { type GrantedWish, ImageFilter, type ImageFilterOptions } from './image-filter.js';
import type { RenditionRequest } from './image-processor.js';
import {
  checkedFit,
  checkedNames,
  checkedQuality,
  checkedSize,
  checkedThumbnailFormat,
  type ImageSize,
  type OptionNames,
} from './options.js';

/** What thumbnails can be written in. Animations stay animated in WebP and GIF; the others show the first frame. */
export type ThumbnailFormat = Exclude<OutputFormat, 'tiff'>;

export interface ThumbnailOptions extends ImageFilterOptions {
  /** Key of the thumbnail in the attachment. @default 'thumb' */
  readonly name?: string | undefined;
  /** The frame that it fits into, in pixels; an image that is smaller is not enlarged. @default 128 */
  readonly size?: ImageSize | undefined;
  /** How it is brought into the frame. @default 'inside' */
  readonly fit?: Fit | undefined;
  /** @default 'png' */
  readonly format?: ThumbnailFormat | undefined;
  /** From 1 to 100, of JPEG (80), WebP (80) and AVIF (50). @default as in the brackets */
  readonly quality?: number | undefined;
  /** Whether JPEG and PNG come into sight step by step; costs several times the work. @default false */
  readonly progressive?: boolean | undefined;
  /** Name or alias of the storage for the thumbnail. @default the original's */
  readonly storage?: string | undefined;
}

const OPTIONS: OptionNames<ThumbnailOptions> = {
  processor: true,
  name: true,
  size: true,
  fit: true,
  format: true,
  quality: true,
  progressive: true,
  storage: true,
};

/** Pixels; as Python's filedepot has it. */
const DEFAULT_SIZE = 128;

/** A thumbnail that is to be made, in a format that does not depend on the image. */
export interface ThumbnailRequest extends RenditionRequest {
  readonly format: ThumbnailFormat;
}

/** @throws DepotError `INVALID_OPTION` */
export function thumbnailRequest(options: ThumbnailOptions): ThumbnailRequest {
  const { size = DEFAULT_SIZE, fit = 'inside', format = 'png', progressive = false } = options;
  return {
    ...checkedSize(size),
    fit: checkedFit(fit),
    format: checkedThumbnailFormat(format),
    quality: checkedQuality(options.quality),
    progressive,
  };
}

/**
 * A filter that adds a thumbnail: upright, in sRGB, without the metadata of the original. It stands in the attachment under
 * its name, with its `width` and `height`. Several on one field are made from one decoding of the image.
 *
 * Content that is no image, or not one that can be processed, refuses the attachment: with `IMAGE_NOT_ACCEPTED`,
 * `IMAGE_INVALID`, `IMAGE_TOO_LARGE` or `IMAGE_TIMEOUT`. Needs the package `sharp`.
 * @throws DepotError `INVALID_OPTION`
 */
export function withThumbnail(options: ThumbnailOptions = {}): AttachmentFilter {
  return new Thumbnail(checkedNames(options, OPTIONS, 'withThumbnail'));
}

class Thumbnail extends ImageFilter {
  readonly #name: string;
  readonly #storage: string | undefined;

  constructor(options: ThumbnailOptions) {
    super(options, { rendition: thumbnailRequest(options) });
    this.#name = options.name ?? 'thumb';
    this.#storage = options.storage;
  }

  protected async keep({ rendition }: GrantedWish, context: FilterContext): Promise<void> {
    if (!rendition) throw new DepotError('IMAGE_FAILED', `No thumbnail ${this.#name} was made`);
    const { content, format, width, height } = rendition;
    await context.addFile(this.#name, content, {
      filename: `${this.#name}-${parse(context.original.filename).name}.${extensionOf(format)}`,
      contentType: typeOfFormat(format),
      details: { width, height },
      storage: this.#storage,
    });
  }
}
