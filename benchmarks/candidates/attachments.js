// @ts-check
import { randomBytes } from 'node:crypto';
import { DepotManager } from './filedepot.js';
import { orms } from './orms.js';

/** @typedef {import('./tasks.js').Task} Task */
/** @typedef {{ orm: keyof typeof orms, address: string, count: number, size: number }} Saves */

/**
 * The application stores the file, then the row with what it was told of the file.
 * @param {string} folder @param {Saves} settings @returns {Promise<Task>}
 */
export async function saveByHand(folder, { orm, address, ...settings }) {
  const depot = newDepot(folder);
  const insert = await orms[orm](address);
  return saves(settings, async (name, content) => insert({ name, file: await depot.create(content) }));
}

/** The row has an attachment. @param {string} folder @param {Saves} settings @returns {Promise<Task>} */
export async function saveAttachments(folder, { orm, address, ...settings }) {
  const insert = await orms[orm](address, newDepot(folder));
  return saves(settings, (name, content) => insert({ name, file: content }));
}

/** @param {string} folder */
function newDepot(folder) {
  const depot = new DepotManager();
  depot.configure('files', { backend: 'local', storagePath: folder });
  return depot;
}

/**
 * One after the other.
 * @param {Pick<Saves, 'count' | 'size'>} settings
 * @param {(name: string, content: Buffer) => Promise<unknown>} save @returns {Task}
 */
function saves({ count, size }, save) {
  const content = randomBytes(size);
  let number = 0;
  const run = async (/** @type {number} */ times) => {
    for (const end = number + times; number < end; number += 1) await save(`document ${number}`, content);
  };
  return { warmUp: () => run(2 * count), work: () => run(count) };
}
