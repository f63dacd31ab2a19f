// @ts-check
import { createReadStream, mkdirSync } from 'node:fs';
import { copyFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import sharp from 'sharp';

/** @typedef {import('./tasks.js').Task} Task */
/** @typedef {{ photo: string, count: number }} Thumbnails */

/** What is made of each photo; the largest first. */
export const THUMBNAILS = [
  { name: 'large', size: 1600, format: /** @type {const} */ ('jpeg') },
  { name: 'medium', size: 800, format: /** @type {const} */ ('webp') },
  { name: 'small', size: 200, format: /** @type {const} */ ('png') },
];

/**
 * sharp alone, as its users write it who want to decode once.
 * @param {string} folder @param {Thumbnails} settings @returns {Promise<Task>}
 */
export async function plainThumbnails(folder, settings) {
  mkdirSync(folder, { recursive: true });
  const [{ size: largest } = { size: 0 }] = THUMBNAILS;
  return thumbnails(settings, async (photo, number) => {
    await copyFile(photo, join(folder, `${number}.jpg`));
    const decoded = sharp(photo, { autoOrient: true }).resize(largest, largest, { fit: 'inside' }).raw();
    const { data, info } = await decoded.toBuffer({ resolveWithObject: true });
    for (const { name, size, format } of THUMBNAILS) {
      const image = sharp(data, { raw: info }).resize(size, size, { fit: 'inside' }).toFormat(format);
      await writeFile(join(folder, `${number}-${name}.${format}`), await image.toBuffer());
    }
  });
}

/**
 * The filters of one attachment; the photo comes as a stream, as an upload does.
 * @param {string} folder @param {Thumbnails} settings @returns {Promise<Task>}
 */
export async function depotThumbnails(folder, settings) {
  const { DepotManager, withThumbnail } = await import('./filedepot.js');
  const { Attachments } = await import('../../dist/attachments/attachments.js');
  const { attachmentField } = await import('../../dist/attachments/field.js');
  const { MemoryJournal } = await import('../../dist/attachments/journal/memory-journal.js');
  const depot = new DepotManager();
  depot.configure('files', { backend: 'local', storagePath: folder, durability: 'rename' });
  const attachments = new Attachments({
    depot,
    journal: new MemoryJournal(),
    isReferenced: async () => true,
  });
  const field = attachmentField({ filters: THUMBNAILS.map(withThumbnail) });
  return thumbnails(settings, async (photo) => {
    const unit = attachments.begin();
    const stored = await unit.store(field, createReadStream(photo));
    await unit.settle('committed');
    if (stored?.files.length !== 1 + THUMBNAILS.length) throw new Error('A thumbnail is missing');
  });
}

/**
 * One after the other.
 * @param {Thumbnails} settings @param {(photo: string, number: number) => Promise<void>} make @returns {Task}
 */
function thumbnails({ photo, count }, make) {
  const run = async (/** @type {number} */ times) => {
    for (let number = 0; number < times; number += 1) await make(photo, number);
  };
  return { warmUp: () => run(1), work: () => run(count) };
}
