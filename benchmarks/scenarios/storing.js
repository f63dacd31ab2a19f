// @ts-check
import { randomUUID } from 'node:crypto';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { startTask } from '../harness/subjects.js';
import { KILOBYTE } from './sizes.js';

/** @typedef {import('../harness/types.js').Scenario} Scenario */

/** @param {boolean} quick @returns {Scenario[]} */
export function storingScenarios(quick) {
  return [creates('create', false, quick), creates('create-fsync', true, quick), listing(quick)];
}

/** @param {string} name @param {boolean} fsync @param {boolean} quick @returns {Scenario} */
function creates(name, fsync, quick) {
  const settings = { count: quick ? 1000 : 10_000, size: 4 * KILOBYTE, concurrency: 16, fsync };
  const title = `${settings.count} creates of 4 KB, 16 at once, ${fsync ? 'with' : 'without'} fsync`;
  const candidate = (/** @type {string} */ name, /** @type {string} */ task) => ({
    name,
    start: (/** @type {import('../harness/types.js').Context} */ { folder }) =>
      startTask({ task, folder, settings }),
  });
  const candidates = [
    candidate('fs.writeFile, twice', 'plainCreates'),
    candidate('depot.create()', 'depotCreates'),
  ];
  return { name, title, rounds: 5, operations: settings.count, operationBytes: settings.size, candidates };
}

/** @param {boolean} quick @returns {Scenario} */
function listing(quick) {
  const count = quick ? 10_000 : 100_000;
  const candidate = (/** @type {string} */ name, /** @type {string} */ task) => ({
    name,
    start: (/** @type {import('../harness/types.js').Context} */ { shared }) =>
      startTask({ task, folder: shared, settings: { count } }),
  });
  return {
    name: 'list',
    title: `listing ${count} files (an operation is one file)`,
    rounds: 5,
    operations: count,
    operationBytes: 0,
    candidates: [candidate('fs.readdir', 'plainListing'), candidate('storage.list()', 'depotListing')],
    prepare: async (folder) => writeLayout(folder, count),
  };
}

/** What a local storage has on the disk, written directly. @param {string} folder @param {number} count */
function writeLayout(folder, count) {
  const metadata = JSON.stringify({
    filename: 'holiday.bin',
    content_type: 'application/octet-stream',
    content_length: 1,
    last_modified: '2025-01-01 00:00:00',
  });
  for (let index = 0; index < count; index += 1) {
    const home = join(folder, randomUUID());
    mkdirSync(home);
    writeFileSync(join(home, 'file'), '1');
    writeFileSync(join(home, 'metadata.json'), metadata);
  }
}
