import { type AttachmentField, type AttachmentFieldOptions, attachmentField } from '../attachments/field.js';
import type { ImageFilterOptions } from './image-filter.js';
import { withImageSize } from './image-size.js';
import { checkedNames, type ImageSize, type OptionNames } from './options.js';
import { type ThumbnailFormat, withThumbnail } from './thumbnail.js';

export interface UploadedImageOptions
  extends Omit<AttachmentFieldOptions, 'maxSize' | 'processContent'>,
    ImageFilterOptions {
  /** The frame in pixels into which larger images are shrunk before they are stored. @default 1024 */
  readonly maxSize?: ImageSize | undefined;
  /** Bytes of what comes, before it is shrunk, or text such as `'10mb'`. @default no limit */
  readonly maxFileSize?: number | string | undefined;
  /** @default 'png' */
  readonly thumbnailFormat?: ThumbnailFormat | undefined;
  /** The frame of the thumbnail, in pixels. @default 128 */
  readonly thumbnailSize?: ImageSize | undefined;
}

const OPTIONS: OptionNames<UploadedImageOptions> = {
  processor: true,
  maxSize: true,
  maxFileSize: true,
  thumbnailFormat: true,
  thumbnailSize: true,
  storage: true,
  filters: true,
  accept: true,
};

/** Pixels; as Python's filedepot has it. */
const DEFAULT_MAX_SIZE = 1024;

/**
 * A field for images: shrunk where they are too large, with a thumbnail `thumb`. What is no image is refused.
 * @throws DepotError `INVALID_OPTION`
 */
export function uploadedImageWithThumb(options: UploadedImageOptions = {}): AttachmentField {
  const {
    maxSize = DEFAULT_MAX_SIZE,
    maxFileSize,
    thumbnailFormat,
    thumbnailSize,
    processor,
    ...others
  } = checkedNames(options, OPTIONS, 'uploadedImageWithThumb');
  const thumbnail = withThumbnail({ format: thumbnailFormat, size: thumbnailSize, processor });
  return attachmentField({
    ...others,
    maxSize: maxFileSize,
    filters: [thumbnail, ...(others.filters ?? [])],
    processContent: withImageSize({ maxSize, maxFileSize, processor }),
  });
}
