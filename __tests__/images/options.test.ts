import { expect, test } from '@jest/globals';
import { withImageMetadata } from '../../lib/images/image-metadata.js';
import { withImageSize } from '../../lib/images/image-size.js';
import { imageVariant } from '../../lib/images/image-variant.js';
import { imagesOnly } from '../../lib/images/images-only.js';
import { withThumbnail } from '../../lib/images/thumbnail.js';
import { uploadedImageWithThumb } from '../../lib/images/uploaded-image.js';

test.each([
  ['withThumbnail', () => withThumbnail({ width: 5 } as object)],
  ['withImageMetadata', () => withImageMetadata({ placeholders: false } as object)],
  ['imagesOnly', () => imagesOnly({ format: ['png'] } as object)],
  ['withImageSize', () => withImageSize({ maxSize: 5, maxFilesize: 5 } as { maxSize: number })],
  ['imageVariant', () => imageVariant({ name: 'thumb' } as object)],
  ['uploadedImageWithThumb', () => uploadedImageWithThumb({ thumbSize: 5 } as object)],
])('%s takes no option that it does not know', (name, make) => {
  expect(make).toThrow(
    expect.objectContaining({
      code: 'INVALID_OPTION',
      message: expect.stringContaining(`${name}: no option`),
    }),
  );
});
