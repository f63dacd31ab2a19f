// @ts-check
// Puts the page together.

import { deleteProduct, RequestError } from './api.js';
import { ProductList } from './cards.js';
import { Editor } from './editor.js';
import { announce, find } from './elements.js';
import { explain } from './format.js';

/** @typedef {import('./api.js').Product} Product */

const dialog = find(document, '#confirm', HTMLDialogElement);

/** @type {Product | undefined} */
let toDelete;

const list = new ProductList({ onEdit: (product) => editor.open(product), onDelete: confirmDelete });
const editor = new Editor({
  onSaved: (product, isNew) => {
    list.show(product);
    announce(`${product.name} is ${isNew ? 'added' : 'saved'}`);
  },
  // Whether it was saved in the last moment, only the server knows.
  onGivenUp: () => location.reload(),
});

find(document, '#add', HTMLElement).addEventListener('click', () => editor.open());
dialog.addEventListener('close', () => {
  if (dialog.returnValue === 'delete' && toDelete) remove(toDelete);
});
// A file that misses the form must not replace the page.
for (const type of ['dragover', 'drop']) document.addEventListener(type, (event) => event.preventDefault());
editor.loadLimits().catch(() => {});
list.loadMore();

/** @param {Product} product */
function confirmDelete(product) {
  toDelete = product;
  find(dialog, '.name', HTMLElement).textContent = product.name;
  dialog.returnValue = '';
  dialog.showModal();
}

/** @param {Product} product */
async function remove(product) {
  try {
    await deleteProduct(product);
    list.remove(product);
    announce(`${product.name} is deleted`);
  } catch (error) {
    const problem = error instanceof RequestError ? error.problem : {};
    list.complain(`${product.name} cannot be deleted: ${explain(problem)}`);
  }
}
