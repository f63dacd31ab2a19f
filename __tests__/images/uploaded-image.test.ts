import { describe, expect, test } from '@jest/globals';
import sharp from 'sharp';
import { withImageMetadata } from '../../lib/images/image-metadata.js';
import { uploadedImageWithThumb } from '../../lib/images/uploaded-image.js';
import { applyFilters } from '../support/filter-context.js';
import { halves } from '../support/images.js';

describe('uploadedImageWithThumb', () => {
  test("has Python's defaults: 1024 pixels, and a PNG of 128", async () => {
    const { processContent, filters, maxSize } = uploadedImageWithThumb();
    const content = await halves(2000, 1000).jpeg().toBuffer();
    const shrunk = await processContent?.({ content });
    const stored = shrunk?.content as Buffer;
    expect(await sharp(stored).metadata()).toMatchObject({ format: 'jpeg', width: 1024, height: 512 });
    const { files } = await applyFilters(filters, stored);
    expect(files).toEqual({
      thumb: expect.objectContaining({ contentType: 'image/png', width: 128, height: 64 }),
    });
    expect(maxSize).toBe(Number.POSITIVE_INFINITY);
  });

  test('does as it is told', async () => {
    const { processContent, filters, maxSize, storage, accept } = uploadedImageWithThumb({
      maxSize: [50, 20],
      thumbnailFormat: 'webp',
      thumbnailSize: [10, 30],
      maxFileSize: '1mb',
      storage: 'photos',
      accept: ['image/png'],
      filters: [withImageMetadata({ placeholder: false })],
    });
    const shrunk = await processContent?.({ content: await halves(200, 100).png().toBuffer() });
    const { files, metadata } = await applyFilters(filters, shrunk?.content as Buffer);
    expect(metadata).toEqual({ width: 40, height: 20, format: 'png' });
    expect(files).toMatchObject({ thumb: { contentType: 'image/webp', width: 10, height: 5 } });
    expect({ maxSize, storage, accept: accept.text }).toMatchObject({
      maxSize: 1024 * 1024,
      storage: 'photos',
    });
  });

  test.each([
    { maxSize: 0 },
    { thumbnailSize: -1 },
    { thumbnailFormat: 'gifs' as 'gif' },
    { maxFileSize: 'big' },
  ])('knows no %p', (options) => {
    expect(() => uploadedImageWithThumb(options)).toThrow(
      expect.objectContaining({ code: 'INVALID_OPTION' }),
    );
  });
});
