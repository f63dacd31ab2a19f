// @ts-check
// Puts the page together: where files come from, and where they go.

import { getLimits } from './api.js';
import { find } from './elements.js';
import { FileListing } from './files.js';
import { asSentence, describeAccepted, formatSize } from './format.js';
import { UploadQueue } from './uploads.js';

/** @typedef {import('./api.js').FileInfo} FileInfo */
/** @typedef {import('./format.js').Limits} Limits */
/** @typedef {import('./uploads.js').Replacement} Replacement */

const chooser = find(document, '#chooser', HTMLInputElement);
const contentChooser = find(document, '#replacement', HTMLInputElement);
const dialog = find(document, '#confirm', HTMLDialogElement);

/** @type {Replacement | undefined} */
let toReplace;

/** @type {(isYes: boolean) => void} */
let answer = () => {};

const listing = new FileListing({ onReplace: chooseReplacement, confirmDelete });
const queue = new UploadQueue((file) => listing.show(file));

chooser.addEventListener('change', () => addChosen(chooser));
contentChooser.addEventListener('change', () => addChosen(contentChooser, toReplace));
dialog.addEventListener('close', () => {
  // The event comes a moment after the dialog has closed: by then it may be open for another file.
  if (!dialog.open) answer(dialog.returnValue === 'delete');
});
document.addEventListener('paste', ({ clipboardData }) => addAll(clipboardData?.files ?? []));
window.addEventListener('beforeunload', (event) => {
  if (queue.isBusy) event.preventDefault();
});
acceptDrops();
getLimits().then(showLimits, () => {});
listing.load();

/** @param {Iterable<File>} files */
function addAll(files) {
  for (const file of files) queue.add(file);
}

/**
 * @param {HTMLInputElement} input
 * @param {Replacement} [replacement]
 */
function addChosen(input, replacement) {
  for (const file of input.files ?? []) queue.add(file, replacement);
  input.value = '';
}

/** @param {Replacement} replacement */
function chooseReplacement(replacement) {
  toReplace = replacement;
  contentChooser.click();
}

/**
 * Asks before something is gone for good. The focus returns to where it was: the dialog sees to it.
 * @param {FileInfo} file
 * @returns {Promise<boolean>}
 */
function confirmDelete(file) {
  find(dialog, '.name', HTMLElement).textContent = file.filename;
  dialog.returnValue = '';
  dialog.showModal();
  return new Promise((resolve) => {
    answer = resolve;
  });
}

/** Files can be dropped anywhere: one that misses the target must not replace the page. */
function acceptDrops() {
  let depth = 0;
  const mark = (/** @type {number} */ change) => {
    depth = change === 0 ? 0 : depth + change;
    document.body.classList.toggle('dragging', depth > 0);
  };
  document.addEventListener('dragenter', () => mark(1));
  document.addEventListener('dragleave', () => mark(-1));
  document.addEventListener('dragover', (event) => event.preventDefault());
  document.addEventListener('drop', (event) => {
    event.preventDefault();
    mark(0);
    addAll(event.dataTransfer?.files ?? []);
  });
}

/** @param {Limits} limits */
function showLimits(limits) {
  queue.limits = limits;
  chooser.accept = contentChooser.accept = limits.accept.join(',');
  const size = `up to ${formatSize(limits.maxFileSize)} each`;
  const types = limits.accept.length === 0 ? 'any type' : describeAccepted(limits.accept);
  find(document, '#limits', HTMLElement).textContent = asSentence(`${types}, ${size}`);
}
