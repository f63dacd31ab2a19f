import { mkdtemp, readdir } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import sharp from 'sharp';
import type { AttachmentInput } from '../../lib/attachments/attachment.js';
import { Attachments } from '../../lib/attachments/attachments.js';
import { type AttachmentField, attachmentField } from '../../lib/attachments/field.js';
import { MemoryJournal, type MemoryTransaction } from '../../lib/attachments/journal/memory-journal.js';
import { DepotManager } from '../../lib/depot/manager.js';
import { withImageMetadata } from '../../lib/images/image-metadata.js';
import type { ImageInput, ImageProcessor } from '../../lib/images/image-processor.js';
import { withImageSize } from '../../lib/images/image-size.js';
import { SharpProcessor } from '../../lib/images/sharp-processor.js';
import { withThumbnail } from '../../lib/images/thumbnail.js';
import { uploadedImageWithThumb } from '../../lib/images/uploaded-image.js';
import { removeFolder } from '../support/folders.js';
import { halves, hostileFiles } from '../support/images.js';
import { until } from '../support/until.js';

/** What files of this process are called that hold large images for a while. */
const HELD = `filedepot-image-${process.pid}-`;

let depot: DepotManager;
let journal: MemoryJournal;
let attachments: Attachments<MemoryTransaction>;
let photo: Buffer;
beforeEach(async () => {
  depot = new DepotManager();
  depot.configure('default', { backend: 'memory' });
  depot.configure('small', { backend: 'memory' });
  journal = new MemoryJournal();
  attachments = new Attachments({ depot, journal, isReferenced: async () => false });
  photo = await halves(400, 300).jpeg().toBuffer();
});
afterEach(() => attachments.close());

/** Saves a value as a statement does that is a transaction of its own. */
async function save(field: AttachmentField, value: AttachmentInput) {
  const unit = attachments.begin();
  try {
    const attachment = await unit.store(field, value);
    await unit.settle('committed');
    return attachment;
  } catch (error) {
    await unit.settle('rolledBack');
    throw error;
  }
}

async function storedPaths(): Promise<string[]> {
  const paths: string[] = [];
  for (const name of ['default', 'small'])
    for await (const id of depot.get(name).list()) paths.push(`${name}/${id}`);
  return paths.sort();
}

describe('an image in a field', () => {
  test('has thumbnails beside it, and facts', async () => {
    const field = attachmentField({
      filters: [
        withThumbnail({ size: 40 }),
        withThumbnail({ name: 'square', size: 20, fit: 'cover', format: 'webp', storage: 'small' }),
        withImageMetadata(),
      ],
    });
    const saved = await save(field, photo);
    expect(saved?.toJSON()).toMatchObject({
      contentType: 'image/jpeg',
      thumb: { depot: 'default', contentType: 'image/png', width: 40, height: 30 },
      square: { depot: 'small', contentType: 'image/webp', width: 20, height: 20 },
      metadata: { width: 400, height: 300, format: 'jpeg', placeholder: expect.any(String) },
    });
    expect([...(saved?.files ?? [])].sort()).toEqual(await storedPaths());
    expect(saved?.thumbUrl()).toBe(`/depot/${saved?.derivative('thumb')?.path}`);
    expect(saved?.thumbUrl('square')).toBe(`/depot/${saved?.derivative('square')?.path}`);
    const thumb = await depot.getFile(saved?.derivative('thumb')?.path ?? '');
    expect(await sharp(await thumb.buffer()).metadata()).toMatchObject({ format: 'png', width: 40 });
  });

  test('is shrunk before it is stored', async () => {
    const saved = await save(uploadedImageWithThumb({ maxSize: 100 }), Readable.from([photo]));
    expect(saved).toMatchObject({ contentType: 'image/jpeg' });
    expect(saved?.derivative('thumb')).toMatchObject({ width: 100, height: 75 });
    expect(await sharp(await saved?.buffer()).metadata()).toMatchObject({ format: 'jpeg', width: 100 });
    expect([...(saved?.files ?? [])].sort()).toEqual(await storedPaths());
  });

  test('that an upload has stored is taken over, if it is small enough', async () => {
    const uploaded = await depot.create(photo, { filename: 'photo.jpg' });
    const saved = await save(
      uploadedImageWithThumb({ maxSize: 400 }),
      uploaded as unknown as AttachmentInput,
    );
    expect(saved?.path).toBe(uploaded.path);
    expect([...(saved?.files ?? [])].sort()).toEqual(await storedPaths());
  });

  test('that an upload has stored is shrunk, and only the smaller one stays', async () => {
    const uploaded = await depot.create(photo, { filename: 'photo.jpg', metadata: { by: 'me' } });
    const saved = await save(
      uploadedImageWithThumb({ maxSize: 100 }),
      uploaded as unknown as AttachmentInput,
    );
    expect(saved).toMatchObject({ filename: 'photo.jpg', contentType: 'image/jpeg', metadata: { by: 'me' } });
    expect(saved?.path).not.toBe(uploaded.path);
    expect(await sharp(await saved?.buffer()).metadata()).toMatchObject({ width: 100, height: 75 });
    expect([...(saved?.files ?? [])].sort()).toEqual(await storedPaths());
  });
});

describe('a large image', () => {
  test.each(['memory', 'local'] as const)('is read from where it is: %s', async (backend) => {
    const folder = await mkdtemp(join(tmpdir(), 'filedepot-attached-'));
    try {
      depot.configure('large', backend === 'local' ? { backend, storagePath: folder } : { backend });
      const content = await halves(900, 900).png({ compressionLevel: 0 }).toBuffer();
      const inputs: ImageInput[] = [];
      const processor: ImageProcessor = {
        process: (input, ...others) => {
          inputs.push(input);
          return new SharpProcessor().process(input, ...others);
        },
      };
      const field = attachmentField({ storage: 'large', filters: [withThumbnail({ processor })] });
      const saved = await save(field, Readable.from([content]));
      expect(saved?.derivative('thumb')).toMatchObject({ width: 128, height: 128 });
      const path = expect.stringMatching(backend === 'local' ? `/${saved?.id}/file$` : /filedepot-image-/);
      expect(inputs).toEqual([{ path }]);
    } finally {
      await removeFolder(folder);
    }
  });
});

test('a large image whose storage does not exist leaves nothing in the temporary folder', async () => {
  const content = Readable.from([await halves(900, 900).png({ compressionLevel: 0 }).toBuffer()]);
  const field = attachmentField({ storage: 'missing', processContent: withImageSize({ maxSize: 900 }) });
  await expect(save(field, content)).rejects.toMatchObject({ code: 'STORAGE_NOT_FOUND' });
  const held = async () => (await readdir(tmpdir())).filter((name) => name.startsWith(HELD));
  await until(async () => (await held()).length === 0, 'the temporary file to go');
});

describe('what is refused leaves nothing', () => {
  const fields = {
    'with a thumbnail': attachmentField({ filters: [withThumbnail()] }),
    'with a limit': uploadedImageWithThumb(),
  };

  test.each(Object.entries(fields))('in a field %s', async (_name, field) => {
    for (const { content, code } of Object.values(await hostileFiles())) {
      const uploaded = await depot.create(content, { filename: 'photo.jpg' });
      for (const value of [content, Readable.from([content]), uploaded as unknown as AttachmentInput]) {
        await expect(save(field, value)).rejects.toMatchObject({ code });
      }
      await attachments.idle();
      expect(await storedPaths()).toEqual([]);
      for await (const intent of journal.entries()) throw new Error(`${intent.paths} stays in the journal`);
    }
  });
});
