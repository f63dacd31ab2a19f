// @ts-check
import { attachmentScenarios } from './attachments.js';
import { cloudScenarios } from './cloud.js';
import { downloadScenarios } from './downloads.js';
import { imageScenarios } from './images.js';
import { memoryScenarios } from './memory.js';
import { storingScenarios } from './storing.js';
import { uploadScenarios } from './uploads.js';

/** All scenarios in the order in which they run. @param {boolean} quick fewer and smaller operations */
export function allScenarios(quick) {
  return [
    ...uploadScenarios(quick),
    ...downloadScenarios(quick),
    ...storingScenarios(quick),
    ...memoryScenarios(quick),
    ...imageScenarios(quick),
    ...attachmentScenarios(quick),
    ...cloudScenarios(quick),
  ];
}
