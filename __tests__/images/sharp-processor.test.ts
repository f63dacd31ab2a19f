import { mkdtemp, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, join, relative } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import sharp from 'sharp';
import type {
  ImageInput,
  ProcessedImage,
  Rendition,
  RenditionRequest,
} from '../../lib/images/image-processor.js';
import { SharpProcessor } from '../../lib/images/sharp-processor.js';
import { openDescriptors } from '../support/descriptors.js';
import { removeFolder } from '../support/folders.js';
import {
  animation,
  BLUE,
  colourAt,
  distanceAt,
  GREEN,
  halves,
  heic,
  hostileFiles,
  photo,
  RED,
  WHITE,
} from '../support/images.js';

const processor = new SharpProcessor();

function make(
  input: ImageInput,
  renditions: readonly Partial<RenditionRequest>[] = [],
  placeholder = false,
): Promise<ProcessedImage> {
  const complete = renditions.map((one) => ({ width: 40, height: 40, fit: 'inside', ...one }) as const);
  return processor.process(input, { renditions: complete, placeholder });
}

/** One picture of an image. */
async function render(input: ImageInput, request: Partial<RenditionRequest> = {}): Promise<Rendition> {
  const { renditions } = await make(input, [request]);
  if (!renditions[0]) throw new Error('Nothing was made');
  return renditions[0];
}

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'filedepot-images-'));
});
afterAll(() => removeFolder(folder));

describe('what an image is', () => {
  test.each(['jpeg', 'png', 'webp', 'avif', 'gif', 'tiff'] as const)('%s', async (format) => {
    const content = await halves(60, 20).toFormat(format).toBuffer();
    const { facts } = await make(content);
    expect(facts).toEqual({ format, width: 60, height: 20, pages: 1, animated: false });
  });

  test('its size is what people see: the orientation is applied', async () => {
    const content = await halves(60, 20).withMetadata({ orientation: 6 }).jpeg().toBuffer();
    expect((await make(content)).facts).toMatchObject({ width: 20, height: 60 });
  });

  test.each(['gif', 'webp'] as const)('an animated %s has frames', async (format) => {
    const content = await animation(20, 10, [RED, GREEN, BLUE]).toFormat(format).toBuffer();
    expect((await make(content)).facts).toMatchObject({ width: 20, height: 10, pages: 3, animated: true });
  });

  test('a file is read where it is', async () => {
    const path = join(folder, 'photo.bin');
    await writeFile(path, await halves(60, 20).png().toBuffer());
    expect((await make({ path })).facts).toMatchObject({ format: 'png', width: 60 });
  });

  test.each([
    ['jpeg', {}],
    ['jpeg', { progressive: true }],
    ['png', {}],
    ['png', { progressive: true }],
    ['webp', {}],
    ['avif', {}],
    ['gif', {}],
    ['tiff', { tile: true, tileWidth: 64, tileHeight: 64 }],
  ] as const)('a file that was written again is read again: %s %j', async (format, options) => {
    const path = join(folder, 'again.bin');
    await writeFile(path, await halves(400, 300, RED, RED).toFormat(format, options).toBuffer());
    await make({ path }, [{ format: 'png' }]);
    await writeFile(path, await halves(200, 600, BLUE, BLUE).toFormat(format, options).toBuffer());
    const { facts, renditions } = await make({ path }, [{ format: 'png' }]);
    expect(facts).toMatchObject({ width: 200, height: 600 });
    expect(await distanceAt(renditions[0]?.content ?? Buffer.alloc(0), 5, 20, BLUE)).toBeLessThan(10);
  });

  test.each(['photo[1]', 'a.png[unlimited]', '%s', '-x'])('a file may be called %s', async (name) => {
    const path = join(folder, name);
    await writeFile(path, await halves(60, 20).png().toBuffer());
    expect((await make({ path })).facts).toMatchObject({ format: 'png', width: 60 });
  });

  test('the message for a broken file has no path in it', async () => {
    const path = join(folder, 'broken.gif');
    await writeFile(path, 'GIF89a and nothing else');
    const failure = await make({ path }).catch((error) => error);
    expect(failure).toMatchObject({ code: 'IMAGE_INVALID' });
    expect(failure.message).not.toContain(folder);
  });

  test('a file is found by whatever path', async () => {
    const path = join(folder, 'a name with spaces & ümläuts.png');
    await writeFile(path, await halves(60, 20).png().toBuffer());
    for (const spelling of [path, relative('.', path), `${folder}/../${basename(folder)}/${basename(path)}`])
      expect((await make({ path: spelling })).facts).toMatchObject({ width: 60 });
  });

  test('what is no file is not called a broken image', async () => {
    await expect(make({ path: join(folder, 'missing') })).rejects.toMatchObject({ code: 'ENOENT' });
  });
});

