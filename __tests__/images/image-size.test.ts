import { createReadStream } from 'node:fs';
import { mkdtemp, readdir, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import type { ReadableStream as WebReadableStream } from 'node:stream/web';
import { pathToFileURL } from 'node:url';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import sharp from 'sharp';
import type { IncomingContent } from '../../lib/attachments/field.js';
import { type Content, toContentSource } from '../../lib/contract/content.js';
import { withImageSize } from '../../lib/images/image-size.js';
import { MemoryStorage } from '../../lib/storages/memory.js';
import { removeFolder } from '../support/folders.js';
import { animation, BLUE, distanceAt, halves, hostileFiles, photo, RED } from '../support/images.js';
import { until } from '../support/until.js';

const shrink = withImageSize({ maxSize: 100 });

let folder: string;
let small: Buffer;
let large: Buffer;
/** More than what is held in memory. */
let heavy: Buffer;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'filedepot-size-'));
  small = await halves(80, 60).withMetadata({ orientation: 6 }).jpeg().toBuffer();
  large = await halves(400, 300).jpeg().toBuffer();
  heavy = await photo(200, 200).resize(800, 800).png({ compressionLevel: 0 }).toBuffer();
});
afterAll(() => removeFolder(folder));

async function bytesOf({ content }: IncomingContent): Promise<Buffer> {
  return buffer(toContentSource(content).open());
}

/** The same bytes in all forms in which they can be attached. */
async function forms(content: Buffer): Promise<Record<string, () => Promise<Content>>> {
  const path = join(folder, 'photo.jpg');
  await writeFile(path, content);
  const storage = new MemoryStorage();
  const upload = { originalname: 'photo.jpg', mimetype: 'image/jpeg' };
  return {
    Buffer: async () => content,
    Uint8Array: async () => new Uint8Array(content),
    path: async () => ({ path }),
    URL: async () => pathToFileURL(path),
    Readable: async () => Readable.from([content]),
    'a stream of a file': async () => createReadStream(path),
    'web stream': async () => Readable.toWeb(Readable.from([content])) as WebReadableStream,
    iterable: async () =>
      (async function* () {
        yield content;
      })(),
    Blob: async () => new Blob([content]),
    File: async () => new File([content], 'photo.jpg', { type: 'image/jpeg' }),
    StoredFile: async () => storage.get(await storage.create(content, { filename: 'photo.jpg' })),
    'upload in memory': async () => ({ ...upload, buffer: content }),
    'upload on disk': async () => ({ ...upload, path }),
    'upload that streams': async () => ({ ...upload, stream: Readable.from([content]) }),
  };
}

/** What was handed over goes after its last byte was read. */
async function expectNoFilesLeft(): Promise<void> {
  const isOurs = (name: string) => name.startsWith(`filedepot-image-${process.pid}-`);
  await until(async () => !(await readdir(tmpdir())).some(isOurs), 'the temporary files to go');
}

describe('an image that fits', () => {
  test('stays as it is, in whatever form it comes', async () => {
    for (const [name, open] of Object.entries(await forms(small))) {
      const result = await shrink({ content: await open() });
      expect([name, (await bytesOf(result)).equals(small)]).toEqual([name, true]);
    }
  });

  test('stays as it is where it is too large for the memory', async () => {
    const generous = withImageSize({ maxSize: 800 });
    for (const [name, open] of Object.entries(await forms(heavy))) {
      const result = await generous({ content: await open() });
      expect([name, (await bytesOf(result)).equals(heavy)]).toEqual([name, true]);
    }
    await expectNoFilesLeft();
  });

  test('keeps the name and type that its first form had', async () => {
    const upload = { originalname: 'a.jpg', mimetype: 'image/jpeg', stream: Readable.from([small]) };
    expect(await shrink({ content: upload })).toMatchObject({ filename: 'a.jpg', contentType: 'image/jpeg' });
  });

  test('keeps what was said of it', async () => {
    const said = { filename: 'b.jpg', contentType: 'image/pjpeg', metadata: { by: 'me' } };
    expect(await shrink({ content: Readable.from([small]), ...said })).toMatchObject(said);
  });
});

