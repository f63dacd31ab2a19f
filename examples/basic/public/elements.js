// @ts-check
// The little that is needed to work with the page's elements. Names of files are only ever set as text.

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

/**
 * A fresh copy of the row in a template.
 * @param {string} selector
 */
export function copyOf(selector) {
  const { content } = find(document, selector, HTMLTemplateElement);
  return find(document.importNode(content, true), 'li', HTMLLIElement);
}

/**
 * Shows one of the icons that the page defines.
 * @param {ParentNode} root
 * @param {import('./format.js').Kind} kind
 */
export function setIcon(root, kind) {
  const icon = find(root, 'svg.kind', SVGElement);
  icon.dataset.kind = kind;
  find(icon, 'use', SVGUseElement).setAttribute('href', `#icon-${kind}`);
}

/**
 * Removes a row; where the focus was in it, it goes on to a neighbour instead of getting lost.
 * @param {HTMLElement} row
 */
export function removeRow(row) {
  const hadFocus = row.contains(document.activeElement);
  const neighbour = row.nextElementSibling ?? row.previousElementSibling;
  row.remove();
  if (!hadFocus) return;
  const target = neighbour?.querySelector('a, button:not([hidden])');
  (target instanceof HTMLElement ? target : chooser()).focus();
}

/**
 * Hides an element, or shows it; where the focus was in it, it goes on to another one.
 * @param {HTMLElement} element
 * @param {boolean} isHidden
 * @param {HTMLElement} next
 */
export function setHidden(element, isHidden, next = chooser()) {
  if (isHidden && element.contains(document.activeElement)) next.focus();
  element.hidden = isHidden;
}

/** It takes the focus that has no other place. */
export function chooser() {
  return find(document, '#chooser', HTMLInputElement);
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