describe('a picture', () => {
  test.each([
    ['inside', { fit: 'inside' }, 40, 20],
    ['cover', { fit: 'cover' }, 40, 40],
    ['contain', { fit: 'contain' }, 40, 40],
    ['fill', { fit: 'fill' }, 40, 40],
    ['cover of another shape', { fit: 'cover', width: 10, height: 40 }, 10, 40],
  ] as const)('%s', async (_fit, request, width, height) => {
    const content = await halves(200, 100).png().toBuffer();
    expect(await render(content, request)).toMatchObject({ width, height });
  });

  test.each(['inside', 'cover', 'fill'] as const)('%s is never enlarged', async (fit) => {
    const content = await halves(20, 10).png().toBuffer();
    expect(await render(content, { fit })).toMatchObject({ width: 20, height: 10 });
  });

  test.each(['inside', 'cover', 'contain', 'fill'] as const)('%s of a line stays small', async (fit) => {
    const content = await halves(1, 20_000).png().toBuffer();
    const { width, height, content: made } = await render(content, { fit });
    expect([width, height].every((side) => side >= 1 && side <= 40)).toBe(true);
    expect(made.byteLength).toBeLessThan(2000);
  });

  test('cover cuts off evenly', async () => {
    const { content } = await render(await halves(200, 40).png().toBuffer(), { fit: 'cover' });
    expect(await distanceAt(content, 5, 20, RED)).toBeLessThan(5);
    expect(await distanceAt(content, 35, 20, BLUE)).toBeLessThan(5);
  });

  test('contain adds what is missing: transparent', async () => {
    const { content } = await render(await halves(200, 100).png().toBuffer(), { fit: 'contain' });
    const { data } = await sharp(content).raw().toBuffer({ resolveWithObject: true });
    expect(data[3]).toBe(0);
    expect(await distanceAt(content, 5, 20, RED)).toBeLessThan(5);
  });

  test('contain adds what is missing: white in JPEG', async () => {
    const { content } = await render(await halves(200, 100).png().toBuffer(), {
      fit: 'contain',
      format: 'jpeg',
    });
    expect(await distanceAt(content, 20, 2, WHITE)).toBeLessThan(12);
  });

  test.each([
    ['jpeg', 'jpeg'],
    ['png', 'png'],
    ['webp', 'webp'],
    ['avif', 'heif'],
    ['gif', 'gif'],
  ] as const)('in %s', async (format, decoder) => {
    const made = await render(await photo(200, 100).jpeg().toBuffer(), { format });
    expect(made.format).toBe(format);
    expect(await sharp(made.content).metadata()).toMatchObject({ format: decoder, width: 40, height: 20 });
  });

  test('in its own format, unless another is asked for', async () => {
    for (const format of ['jpeg', 'png', 'webp', 'avif', 'gif', 'tiff'] as const) {
      const content = await halves(80, 40).toFormat(format).toBuffer();
      expect((await render(content)).format).toBe(format);
    }
  });

  test('PNG without a palette, and nothing progressive unless asked for', async () => {
    const content = await photo(200, 100).jpeg({ progressive: true }).toBuffer();
    const png = await sharp((await render(content, { format: 'png', quality: 50 })).content).metadata();
    expect(png).toMatchObject({ isProgressive: false, isPalette: false });
    for (const progressive of [true, false]) {
      const jpeg = await render(content, { format: 'jpeg', progressive });
      expect((await sharp(jpeg.content).metadata()).isProgressive).toBe(progressive);
    }
  });

  test('of less quality is smaller', async () => {
    const content = await photo(400, 400).png().toBuffer();
    for (const format of ['jpeg', 'webp', 'avif'] as const) {
      const poor = await render(content, { format, width: 200, height: 200, quality: 20 });
      const good = await render(content, { format, width: 200, height: 200, quality: 95 });
      expect(poor.content.byteLength).toBeLessThan(good.content.byteLength);
    }
  });

  test('that is only wanted of larger images is left out', async () => {
    const content = await halves(40, 40).png().toBuffer();
    const { renditions } = await make(content, [
      { onlyIfLarger: true },
      { width: 39, height: 40, onlyIfLarger: true },
    ]);
    expect(renditions).toEqual([undefined, expect.objectContaining({ width: 39 })]);
  });

  test('each of several is as if it were alone', async () => {
    const content = await photo(800, 600).jpeg({ quality: 95 }).toBuffer();
    const frames = [400, 200, 50].map((side) => ({ width: side, height: side, format: 'png' }) as const);
    const { renditions } = await make(content, frames);
    for (const [index, { width, height }] of frames.entries()) {
      const alone = await sharp(content).resize(width, height, { fit: 'inside' }).png().toBuffer();
      const made = renditions[index]?.content ?? Buffer.alloc(0);
      expect(await meanDifference(made, alone)).toBeLessThan(2);
    }
  });
});

