// @ts-check
// The little that is needed to work with the page's elements. What people have written is only ever set as text.

/**
 * The one element that a selector finds, of the type that is expected.
 * @template {Element} T
 * @param {ParentNode} root
 * @param {string} selector
 * @param {new () => T} type
 * @returns {T}
 */
export function find(root, selector, type) {
  const element = root.querySelector(selector);
  if (element instanceof type) return element;
  throw new Error(`The page has no ${type.name} ${selector}`);
}

/** A fresh copy of a product's card. */
export function newCard() {
  const { content } = find(document, '#card', HTMLTemplateElement);
  return find(document.importNode(content, true), 'li', HTMLLIElement);
}

/**
 * Shows a text, or nothing where there is none.
 * @param {HTMLElement} element
 * @param {string} [text]
 */
export function showText(element, text = '') {
  element.textContent = text;
  element.hidden = text === '';
}

const MESSAGES_KEPT = 10;

/**
 * Tells people who listen to the page what others see.
 * @param {string} message
 */
export function announce(message) {
  const log = find(document, '#log', HTMLElement);
  const line = document.createElement('p');
  line.textContent = message;
  log.append(line);
  if (log.childElementCount > MESSAGES_KEPT) log.firstElementChild?.remove();
}
