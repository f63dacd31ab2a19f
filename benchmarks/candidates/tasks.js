// @ts-check
import { randomBytes, randomUUID } from 'node:crypto';
import { mkdirSync } from 'node:fs';
import { readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';

/** @typedef {{ warmUp(): Promise<void>, work(): Promise<void> }} Task */
/** @typedef {{ count: number, size: number, concurrency: number, fsync?: boolean }} Creates */

/** Content and metadata as two plain files. @param {string} folder @param {Creates} settings @returns {Promise<Task>} */
async function plainCreates(folder, settings) {
  mkdirSync(folder, { recursive: true });
  return creates(settings, async (content) => {
    const id = randomUUID();
    const metadata = {
      filename: 'holiday.bin',
      content_type: 'application/octet-stream',
      content_length: content.length,
    };
    const flush = settings.fsync ?? false;
    await Promise.all([
      writeFile(join(folder, id), content, { flush }),
      writeFile(join(folder, `${id}.json`), JSON.stringify(metadata), { flush }),
    ]);
  });
}

/** @param {string} folder @param {Creates} settings @returns {Promise<Task>} */
async function depotCreates(folder, settings) {
  const { DepotManager } = await import('./filedepot.js');
  const depot = new DepotManager();
  const durability = settings.fsync ? 'fsync' : 'rename';
  depot.configure('files', { backend: 'local', storagePath: folder, durability });
  return creates(settings, (content) => depot.create(content, { filename: 'holiday.bin' }));
}

/** @param {Creates} settings @param {(content: Buffer) => Promise<unknown>} create @returns {Task} */
function creates({ count, size, concurrency }, create) {
  const content = randomBytes(size);
  const run = async (/** @type {number} */ times) => {
    let left = times;
    const go = async () => {
      while (left > 0) {
        left -= 1;
        await create(content);
      }
    };
    await Promise.all(Array.from({ length: concurrency }, go));
  };
  return { warmUp: () => run(Math.ceil(count / 20)), work: () => run(count) };
}

/** @param {string} folder @param {{ count: number }} settings @returns {Promise<Task>} */
async function plainListing(folder, { count }) {
  return listing(count, async () => (await readdir(folder)).length);
}

/** @param {string} folder @param {{ count: number }} settings @returns {Promise<Task>} */
async function depotListing(folder, { count }) {
  const { DepotManager } = await import('./filedepot.js');
  const depot = new DepotManager();
  depot.configure('files', { backend: 'local', storagePath: folder });
  return listing(count, async () => {
    let ids = 0;
    for await (const _id of depot.get().list()) ids += 1;
    return ids;
  });
}

/** @param {number} count @param {() => Promise<number>} list @returns {Task} */
function listing(count, list) {
  const work = async () => {
    const found = await list();
    if (found < count) throw new Error(`${found} files were listed instead of ${count}`);
  };
  return { warmUp: work, work };
}

/** Loaded where it is needed, since sharp takes memory. @param {'plainThumbnails' | 'depotThumbnails'} name */
function ofImages(name) {
  return async (/** @type {string} */ folder, /** @type {import('./images.js').Thumbnails} */ settings) =>
    (await import('./images.js'))[name](folder, settings);
}

/** Loaded where it is needed: not everybody has all ORMs. @param {'saveByHand' | 'saveAttachments'} name */
function ofAttachments(name) {
  return async (/** @type {string} */ folder, /** @type {import('./attachments.js').Saves} */ settings) =>
    (await import('./attachments.js'))[name](folder, settings);
}

/** The tasks by name. */
export const tasks = {
  plainCreates,
  depotCreates,
  plainListing,
  depotListing,
  plainThumbnails: ofImages('plainThumbnails'),
  depotThumbnails: ofImages('depotThumbnails'),
  saveByHand: ofAttachments('saveByHand'),
  saveAttachments: ofAttachments('saveAttachments'),
};