/** Of 255, over all pixels and colours. */
async function meanDifference(one: Buffer, other: Buffer): Promise<number> {
  const [a, b] = await Promise.all([one, other].map((image) => sharp(image).removeAlpha().raw().toBuffer()));
  if (!a || !b || a.length !== b.length) throw new Error('The pictures differ in size');
  return a.reduce((sum, value, index) => sum + Math.abs(value - (b[index] ?? 0)), 0) / a.length;
}

describe('the right picture', () => {
  /** Where red is after the red left half of a picture was turned as the orientation says. */
  test.each([
    [1, 'left'],
    [2, 'right'],
    [3, 'right'],
    [4, 'left'],
    [5, 'top'],
    [6, 'top'],
    [7, 'bottom'],
    [8, 'bottom'],
  ])('orientation %i: red is %s', async (orientation, side) => {
    const content = await halves(80, 80).withMetadata({ orientation }).jpeg().toBuffer();
    const { content: made } = await render(content, { format: 'png' });
    const [x = 0, y = 0] = { left: [5, 20], right: [35, 20], top: [20, 5], bottom: [20, 35] }[side] ?? [];
    expect(await distanceAt(made, x, y, RED)).toBeLessThan(10);
    expect(await distanceAt(made, 39 - x, 39 - y, BLUE)).toBeLessThan(10);
    expect((await sharp(made).metadata()).orientation).toBeUndefined();
  });

  test('is cut after it was turned', async () => {
    const content = await halves(400, 100).withMetadata({ orientation: 6 }).jpeg().toBuffer();
    const { content: made, ...size } = await render(content, {
      fit: 'cover',
      width: 20,
      height: 40,
      format: 'png',
    });
    expect(size).toMatchObject({ width: 20, height: 40 });
    expect(await distanceAt(made, 10, 2, RED)).toBeLessThan(10);
    expect(await distanceAt(made, 10, 37, BLUE)).toBeLessThan(10);
  });

  test.each(['jpeg', 'png', 'webp', 'avif'] as const)('no metadata in %s', async (format) => {
    const content = await halves(80, 80)
      .withExif({
        IFD0: { Artist: 'Somebody' },
        IFD3: { GPSLatitudeRef: 'N', GPSLatitude: '51/1 30/1 3230/100' },
      })
      .withXmp('<x:xmpmeta xmlns:x="adobe:ns:meta/"/>')
      .jpeg()
      .toBuffer();
    expect(content.includes('Somebody')).toBe(true);
    const { content: made } = await render(content, { format });
    const { exif, xmp, iptc } = await sharp(made).metadata();
    expect({ exif, xmp, iptc }).toEqual({});
    expect(made.includes('Somebody')).toBe(false);
  });

  test.each(['jpeg', 'png'] as const)('colours of a wide gamut in %s are right in sRGB', async (format) => {
    const content = await halves(80, 80).withIccProfile('p3').toFormat(format).toBuffer();
    expect(
      await distanceAt(await sharp(content, { ignoreIcc: true }).png().toBuffer(), 5, 5, RED),
    ).toBeGreaterThan(30);
    const { content: made } = await render(content, { format: 'png' });
    expect((await sharp(made).metadata()).icc).toBeUndefined();
    expect(await distanceAt(made, 5, 20, RED)).toBeLessThan(8);
  });

  test('colours of a wide gamut with 16 bits are right in sRGB', async () => {
    const content = await halves(80, 80).toColourspace('rgb16').withIccProfile('p3').png().toBuffer();
    expect(await sharp(content).metadata()).toMatchObject({ depth: 'ushort', hasProfile: true });
    const { content: made } = await render(content, { format: 'png' });
    expect((await sharp(made).metadata()).depth).toBe('uchar');
    expect(await distanceAt(made, 5, 20, RED)).toBeLessThan(8);
  });

  test('16 bits without a profile', async () => {
    const content = await halves(80, 80).toColourspace('rgb16').png().toBuffer();
    const { content: made } = await render(content, { format: 'png' });
    expect(await colourAt(made, 5, 20)).toEqual(RED);
  });

  test.each([true, false])('CMYK, with a profile: %p', async (hasProfile) => {
    const image = halves(80, 80, GREEN, WHITE).toColourspace('cmyk').jpeg({ quality: 100 });
    const content = await (hasProfile ? image.withIccProfile('cmyk') : image).toBuffer();
    expect(await sharp(content).metadata()).toMatchObject({ space: 'cmyk', hasProfile });
    const { content: made } = await render(content, { format: 'png' });
    const [red = 255, green = 0, blue = 255] = await colourAt(made, 5, 20);
    expect(green - Math.max(red, blue)).toBeGreaterThan(30);
    expect(await distanceAt(made, 35, 20, WHITE)).toBeLessThan(12);
  });

  test('grey, with and without alpha', async () => {
    for (const image of [halves(80, 80).greyscale(), halves(80, 80).greyscale().ensureAlpha(0.5)]) {
      const content = await image.toColourspace('b-w').png().toBuffer();
      const [red, green, blue] = await colourAt((await render(content)).content, 5, 20);
      expect([green, blue]).toEqual([red, red]);
    }
  });

  describe('transparency', () => {
    const seeThrough = () =>
      sharp({ create: { width: 80, height: 80, channels: 4, background: { r: 255, g: 0, b: 0, alpha: 0 } } });

    test('lies on white in JPEG', async () => {
      const { content } = await render(await seeThrough().png().toBuffer(), { format: 'jpeg' });
      expect(await distanceAt(content, 20, 20, WHITE)).toBeLessThan(3);
    });

    test.each(['png', 'webp', 'avif'] as const)('is kept in %s', async (format) => {
      const { content } = await render(await seeThrough().png().toBuffer(), { format });
      const { data } = await sharp(content).ensureAlpha().raw().toBuffer({ resolveWithObject: true });
      expect(data[3]).toBe(0);
    });
  });
});

