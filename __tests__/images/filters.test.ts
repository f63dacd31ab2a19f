import { readdir } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { describe, expect, test } from '@jest/globals';
import sharp from 'sharp';
import type { AttachmentFilter } from '../../lib/attachments/filters.js';
import { MAX_IN_MEMORY } from '../../lib/images/held-content.js';
import { withImageMetadata } from '../../lib/images/image-metadata.js';
import type { ImageProcessor } from '../../lib/images/image-processor.js';
import { imagesOnly } from '../../lib/images/images-only.js';
import { SharpProcessor } from '../../lib/images/sharp-processor.js';
import { withThumbnail } from '../../lib/images/thumbnail.js';
import { applyFilters } from '../support/filter-context.js';
import { animation, BLUE, halves, hostileFiles, photo, RED } from '../support/images.js';

/** Counts what is asked of a processor. */
function counting(): ImageProcessor & { calls: number } {
  const processor = new SharpProcessor();
  return {
    calls: 0,
    process(...parameters) {
      this.calls++;
      return processor.process(...parameters);
    },
  };
}

async function jpeg(width = 400, height = 300): Promise<Buffer> {
  return photo(width, height).jpeg().toBuffer();
}

describe('withThumbnail', () => {
  test("has Python's defaults", async () => {
    const { files, contents } = await applyFilters([withThumbnail()], await jpeg());
    expect(files).toEqual({
      thumb: expect.objectContaining({
        filename: 'thumb-summer photo.png',
        contentType: 'image/png',
        width: 128,
        height: 96,
        size: contents.thumb?.byteLength,
      }),
    });
    expect(await sharp(contents.thumb).metadata()).toMatchObject({ format: 'png', width: 128, height: 96 });
  });

  test('makes several on one field from one decoding', async () => {
    const processor = counting();
    const filters = [
      withThumbnail({ processor, name: 'small', size: 50, format: 'webp' }),
      withImageMetadata({ processor }),
      withThumbnail({ processor, name: 'square', size: [80, 80], fit: 'cover', format: 'jpeg' }),
      withThumbnail({ processor, name: 'large', size: [300, 200], format: 'avif' }),
      imagesOnly({ processor }),
    ];
    const { files, metadata } = await applyFilters(filters, await jpeg());
    expect(files).toMatchObject({
      small: { filename: 'small-summer photo.webp', contentType: 'image/webp', width: 50, height: 38 },
      square: { filename: 'square-summer photo.jpg', contentType: 'image/jpeg', width: 80, height: 80 },
      large: { filename: 'large-summer photo.avif', contentType: 'image/avif', width: 267, height: 200 },
    });
    expect(metadata).toMatchObject({ width: 400, height: 300 });
    expect(processor.calls).toBe(1);
  });

  test('filters with processors of their own keep to them', async () => {
    const [one, other] = [counting(), counting()];
    const filters = [withThumbnail({ processor: one }), withThumbnail({ processor: other, name: 'second' })];
    const { files } = await applyFilters(filters, await jpeg());
    expect(Object.keys(files)).toEqual(['thumb', 'second']);
    expect([one.calls, other.calls]).toEqual([1, 1]);
  });

  test("works within somebody's own filter", async () => {
    const inner = withThumbnail({ size: 20, format: 'webp' });
    const outer: AttachmentFilter = { apply: (context) => inner.apply(context) };
    const { files } = await applyFilters([withThumbnail({ name: 'first' }), outer], await jpeg());
    expect(files).toMatchObject({ first: { width: 128 }, thumb: { width: 20 } });
  });

  test('reads a large original from a stream, once, and leaves no file behind', async () => {
    const content = await photo(300, 300).resize(900, 900).png({ compressionLevel: 0 }).toBuffer();
    expect(content.byteLength).toBeGreaterThan(MAX_IN_MEMORY);
    const { files, opened } = await applyFilters(
      [withThumbnail(), withThumbnail({ name: 'second' })],
      content,
    );
    expect(files).toMatchObject({ thumb: { width: 128 }, second: { width: 128 } });
    expect(opened.map((stream) => stream.destroyed)).toEqual([true]);
    await expectNoFilesLeft();
  });

  test.each([
    { size: 0 },
    { size: 1.5 },
    { size: [10, -1] as const },
    { size: 20_000 },
    { quality: 0 },
    { quality: 101 },
    { fit: 'outside' as 'cover' },
    { format: 'bmp' as 'png' },
    { format: 'PNG' as 'png' },
    { format: 'tiff' as 'png' },
  ])('knows no %p', (options) => {
    expect(() => withThumbnail(options)).toThrow(expect.objectContaining({ code: 'INVALID_OPTION' }));
  });

  test('refuses what is no image, or none that it should decode', async () => {
    for (const [name, { content, code }] of Object.entries(await hostileFiles())) {
      const outcome = await applyFilters([withThumbnail()], content).then(
        () => 'stored',
        (error) => error.code,
      );
      expect([name, outcome]).toEqual([name, code]);
    }
  });

  test('leaves no file behind where a large image is broken', async () => {
    const content = await photo(300, 300).resize(900, 900).png({ compressionLevel: 0 }).toBuffer();
    const truncated = content.subarray(0, content.byteLength - 100_000);
    expect(truncated.byteLength).toBeGreaterThan(MAX_IN_MEMORY);
    await expect(applyFilters([withThumbnail()], truncated)).rejects.toMatchObject({ code: 'IMAGE_INVALID' });
    await expectNoFilesLeft();
  });
});

