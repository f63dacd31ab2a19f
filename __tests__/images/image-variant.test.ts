import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, test } from '@jest/globals';
import sharp from 'sharp';
import type { StoredFile } from '../../lib/contract/stored-file.js';
import { MAX_IN_MEMORY } from '../../lib/images/held-content.js';
import type { ImageProcessor } from '../../lib/images/image-processor.js';
import { type ImageVariantOptions, imageVariant } from '../../lib/images/image-variant.js';
import { SharpProcessor } from '../../lib/images/sharp-processor.js';
import { MemoryStorage } from '../../lib/storages/memory.js';
import { hostileFiles, photo } from '../support/images.js';
import { until } from '../support/until.js';

const storage = new MemoryStorage();

async function stored(content: Buffer): Promise<StoredFile> {
  return storage.get(await storage.create(content));
}

async function make(content: Buffer, options: ImageVariantOptions = {}): Promise<Uint8Array> {
  return imageVariant(options).make(await stored(content), { signal: new AbortController().signal });
}

describe('a picture', () => {
  test('is a thumbnail, unless it is told to be another', async () => {
    const made = await make(await photo(600, 400).jpeg().toBuffer());
    expect(await sharp(made).metadata()).toMatchObject({ format: 'png', width: 128, height: 85 });
  });

  test('of a size, a fit and a format', async () => {
    const options = { size: [200, 100], fit: 'cover', format: 'webp' } as const;
    const made = await make(await photo(600, 400).jpeg().toBuffer(), options);
    expect(await sharp(made).metadata()).toMatchObject({ format: 'webp', width: 200, height: 100 });
    expect(imageVariant(options)).toMatchObject({ contentType: 'image/webp', extension: 'webp' });
  });

  test('has nothing of what a photo tells of its place', async () => {
    const content = await photo(600, 400)
      .withExif({ IFD0: { Artist: 'me' } })
      .jpeg()
      .toBuffer();
    expect((await sharp(await make(content, { format: 'jpeg' })).metadata()).exif).toBeUndefined();
  });

  test('of an image that is too large to be held in memory', async () => {
    const content = await photo(1500, 1000).png({ compressionLevel: 0 }).toBuffer();
    expect(content.byteLength).toBeGreaterThan(MAX_IN_MEMORY);
    expect(await sharp(await make(content)).metadata()).toMatchObject({ width: 128 });
  });

  test('is told from others by all that decides what it is', () => {
    const options: ImageVariantOptions[] = [
      {},
      { size: 129 },
      { size: [128, 129] },
      { fit: 'cover' },
      { format: 'webp' },
      { format: 'webp', quality: 50 },
      { progressive: true },
    ];
    const fingerprints = options.map((one) => imageVariant(one).fingerprint);
    expect(new Set(fingerprints).size).toBe(options.length);
    expect(imageVariant({ size: [128, 128], maxFileSize: 5 }).fingerprint).toBe(fingerprints[0]);
  });
});

describe('what is refused', () => {
  test('is what nobody should decode', async () => {
    for (const [name, { content, code }] of Object.entries(await hostileFiles())) {
      const outcome = await make(content).then(
        () => 'made',
        (error) => error.code,
      );
      expect([name, outcome]).toEqual([name, code]);
    }
  });

  test('is a file with too many bytes, of which none is read', async () => {
    const content = await photo(60, 40).png().toBuffer();
    const { byteLength } = content;
    expect(await make(content, { maxFileSize: byteLength })).toBeInstanceOf(Buffer);
    const file = await stored(content);
    file.stream = () => {
      throw new Error('read');
    };
    const { signal } = new AbortController();
    await expect(imageVariant({ maxFileSize: byteLength - 1 }).make(file, { signal })).rejects.toMatchObject({
      code: 'IMAGE_TOO_LARGE',
      status: 422,
    });
  });

  test('is what a processor of its own does not take', async () => {
    const processor = new SharpProcessor({ maxPixels: 100 });
    const content = await photo(60, 40).png().toBuffer();
    await expect(make(content, { processor })).rejects.toMatchObject({ code: 'IMAGE_TOO_LARGE' });
  });

  test.each<[unknown]>([
    [{ size: 0 }],
    [{ format: 'svg' }],
    [{ fit: 'zoom' }],
    [{ quality: 0 }],
    [{ maxFileSize: 'big' }],
  ])('are options: %j', (options) => {
    expect(() => imageVariant(options as ImageVariantOptions)).toThrow(
      expect.objectContaining({ code: 'INVALID_OPTION' }),
    );
  });
});

test('a file that is replaced before it was read is no picture of either', async () => {
  const file = await stored(await photo(60, 40).png().toBuffer());
  await storage.replace(file.id, await photo(40, 60).png().toBuffer());
  const { signal } = new AbortController();
  await expect(imageVariant().make(file, { signal })).rejects.toMatchObject({ code: 'CONFLICT' });
});

describe('many at once', () => {
  /** A processor that is busy until it is told to go on. */
  function busyProcessor() {
    const waiting: (() => void)[] = [];
    const processor: ImageProcessor = {
      process: async () => {
        await new Promise<void>((resolve) => waiting.push(resolve));
        throw new Error('enough');
      },
    };
    return { waiting, variant: imageVariant({ processor }) };
  }

  test('wait before anything is read, and leave when nobody waits for them', async () => {
    const { waiting, variant } = busyProcessor();
    const content = await photo(60, 40).png().toBuffer();
    const controller = new AbortController();
    let read = 0;
    const files = await Promise.all(Array.from({ length: 20 }, () => stored(content)));
    const works = files.map((file) => {
      const { stream } = file;
      file.stream = (options) => {
        read++;
        return stream.call(file, options);
      };
      return variant.make(file, controller).catch((error) => error);
    });
    await until(() => waiting.length === 8, 'eight to be read');
    await sleep(20);
    expect(read).toBe(8);
    controller.abort();
    const left = await Promise.all(works.slice(8));
    expect(left).toEqual(Array.from({ length: 12 }, () => expect.objectContaining({ name: 'AbortError' })));
    for (const go of waiting) go();
    await Promise.all(works);
    expect(read).toBe(8);
    expect(await make(content)).toBeInstanceOf(Buffer);
  });
});