describe('an animation', () => {
  const frames = [RED, GREEN, BLUE];
  const delay = [100, 200, 300];

  test.each([
    ['gif', 'webp'],
    ['webp', 'gif'],
    ['gif', 'gif'],
  ] as const)('from %s stays one in %s', async (from, format) => {
    const content = await animation(80, 60, frames).toFormat(from, { delay, loop: 3 }).toBuffer();
    const made = await render(content, { format });
    expect(made).toMatchObject({ width: 40, height: 30 });
    const metadata = await sharp(made.content, { animated: true }).metadata();
    expect(metadata).toMatchObject({ pages: 3, pageHeight: 30, delay, loop: 3 });
    const roll = await sharp(made.content, { animated: true }).png().toBuffer();
    for (const [index, colour] of frames.entries())
      expect(await distanceAt(roll, 20, index * 30 + 15, colour)).toBeLessThan(40);
  });

  test.each(['jpeg', 'png', 'avif'] as const)('shows its first frame in %s', async (format) => {
    const content = await animation(80, 60, frames).gif({ delay }).toBuffer();
    const made = await render(content, { format });
    expect(made).toMatchObject({ width: 40, height: 30 });
    expect((await sharp(made.content).metadata()).pages ?? 1).toBe(1);
    expect(await distanceAt(made.content, 20, 15, RED)).toBeLessThan(40);
  });

  test('is cut frame by frame', async () => {
    const content = await animation(80, 60, frames).gif({ delay }).toBuffer();
    const made = await render(content, { format: 'webp', fit: 'cover' });
    expect(made).toMatchObject({ width: 40, height: 40 });
    expect(await sharp(made.content, { animated: true }).metadata()).toMatchObject({
      pages: 3,
      pageHeight: 40,
    });
  });

  test('that has too many pixels in all is refused, if all are wanted', async () => {
    const small = new SharpProcessor({ maxPixels: 80 * 60 * 2 });
    const content = await animation(80, 60, frames).gif({ delay }).toBuffer();
    const request = (format: 'webp' | 'png') => ({
      renditions: [{ width: 40, height: 40, fit: 'inside', format } as const],
      placeholder: false,
    });
    await expect(small.process(content, request('webp'))).rejects.toMatchObject({ code: 'IMAGE_TOO_LARGE' });
    await expect(small.process(content, request('png'))).resolves.toBeDefined();
  });
});

