// @ts-check
// The products: a card for each, as many as were asked for so far.

import { listProducts, RequestError } from './api.js';
import { find, newCard, showText } from './elements.js';
import { explain, formatPrice, formatSize } from './format.js';

/** @typedef {import('./api.js').Product} Product */
/** @typedef {import('./api.js').Photo} Photo */

/** @typedef {{ onEdit: (product: Product) => void, onDelete: (product: Product) => void }} CardActions */

/** The list of products, the newest first. */
export class ProductList {
  /** @type {Map<string, { product: Product, card: HTMLLIElement }>} */
  #cards = new Map();
  /** @type {string | null} */
  #next = null;
  #list = find(document, '#products', HTMLElement);
  #more = find(document, '#more', HTMLButtonElement);
  #empty = find(document, '#empty', HTMLElement);
  #notice = find(document, '#notice', HTMLElement);
  #actions;

  /** @param {CardActions} actions */
  constructor(actions) {
    this.#actions = actions;
    this.#more.addEventListener('click', () => this.#goOn());
  }

  /** Shows the next products; on the first call the first ones. */
  async loadMore() {
    this.#more.disabled = true;
    try {
      const { products, next } = await listProducts(this.#next);
      this.#next = next;
      for (const product of products) this.show(product, 'last');
      showText(this.#notice);
      this.#refresh();
    } catch (error) {
      this.#offerRetry(error);
    } finally {
      this.#more.disabled = false;
    }
  }

  /** Shows the next products to who asked for them: the focus goes on to the first of them instead of getting lost. */
  async #goOn() {
    const shown = new Set(this.#list.children);
    await this.loadMore();
    const firstNew = [...this.#list.children].find((card) => !shown.has(card));
    focusOn(firstNew?.querySelector('.edit') ?? this.#notice.querySelector('button'));
  }

  /**
   * Shows a product: where it is already, or at an end of the list.
   * @param {Product} product
   * @param {'first' | 'last'} place
   */
  show(product, place = 'first') {
    const known = this.#cards.get(product.id);
    const card = known?.card ?? this.#addCard(product.id, place);
    this.#cards.set(product.id, { product, card });
    fill(card, product);
    this.#refresh();
  }

  /**
   * The focus that was in its card goes on to the next one instead of getting lost.
   * @param {Product} product
   */
  remove({ id }) {
    const card = this.#cards.get(id)?.card;
    if (!card) return;
    const neighbour = card.nextElementSibling ?? card.previousElementSibling;
    this.#cards.delete(id);
    card.remove();
    this.#refresh();
    focusOn(neighbour?.querySelector('.edit'));
  }

  /** @param {string} message */
  complain(message) {
    showText(this.#notice, message);
  }

  /**
   * @param {string} id
   * @param {'first' | 'last'} place
   */
  #addCard(id, place) {
    const card = newCard();
    const act = (/** @type {(product: Product) => void} */ action) => () => {
      const known = this.#cards.get(id);
      if (known) action(known.product);
    };
    find(card, '.edit', HTMLButtonElement).addEventListener('click', act(this.#actions.onEdit));
    find(card, '.delete', HTMLButtonElement).addEventListener('click', act(this.#actions.onDelete));
    if (place === 'first') this.#list.prepend(card);
    else this.#list.append(card);
    return card;
  }

  #refresh() {
    this.#more.hidden = this.#next === null;
    this.#empty.hidden = this.#cards.size > 0;
  }

  /** @param {unknown} error */
  #offerRetry(error) {
    const problem = error instanceof RequestError ? error.problem : {};
    showText(this.#notice, `The products cannot be listed: ${explain(problem)}`);
    const retry = document.createElement('button');
    retry.className = 'button';
    retry.type = 'button';
    retry.textContent = 'Try again';
    retry.addEventListener('click', () => this.#goOn());
    this.#notice.append(retry);
  }
}

/** @param {Element | null} [target] where there is none, the page begins anew */
function focusOn(target) {
  const next = target ?? document.querySelector('#add');
  if (next instanceof HTMLElement) next.focus();
}

/**
 * @param {HTMLElement} card
 * @param {Product} product
 */
function fill(card, { name, price, description, photo, sheet }) {
  find(card, '.name', HTMLElement).textContent = name;
  find(card, '.price', HTMLElement).textContent = formatPrice(price);
  showText(find(card, '.description', HTMLElement), description);
  find(card, '.edit', HTMLElement).ariaLabel = `Edit ${name}`;
  find(card, '.delete', HTMLElement).ariaLabel = `Delete ${name}`;
  fillSheet(find(card, '.sheet', HTMLAnchorElement), name, sheet);
  fillPicture(find(card, '.picture', HTMLElement), name, photo);
}

/**
 * @param {HTMLAnchorElement} link
 * @param {string} name
 * @param {import('./api.js').StoredFile | null} sheet
 */
function fillSheet(link, name, sheet) {
  link.hidden = sheet === null;
  if (!sheet) return;
  link.href = `${sheet.url}?download`;
  link.title = sheet.filename;
  const text = sheet.size === undefined ? 'Data sheet' : `Data sheet (${formatSize(sheet.size)})`;
  find(link, 'span', HTMLElement).textContent = text;
  link.ariaLabel = `${text} of ${name}: ${sheet.filename}`;
}

/**
 * @param {HTMLElement} picture
 * @param {string} name
 * @param {Photo | null} photo
 */
function fillPicture(picture, name, photo) {
  const old = picture.querySelector('a');
  if (photo && old?.getAttribute('href') === photo.url) find(old, 'img', HTMLImageElement).alt = altOf(name);
  else {
    old?.remove();
    if (photo) picture.append(linkedPhoto(name, photo));
  }
}

/**
 * The thumbnail, in a link to the photo; until it is there, the tiny picture that the product brings with it.
 * @param {string} name
 * @param {Photo} photo
 */
function linkedPhoto(name, { url, thumb, placeholder }) {
  const link = document.createElement('a');
  Object.assign(link, { href: url, target: '_blank', rel: 'noopener' });
  if (placeholder?.startsWith('data:image/')) link.style.backgroundImage = `url("${placeholder}")`;
  const image = document.createElement('img');
  Object.assign(image, { loading: 'lazy', decoding: 'async', alt: altOf(name) });
  if (thumb.width && thumb.height) Object.assign(image, { width: thumb.width, height: thumb.height });
  image.addEventListener('load', () => {
    link.style.backgroundImage = '';
    link.classList.add('loaded');
  });
  image.src = thumb.url;
  link.append(image);
  return link;
}

/** @param {string} name */
const altOf = (name) => `Photo of ${name}`;