describe('an image that is too large', () => {
  test('is shrunk, in whatever form it comes', async () => {
    for (const [name, open] of Object.entries(await forms(large))) {
      const { width, height, format } = await sharp(
        await bytesOf(await shrink({ content: await open() })),
      ).metadata();
      expect({ name, width, height, format }).toEqual({ name, width: 100, height: 75, format: 'jpeg' });
    }
    await expectNoFilesLeft();
  });

  test.each(['jpeg', 'png', 'webp', 'avif', 'gif', 'tiff'] as const)(
    'keeps its format: %s',
    async (format) => {
      const content = await halves(400, 300).toFormat(format).toBuffer();
      const result = await shrink({ content, filename: 'photo.x', metadata: { by: 'me' } });
      expect(result).toMatchObject({
        filename: 'photo.x',
        contentType: `image/${format}`,
        metadata: { by: 'me' },
      });
      const metadata = await sharp(await bytesOf(result)).metadata();
      expect(metadata).toMatchObject({ width: 100, height: 75, format: format === 'avif' ? 'heif' : format });
    },
  );

  test('is upright, and tells nobody where it was taken', async () => {
    const content = await halves(400, 300)
      .withMetadata({ orientation: 6, exif: { IFD0: { Artist: 'Somebody' } } })
      .jpeg()
      .toBuffer();
    const bytes = await bytesOf(await shrink({ content }));
    expect(await sharp(bytes).metadata()).toMatchObject({ width: 75, height: 100 });
    expect((await sharp(bytes).metadata()).exif).toBeUndefined();
    expect(await distanceAt(bytes, 37, 5, RED)).toBeLessThan(20);
    expect(await distanceAt(bytes, 37, 95, BLUE)).toBeLessThan(20);
  });

  test('stays an animation', async () => {
    const content = await animation(200, 100, [RED, BLUE])
      .gif({ delay: [50, 70] })
      .toBuffer();
    const bytes = await bytesOf(await shrink({ content }));
    expect(await sharp(bytes, { animated: true }).metadata()).toMatchObject({
      format: 'gif',
      width: 100,
      pageHeight: 50,
      pages: 2,
      delay: [50, 70],
    });
  });
});

describe('is refused', () => {
  test('what is no image, in whatever form it comes', async () => {
    for (const { content, code } of Object.values(await hostileFiles())) {
      for (const [name, open] of Object.entries(await forms(content))) {
        const form = await open();
        const outcome = await Promise.resolve(shrink({ content: form })).then(
          () => 'stored',
          (error) => error.code,
        );
        expect([name, outcome]).toEqual([name, code]);
        if (form instanceof Readable) expect(form.destroyed).toBe(true);
      }
    }
    await expectNoFilesLeft();
  });

  test('one byte too many, in whatever form it comes', async () => {
    const [enough, tooLittle] = [heavy.byteLength, heavy.byteLength - 1];
    for (const [name, open] of Object.entries(await forms(heavy))) {
      const outcomes = [enough, tooLittle].map(async (maxFileSize) =>
        withImageSize({ maxSize: 100, maxFileSize })({ content: await open() }),
      );
      const [stored, refused] = await Promise.allSettled(outcomes);
      expect([name, stored, refused]).toEqual([
        name,
        expect.objectContaining({ status: 'fulfilled' }),
        { status: 'rejected', reason: expect.objectContaining({ code: 'FILE_TOO_LARGE', status: 413 }) },
      ]);
    }
    await expectNoFilesLeft();
  });

  test('a text', async () => {
    await expect(shrink({ content: 'text' })).rejects.toMatchObject({ code: 'IMAGE_NOT_ACCEPTED' });
  });

  test.each([{ maxSize: 0 }, { maxSize: [10] as never }, { maxSize: 10, quality: 200 }])('%p', (options) => {
    expect(() => withImageSize(options)).toThrow(expect.objectContaining({ code: 'INVALID_OPTION' }));
  });
});
