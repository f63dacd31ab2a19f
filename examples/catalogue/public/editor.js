// @ts-check
// The form in which a product is added or edited.

import { getLimits, RequestError, saveProduct } from './api.js';
import { find, showText } from './elements.js';
import { FileField } from './file-field.js';
import { explain, explainFile } from './format.js';

/** @typedef {import('./api.js').Product} Product */

const TEXT_FIELDS = ['name', 'price', 'description'];

/** The dialog with the form. */
export class Editor {
  #dialog = find(document, '#editor', HTMLDialogElement);
  #discard = find(document, '#discard', HTMLDialogElement);
  #form = find(this.#dialog, 'form', HTMLFormElement);
  #cancel = find(this.#dialog, '#cancel', HTMLButtonElement);
  #save = find(this.#dialog, '#save', HTMLButtonElement);
  #progress = find(this.#dialog, '#progress', HTMLProgressElement);
  #refusal = find(this.#dialog, '#refusal', HTMLElement);
  #photo = new FileField('photo', 'photo');
  #sheet = new FileField('sheet', 'data sheet');
  /** @type {Product | undefined} */
  #product;
  #textsBefore = '';
  /** Until the server has told its own. @type {import('./format.js').Limits} */
  #limits = { maxFileSize: Number.POSITIVE_INFINITY, photoTypes: ['image/jpeg', 'image/png'] };
  /** @type {AbortController | undefined} */
  #saving;
  #onSaved;
  #onGivenUp;

  /** @param {{ onSaved: (product: Product, isNew: boolean) => void, onGivenUp: () => void }} actions */
  constructor({ onSaved, onGivenUp }) {
    this.#onSaved = onSaved;
    this.#onGivenUp = onGivenUp;
    this.#form.addEventListener('submit', (event) => {
      event.preventDefault();
      this.#submit();
    });
    this.#cancel.addEventListener('click', () => this.#dialog.close());
    this.#dialog.addEventListener('close', () => this.#saving?.abort());
    this.#discard.addEventListener(
      'close',
      () => this.#discard.returnValue === 'discard' && this.#dialog.close(),
    );
    this.#guardChanges();
    this.#acceptDrops();
  }

  get isOpen() {
    return this.#dialog.open;
  }

  async loadLimits() {
    this.#limits = await getLimits();
    for (const field of this.#files) field.setLimits(this.#limits);
  }

  /** @param {Product} [product] nothing for a new one */
  open(product) {
    this.#product = product;
    find(this.#dialog, 'h2', HTMLElement).textContent = product ? `Edit ${product.name}` : 'Add a product';
    this.#field('name').value = product?.name ?? '';
    this.#field('price').value = product ? (product.price / 100).toFixed(2) : '';
    this.#field('description').value = product?.description ?? '';
    this.#photo.reset(product?.photo ?? null);
    this.#sheet.reset(product?.sheet ?? null);
    this.#textsBefore = this.#texts;
    showText(this.#refusal);
    this.#dialog.showModal();
    find(this.#dialog, '.fields', HTMLElement).scrollTop = 0;
  }

  get #files() {
    return [this.#photo, this.#sheet];
  }

  /** @param {string} name */
  #field(name) {
    return /** @type {HTMLInputElement | HTMLTextAreaElement} */ (this.#form.elements.namedItem(name));
  }

  get #texts() {
    return JSON.stringify(TEXT_FIELDS.map((name) => this.#field(name).value));
  }

  get #isChanged() {
    return this.#texts !== this.#textsBefore || this.#files.some((field) => field.isChanged);
  }

  /**
   * Escape does not close the form by mistake. By `cancel` alone it would the second time: browsers do not let a page keep a
   * dialog open for ever. Some ask by `cancel` only, such as phones, which have no such key; file inputs send it as well.
   */
  #guardChanges() {
    this.#dialog.addEventListener('keydown', (event) => {
      if (event.key === 'Escape' && !event.isComposing) this.#askBeforeClosing(event);
    });
    this.#dialog.addEventListener('cancel', (event) => {
      if (event.target === this.#dialog) this.#askBeforeClosing(event);
    });
  }

  /** @param {Event} event would close the form */
  #askBeforeClosing(event) {
    const canClose = !this.#cancel.disabled;
    if (canClose && !this.#isChanged) return;
    event.preventDefault();
    this.#discard.returnValue = '';
    if (canClose) this.#discard.showModal();
  }

  async #submit() {
    const refused = this.#files.find((field) => !field.isValid);
    if (refused) return refused.focus();
    showText(this.#refusal);
    this.#saving = new AbortController();
    this.#setBusy(true);
    const { signal } = this.#saving;
    const onProgress = (/** @type {number} */ share) => this.#showProgress(share);
    const product = this.#product;
    try {
      const saved = await saveProduct(product, this.#content(), { signal, onProgress });
      this.#endSaving();
      this.#discard.close();
      this.#dialog.close();
      this.#onSaved(saved, product === undefined);
    } catch (error) {
      this.#endSaving();
      if (signal.aborted) this.#onGivenUp();
      else this.#showRefusal(error instanceof RequestError ? error.problem : {});
    }
  }

  #endSaving() {
    this.#saving = undefined;
    this.#setBusy(false);
  }

  #content() {
    const form = new FormData();
    for (const name of TEXT_FIELDS) form.set(name, this.#field(name).value);
    for (const field of this.#files) field.addTo(form);
    return form;
  }

  /** @param {boolean} isBusy */
  #setBusy(isBusy) {
    this.#save.disabled = isBusy;
    this.#save.textContent = isBusy ? 'Saving…' : 'Save';
    this.#cancel.disabled = false;
    this.#progress.hidden = !isBusy || !this.#files.some((field) => field.hasChosen);
    this.#progress.value = 0;
  }

  /**
   * When all is sent, the server has its work to do, and cannot be kept from it.
   * @param {number} share of what is to be sent
   */
  #showProgress(share) {
    this.#cancel.disabled = share === 1;
    if (share < 1) this.#progress.value = share;
    else this.#progress.removeAttribute('value');
  }

  /**
   * Beside the file that it is about, if it is about one.
   * @param {import('./format.js').Problem} problem
   */
  #showRefusal(problem) {
    const refusal = explainFile(problem, this.#limits);
    const field = this.#files.find(({ name }) => name === refusal?.field);
    if (field) field.refuse(refusal?.message ?? '');
    else showText(this.#refusal, refusal?.message ?? explain(problem));
    (field ?? this.#save).focus();
  }

  /** A picture that is dropped is the photo; what is anything else is the data sheet. */
  #acceptDrops() {
    this.#dialog.addEventListener('dragover', (event) => event.preventDefault());
    this.#dialog.addEventListener('drop', (event) => {
      event.preventDefault();
      this.#take(event.dataTransfer?.files);
    });
    document.addEventListener(
      'paste',
      ({ clipboardData }) => this.isOpen && this.#take(clipboardData?.files),
    );
  }

  /** @param {FileList | undefined} files */
  #take(files) {
    for (const file of files ?? []) {
      const field = file.type.startsWith('image/') ? this.#photo : this.#sheet;
      field.choose(file);
    }
  }
}
