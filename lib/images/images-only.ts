import type { AttachmentFilter } from '../attachments/filters.js';
import { DepotError } from '../errors.js';
import type { ImageFormat } from './formats.js';
import { type GrantedWish, ImageFilter, type ImageFilterOptions } from './image-filter.js';
import { checkedFormats, checkedNames, type OptionNames } from './options.js';

const OPTIONS: OptionNames<ImagesOnlyOptions> = { processor: true, formats: true };

export interface ImagesOnlyOptions extends ImageFilterOptions {
  /** What an image may be: jpeg, png, webp, avif, heif, gif, tiff. @default all of them */
  readonly formats?: readonly ImageFormat[] | undefined;
}

/**
 * A filter that refuses what is no image, with `IMAGE_NOT_ACCEPTED`, and images that are broken or too large. It decodes
 * them, together with the other filters of the field: a type can be pretended, pixels cannot.
 * @throws DepotError `INVALID_OPTION`
 */
export function imagesOnly(options: ImagesOnlyOptions = {}): AttachmentFilter {
  return new ImagesOnly(checkedNames(options, OPTIONS, 'imagesOnly'));
}

class ImagesOnly extends ImageFilter {
  readonly #formats: readonly ImageFormat[] | undefined;

  constructor(options: ImagesOnlyOptions) {
    super(options, {});
    this.#formats = checkedFormats(options.formats);
  }

  protected keep({ facts }: GrantedWish): void {
    if (!this.#formats || this.#formats.includes(facts.format)) return;
    const accepted = this.#formats.join(', ');
    throw new DepotError(
      'IMAGE_NOT_ACCEPTED',
      `Images of type ${facts.format} are not accepted, but ${accepted}`,
    );
  }
}