/** Of this process; other tests run beside it. */
async function expectNoFilesLeft(): Promise<void> {
  const names = await readdir(tmpdir());
  expect(names.filter((name) => name.startsWith(`filedepot-image-${process.pid}-`))).toEqual([]);
}

describe('withImageMetadata', () => {
  test('adds what people see', async () => {
    const content = await photo(400, 300).withMetadata({ orientation: 8 }).jpeg().toBuffer();
    const { metadata, files } = await applyFilters([withImageMetadata()], content);
    expect(metadata).toEqual({
      width: 300,
      height: 400,
      format: 'jpeg',
      placeholder: expect.stringMatching(/^data:image\/webp;base64,/),
    });
    expect(files).toEqual({});
  });

  test('adds frames where there are several', async () => {
    const content = await animation(20, 10, [RED, BLUE]).gif().toBuffer();
    const { metadata } = await applyFilters([withImageMetadata({ placeholder: false })], content);
    expect(metadata).toEqual({ width: 20, height: 10, format: 'gif', pages: 2, animated: true });
  });

  test('adds no placeholder that only another filter wants', async () => {
    const filters = [withImageMetadata(), withImageMetadata({ placeholder: false })];
    const content = await halves(20, 10).png().toBuffer();
    expect((await applyFilters(filters, content)).metadata).toHaveProperty('placeholder');
    expect((await applyFilters(filters.slice(1), content)).metadata).not.toHaveProperty('placeholder');
  });
});

describe('imagesOnly', () => {
  test('accepts images, and adds nothing', async () => {
    const { files, metadata } = await applyFilters([imagesOnly()], await jpeg());
    expect([files, metadata]).toEqual([{}, {}]);
  });

  test('accepts the formats that it is told', async () => {
    const png = await halves(20, 10).png().toBuffer();
    await expect(applyFilters([imagesOnly({ formats: ['png', 'webp'] })], png)).resolves.toBeDefined();
    await expect(applyFilters([imagesOnly({ formats: ['jpeg', 'webp'] })], png)).rejects.toMatchObject({
      code: 'IMAGE_NOT_ACCEPTED',
      status: 415,
      message: expect.stringMatching(/png .*jpeg, webp/),
    });
  });

  test('refuses the name of a format that there is not', () => {
    for (const formats of [['jpg'], ['svg'], ['constructor'], 'png'])
      expect(() => imagesOnly({ formats: formats as never })).toThrow(
        expect.objectContaining({ code: 'INVALID_OPTION', message: expect.stringContaining('jpeg') }),
      );
  });

  test('refuses what is none', async () => {
    for (const { content, code } of Object.values(await hostileFiles()))
      await expect(applyFilters([imagesOnly()], content)).rejects.toMatchObject({ code });
  });
});