describe('a placeholder', () => {
  test.each([
    ['a photo', () => photo(800, 600).jpeg()],
    ['a portrait', () => photo(300, 800).jpeg()],
    ['a transparent picture', () => photo(400, 400).ensureAlpha(0.3).png()],
    ['a tiny picture', () => halves(2, 2).png()],
    ['a line', () => halves(1, 5000).png()],
    ['an animation', () => animation(50, 50, [RED, BLUE]).gif()],
  ])('of %s is small', async (_what, image) => {
    const { placeholder = '' } = await make(await image().toBuffer(), [], true);
    expect(placeholder.length).toBeLessThanOrEqual(300);
    expect(placeholder).toMatch(/^data:image\/webp;base64,/);
    const content = Buffer.from(placeholder.split(',')[1] ?? '', 'base64');
    const { width, height } = await sharp(content).metadata();
    expect(Math.max(width, height)).toBeLessThanOrEqual(16);
  });

  test('looks like the picture', async () => {
    const { placeholder = '' } = await make(await halves(800, 800).png().toBuffer(), [], true);
    const content = Buffer.from(placeholder.split(',')[1] ?? '', 'base64');
    expect(await distanceAt(content, 2, 8, RED)).toBeLessThan(40);
    expect(await distanceAt(content, 13, 8, BLUE)).toBeLessThan(40);
  });

  test('is not made unless it is wanted', async () => {
    expect((await make(await halves(8, 8).png().toBuffer())).placeholder).toBeUndefined();
  });
});

