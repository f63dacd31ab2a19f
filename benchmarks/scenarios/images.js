// @ts-check
import { statSync } from 'node:fs';
import { join } from 'node:path';
import { startTask } from '../harness/subjects.js';
import { MEGABYTE } from './sizes.js';

/** @typedef {import('../harness/types.js').Scenario} Scenario */

/** Pixels: 12 megapixels, as phones have them. */
const PHOTO = { width: 4000, height: 3000 };

const BAR = { cpu: 1.25, growth: 200 * MEGABYTE };

/** @param {boolean} quick @returns {Scenario[]} */
export function imageScenarios(quick) {
  const count = quick ? 3 : 20;
  const candidate = (/** @type {string} */ name, /** @type {string} */ task) => ({
    name,
    start: (/** @type {import('../harness/types.js').Context} */ { folder, shared }) =>
      startTask({ task, folder, settings: { photo: photoIn(shared), count } }),
  });
  const candidates = [
    candidate('sharp, one decoding', 'plainThumbnails'),
    { ...candidate('withThumbnail, three times', 'depotThumbnails'), bar: BAR },
  ];
  const title = `${count} photos of 12 megapixels, each with three thumbnails`;
  const operationBytes = 0;
  return [
    {
      name: 'thumbnails',
      title,
      rounds: 5,
      operations: count,
      operationBytes,
      candidates,
      prepare: makePhoto,
    },
  ];
}

/** @param {string} folder */
function photoIn(folder) {
  return join(folder, 'photo.jpg');
}

/** Noise, enlarged: about as much detail as a photo has. @param {string} folder */
async function makePhoto(folder) {
  const { default: sharp } = await import('sharp');
  const noise = /** @type {const} */ ({ type: 'gaussian', mean: 128, sigma: 40 });
  const create = { width: 1000, height: 750, channels: /** @type {const} */ (3), background: '#000', noise };
  const { width, height } = PHOTO;
  await sharp(await sharp({ create }).png().toBuffer())
    .resize(width, height)
    .jpeg({ quality: 88 })
    .toFile(photoIn(folder));
  if (statSync(photoIn(folder)).size < MEGABYTE) throw new Error('The photo has too little detail');
}
