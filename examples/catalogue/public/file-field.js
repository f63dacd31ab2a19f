// @ts-check
// A file of the form: as it is stored, as it will be, or to be removed.

import { find, showText } from './elements.js';
import { foreseenRefusal, formatSize, formatTypes } from './format.js';

/** @typedef {import('./format.js').FileField} Name */
/** @typedef {import('./format.js').Limits} Limits */
/** @typedef {import('./api.js').StoredFile} StoredFile */

/** The field of a photo or of a data sheet. */
export class FileField {
  name;
  #what;
  #input;
  #root;
  /** @type {Limits | undefined} */
  #limits;
  /** @type {StoredFile | null} */
  #stored = null;
  /** @type {File | undefined} */
  #chosen;
  #isRemoved = false;
  /** @type {string | undefined} */
  #refusal;

  /**
   * @param {Name} name
   * @param {string} what as people call it
   */
  constructor(name, what) {
    this.name = name;
    this.#what = what;
    this.#root = find(document, `#${name}-field`, HTMLElement);
    this.#input = find(this.#root, 'input', HTMLInputElement);
    this.#input.addEventListener('change', () => this.choose(this.#input.files?.[0]));
    find(this.#root, '.remove', HTMLElement).addEventListener('click', () => this.#toggleRemoval());
    this.#image?.addEventListener('error', () => this.#showImage(undefined));
  }

  /** @param {Limits} limits */
  setLimits(limits) {
    this.#limits = limits;
    const size = `Up to ${formatSize(limits.maxFileSize)}`;
    const hint = find(this.#root, '.hint', HTMLElement);
    hint.textContent =
      this.name === 'photo' ? `${size}: ${formatTypes(limits.photoTypes)}` : `${size}, any type`;
    if (this.name === 'photo') this.#input.accept = limits.photoTypes.join(',');
  }

  /** @param {StoredFile | null} stored */
  reset(stored) {
    this.#stored = stored;
    this.#forget();
    this.#isRemoved = false;
    this.#show();
  }

  /** @param {File} [file] nothing where a person has changed their mind */
  choose(file) {
    if (!file) return;
    this.#forget();
    this.#chosen = file;
    this.#isRemoved = false;
    this.#refusal = this.#limits && foreseenRefusal(this.name, file, this.#limits);
    this.#show();
  }

  /** @param {string} message */
  refuse(message) {
    this.#refusal = message;
    this.#show();
  }

  /** Whether it can be sent as it is. */
  get isValid() {
    return this.#refusal === undefined;
  }

  /** Whether it has a file that is to be sent. */
  get hasChosen() {
    return this.#chosen !== undefined;
  }

  /** Whether saving would change what is stored. */
  get isChanged() {
    return this.hasChosen || this.#isRemoved;
  }

  focus() {
    this.#input.focus();
  }

  /** @param {FormData} form */
  addTo(form) {
    if (this.#chosen) form.set(this.name, this.#chosen);
    else if (this.#isRemoved) form.append('remove', this.name);
  }

  get #image() {
    return this.#root.querySelector('img');
  }

  #forget() {
    this.#chosen = undefined;
    this.#refusal = undefined;
    this.#input.value = '';
  }

  /** Takes back what was chosen, else removes what is stored, or keeps it after all. */
  #toggleRemoval() {
    if (this.#chosen) this.#forget();
    else this.#isRemoved = !this.#isRemoved;
    this.#show();
    if (!this.#chosen && !this.#stored) this.focus();
  }

  #show() {
    const remove = find(this.#root, '.remove', HTMLButtonElement);
    remove.hidden = !this.#chosen && !this.#stored;
    remove.textContent = this.#removeText();
    find(this.#root, 'label.button', HTMLElement).textContent = this.#chooseText();
    showText(find(this.#root, '.state', HTMLElement), this.#stateText());
    const refusal = find(this.#root, '.refusal', HTMLElement);
    showText(refusal, this.#refusal);
    if (this.#refusal) refusal.scrollIntoView({ block: 'nearest' });
    this.#input.ariaInvalid = this.isValid ? null : 'true';
    this.#showImage(this.#imageUrl());
  }

  #chooseText() {
    if (this.#chosen) return `Another ${this.#what}`;
    return `${this.#stored && !this.#isRemoved ? 'Replace the' : 'Choose a'} ${this.#what}`;
  }

  #removeText() {
    if (this.#chosen) return this.#stored ? `Keep the old ${this.#what}` : `Add no ${this.#what}`;
    return this.#isRemoved ? `Keep the ${this.#what}` : `Remove the ${this.#what}`;
  }

  #stateText() {
    if (this.#chosen) return `${this.#chosen.name} (${formatSize(this.#chosen.size)})`;
    if (this.#isRemoved) return `The ${this.#what} will be removed when you save.`;
    return this.#stored?.filename;
  }

  #imageUrl() {
    if (this.#chosen) return this.isValid ? URL.createObjectURL(this.#chosen) : undefined;
    if (this.#isRemoved || !this.#stored) return undefined;
    return 'thumb' in this.#stored
      ? /** @type {import('./api.js').Photo} */ (this.#stored).thumb.url
      : undefined;
  }

  /** @param {string} [url] */
  #showImage(url) {
    const image = this.#image;
    if (!image) return;
    if (image.src.startsWith('blob:')) URL.revokeObjectURL(image.src);
    image.hidden = url === undefined;
    if (url) image.src = url;
    else image.removeAttribute('src');
  }
}
