// @ts-check
import { randomFillSync } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import { link, mkdir } from 'node:fs/promises';
import { join } from 'node:path';

/** Bytes that are repeated to fill a file. */
const BLOCK_SIZE = 64 * 1024 * 1024;

/**
 * Files for downloads: stored in a depot, and the very same files under plain names, so that no candidate has
 * a better place on the disk or in the page cache.
 * @param {string} folder @param {Record<string, number>} sizes bytes by name
 */
export async function prepareFiles(folder, sizes) {
  const { DepotManager } = await import('../candidates/filedepot.js');
  const depot = new DepotManager();
  depot.configure('files', { backend: 'local', storagePath: join(folder, 'depot') });
  await mkdir(join(folder, 'plain'), { recursive: true });
  /** @type {Record<string, string>} */
  const ids = {};
  for (const [name, size] of Object.entries(sizes)) {
    const { id } = await depot.create(randomContent(size), { filename: `${name}.bin` });
    await link(join(folder, 'depot', id, 'file'), join(folder, 'plain', `${name}.bin`));
    ids[name] = id;
  }
  writeFileSync(join(folder, 'ids.json'), JSON.stringify(ids));
  await depot.close();
}

/** Where the depot of a prepared folder serves a file. @param {string} folder @param {string} name */
export function depotPath(folder, name) {
  return `/depot/files/${JSON.parse(readFileSync(join(folder, 'ids.json'), 'utf8'))[name]}`;
}

/** @param {number} size */
async function* randomContent(size) {
  const block = randomFillSync(Buffer.alloc(Math.min(size, BLOCK_SIZE)));
  for (let left = size; left > 0; left -= block.byteLength) yield block.subarray(0, left);
}
