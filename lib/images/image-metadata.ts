import type { AttachmentFilter, FilterContext } from '../attachments/filters.js';
import { type GrantedWish, ImageFilter, type ImageFilterOptions } from './image-filter.js';
import { checkedNames, type OptionNames } from './options.js';

const OPTIONS: OptionNames<ImageMetadataOptions> = { processor: true, placeholder: true };

export interface ImageMetadataOptions extends ImageFilterOptions {
  /** Whether `placeholder` is added: a tiny blurred picture as a `data:` URI of at most 300 characters. @default true */
  readonly placeholder?: boolean | undefined;
}

/**
 * A filter that adds to the attachment's metadata what people see: `width` and `height` in pixels, with the EXIF
 * orientation applied, `format` (jpeg, png, webp, avif, heif, gif, tiff), `placeholder`, and where there is more than one
 * frame or page `pages` and `animated`. Content that is no image refuses the attachment, as in `withThumbnail`.
 * @throws DepotError `INVALID_OPTION`
 */
export function withImageMetadata(options: ImageMetadataOptions = {}): AttachmentFilter {
  return new ImageMetadata(checkedNames(options, OPTIONS, 'withImageMetadata'));
}

class ImageMetadata extends ImageFilter {
  constructor(options: ImageMetadataOptions) {
    super(options, { placeholder: options.placeholder ?? true });
  }

  protected keep({ facts, placeholder }: GrantedWish, context: FilterContext): void {
    const { width, height, format, pages, animated } = facts;
    context.addMetadata({
      width,
      height,
      format,
      ...(pages > 1 && { pages, animated }),
      ...(this.wish.placeholder && placeholder !== undefined && { placeholder }),
    });
  }
}