describe('is refused', () => {
  test('what no server should decode', async () => {
    for (const [name, { content, code }] of Object.entries(await hostileFiles())) {
      const outcome = await make(content, [{ format: 'png' }], true).then(
        () => 'processed',
        (error) => error.code,
      );
      expect([name, outcome]).toEqual([name, code]);
    }
  });

  test.each(['png', 'webp', 'gif', 'avif', 'tiff'] as const)('a truncated %s', async (format) => {
    const content = await photo(300, 200).toFormat(format).toBuffer();
    const half = content.subarray(0, content.length / 2);
    await expect(make(half)).rejects.toMatchObject({ code: 'IMAGE_INVALID', status: 422 });
  });

  test('a JPEG of which only the last line is missing', async () => {
    const content = await photo(300, 200).jpeg().toBuffer();
    await expect(make(content.subarray(0, content.length - 300))).rejects.toMatchObject({
      code: 'IMAGE_INVALID',
    });
  });

  test('a photo in HEIC, which usual builds of sharp cannot decode', async () => {
    expect(sharp.format.heif.input.fileSuffix).not.toContain('.heic');
    await expect(make(heic())).rejects.toMatchObject({
      code: 'IMAGE_NOT_ACCEPTED',
      message: expect.stringContaining('HEIC'),
    });
  });

  test('in a few words', async () => {
    const content = await photo(300, 200).avif().toBuffer();
    const broken = Buffer.from(content.toString('latin1').replaceAll('av1C', 'hvcC'), 'latin1');
    const { message } = await make(broken).catch((error) => error);
    expect(message).toMatch(/^The image is broken: [^\n]+$/);
  });

  test('what takes too long, and nothing more is done for it', async () => {
    const hurried = new SharpProcessor({ timeout: 1, concurrency: 1 });
    const content = await photo(500, 500).png().toBuffer();
    const rendition = { width: 500, height: 500, fit: 'inside', format: 'avif', quality: 100 } as const;
    const renditions = Array.from({ length: 50 }, () => rendition);
    await expect(hurried.process(content, { renditions, placeholder: false })).rejects.toMatchObject({
      code: 'IMAGE_TIMEOUT',
      status: 422,
    });
    const next = hurried.process(await halves(8, 8).png().toBuffer(), { renditions: [], placeholder: false });
    await expect(next).resolves.toBeDefined();
  });
});

describe('side by side', () => {
  test('no more than allowed are processed at once, and one that is given up waits no longer', async () => {
    const single = new SharpProcessor({ concurrency: 1 });
    const content = await photo(600, 600).png().toBuffer();
    const request = { renditions: [], placeholder: false };
    const controller = new AbortController();
    const first = single.process(content, request);
    const second = single.process(content, request, controller.signal);
    const third = single.process(content, request);
    const reason = new Error('gone');
    controller.abort(reason);
    await expect(second).rejects.toBe(reason);
    await expect(Promise.all([first, third])).resolves.toHaveLength(2);
  });

  test('a failure frees its place', async () => {
    const single = new SharpProcessor({ concurrency: 1 });
    const request = { renditions: [], placeholder: false };
    for (let turn = 0; turn < 3; turn++)
      await expect(single.process(Buffer.from('no'), request)).rejects.toMatchObject({
        code: 'IMAGE_NOT_ACCEPTED',
      });
    await expect(single.process(await halves(8, 8).png().toBuffer(), request)).resolves.toBeDefined();
  });

  const onLinux = process.platform === 'linux' ? test : test.skip;
  onLinux('no file stays open', async () => {
    const path = join(folder, 'open.jpg');
    await writeFile(path, await photo(300, 200).jpeg().toBuffer());
    for (let turn = 0; turn < 5; turn++) await make({ path }, [{ format: 'webp' }], true);
    expect(await openDescriptors()).not.toContain(path);
  });
});
