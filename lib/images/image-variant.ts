import type { StoredFile } from '../contract/stored-file.js';
import type { Variant } from '../contract/variant.js';
import { DepotError } from '../errors.js';
import { toLimit } from '../internal/limit.js';
import { Semaphore } from '../internal/semaphore.js';
import { extensionOf, typeOfFormat } from './formats.js';
import { holdContent } from './held-content.js';
import { defaultProcessor } from './image-filter.js';
import type { ImageProcessor } from './image-processor.js';
import { checkedNames, type OptionNames } from './options.js';
import { type ThumbnailOptions, type ThumbnailRequest, thumbnailRequest } from './thumbnail.js';

export interface ImageVariantOptions extends Omit<ThumbnailOptions, 'name' | 'storage'> {
  /** Bytes of an original, or text such as `'10mb'`; one more fails with `IMAGE_TOO_LARGE`. @default '50mb' */
  readonly maxFileSize?: number | string | undefined;
}

const OPTIONS: OptionNames<ImageVariantOptions> = {
  processor: true,
  size: true,
  fit: true,
  format: true,
  quality: true,
  progressive: true,
  maxFileSize: true,
};

const DEFAULT_MAX_FILE_SIZE = '50mb';

/** Originals that are here at once, in memory or in a temporary file; of others nothing is read before their turn. */
const HELD_AT_ONCE = 8;

const places = new Semaphore(HELD_AT_ONCE);

/**
 * A picture that is made of an image when somebody asks for it, for `variants` of the middleware. What thumbnails are holds
 * for it too: upright, in sRGB, without the metadata of the original, and never larger than that.
 *
 * What is no image, or not one that can be processed, is answered with `IMAGE_NOT_ACCEPTED`, `IMAGE_INVALID`,
 * `IMAGE_TOO_LARGE` or `IMAGE_TIMEOUT`. Needs the package `sharp`.
 * @throws DepotError `INVALID_OPTION`
 */
export function imageVariant(options: ImageVariantOptions = {}): Variant {
  return new ImageVariant(checkedNames(options, OPTIONS, 'imageVariant'));
}

class ImageVariant implements Variant {
  readonly contentType: string;
  readonly extension: string;
  readonly fingerprint: string;
  readonly #request: ThumbnailRequest;
  readonly #maxFileSize: number;
  readonly #processor: ImageProcessor;

  constructor(options: ImageVariantOptions) {
    this.#request = thumbnailRequest(options);
    this.#maxFileSize = toLimit('maxFileSize', options.maxFileSize ?? DEFAULT_MAX_FILE_SIZE);
    this.#processor = options.processor ?? defaultProcessor;
    this.contentType = typeOfFormat(this.#request.format);
    this.extension = extensionOf(this.#request.format);
    this.fingerprint = JSON.stringify(this.#request);
  }

  async make(file: StoredFile, { signal }: { readonly signal: AbortSignal }): Promise<Uint8Array> {
    this.#assertNotLarger(file);
    const leave = await places.acquire(signal);
    try {
      return await this.#render(file, signal);
    } finally {
      leave();
    }
  }

  #assertNotLarger({ size }: StoredFile): void {
    if (size <= this.#maxFileSize) return;
    throw new DepotError('IMAGE_TOO_LARGE', `The image has ${size} bytes; it may have ${this.#maxFileSize}`);
  }

  async #render(file: StoredFile, signal: AbortSignal): Promise<Uint8Array> {
    const held = await holdContent(file.stream({ signal }), { signal });
    try {
      const request = { renditions: [this.#request], placeholder: false };
      const { renditions } = await this.#processor.process(held.input, request, signal);
      if (!renditions[0]) throw new DepotError('IMAGE_FAILED', 'No picture was made');
      return renditions[0].content;
    } finally {
      await held.release();
    }
  }
}
