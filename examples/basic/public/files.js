// @ts-check
// The stored files: a row for each, as many as were asked for so far.

import { deleteFile, listFiles } from './api.js';
import { announce, chooser, copyOf, find, removeRow, setIcon } from './elements.js';
import { describeType, formatDate, formatSize, hasThumbnail, kindOf } from './format.js';

/** @typedef {import('./api.js').FileInfo} FileInfo */
/** @typedef {{ file: FileInfo, row: HTMLLIElement }} Entry */

/**
 * @typedef {object} FileActions
 * @property {(replacement: import('./uploads.js').Replacement) => void} onReplace
 * @property {(file: FileInfo) => Promise<boolean>} confirmDelete
 */

const A_MINUTE = 60_000;

/** The list of stored files. */
export class FileListing {
  /** @type {Map<string, Entry>} */
  #rows = new Map();
  /** @type {string | null} */
  #next = null;
  #list = find(document, '#file-list', HTMLElement);
  #more = find(document, '#more', HTMLButtonElement);
  #empty = find(document, '#empty', HTMLElement);
  #summary = find(document, '#summary', HTMLElement);
  #notice = find(document, '#notice', HTMLElement);
  #actions;

  /** @param {FileActions} actions */
  constructor(actions) {
    this.#actions = actions;
    this.#more.addEventListener('click', () => this.#loadMore());
    setInterval(() => this.#refreshDates(), A_MINUTE);
  }

  /** Shows the next files of the list; on the first call the first ones. */
  async load() {
    this.#list.setAttribute('aria-busy', 'true');
    const listed = await this.#attempt('The files cannot be listed', async () => {
      const { files, next } = await listFiles(this.#next);
      for (const file of files) this.#insert(file);
      this.#next = next;
    });
    this.#list.removeAttribute('aria-busy');
    this.#summarize();
    this.#more.hidden = listed && this.#next === null;
    this.#more.textContent = listed ? 'Show more files' : 'Try again';
  }

  /**
   * Shows a file that was just stored: at the top, or in its old place if it was replaced.
   * @param {FileInfo} file
   */
  show(file) {
    const known = this.#rows.get(file.path);
    const row = this.#rowFor(file);
    row.classList.add('fresh');
    if (!known) this.#list.prepend(row);
    this.#summarize();
  }

  async #loadMore() {
    const shown = new Set(this.#list.children);
    this.#more.disabled = true;
    await this.load();
    this.#more.disabled = false;
    const added = [...this.#list.children].filter((row) => !shown.has(row));
    for (const row of added) row.classList.add('fresh');
    (added[0]?.querySelector('a') ?? (this.#more.hidden ? chooser() : this.#more)).focus();
    if (added.length > 0) announce(`${added.length} more files are shown`);
  }

  /**
   * Puts a file in its place by date. One that was uploaded a moment ago may be in the list as well; it stays where it is.
   * @param {FileInfo} file
   */
  #insert(file) {
    const next = this.#nextOf(file);
    const row = this.#rowFor(file);
    if (!row.isConnected) this.#list.insertBefore(row, next);
  }

  /**
   * The row that is to come after a file: the first of those that are sorted behind it.
   * @param {FileInfo} file
   */
  #nextOf(file) {
    /** @type {Entry | undefined} */
    let next;
    for (const entry of this.#rows.values()) {
      const isBehind = byDate(file, entry.file) < 0;
      if (isBehind && (!next || byDate(entry.file, next.file) < 0)) next = entry;
    }
    return next?.row ?? null;
  }

  /** @param {FileInfo} file */
  async #delete(file) {
    if (!(await this.#actions.confirmDelete(file))) return;
    const entry = this.#rows.get(file.path);
    entry?.row.classList.add('leaving');
    const done = await this.#attempt(`${file.filename} cannot be deleted`, () => deleteFile(file));
    entry?.row.classList.remove('leaving');
    if (!done) return;
    this.#rows.delete(file.path);
    if (entry) removeRow(entry.row);
    announce(`${file.filename} is deleted`);
    this.#summarize();
  }

  /**
   * Does something that may fail, and says so on the page if it does.
   * @param {string} failure
   * @param {() => Promise<void>} act
   */
  async #attempt(failure, act) {
    this.#notice.hidden = true;
    try {
      await act();
      return true;
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error);
      this.#notice.textContent = `${failure}. ${reason}`;
      this.#notice.hidden = false;
      return false;
    }
  }

  /**
   * The row of a file, filled; a new one for a file that has none.
   * @param {FileInfo} file
   */
  #rowFor(file) {
    const row = this.#rows.get(file.path)?.row ?? this.#newRow(file.path);
    this.#rows.set(file.path, { file, row });
    fill(row, file);
    return row;
  }

  /** @param {string} path */
  #newRow(path) {
    const row = copyOf('#file-row');
    const current = () => /** @type {{ file: FileInfo }} */ (this.#rows.get(path)).file;
    const replace = () => this.#actions.onReplace({ file: current(), row });
    find(row, '.replace', HTMLElement).addEventListener('click', replace);
    find(row, '.delete', HTMLElement).addEventListener('click', () => this.#delete(current()));
    row.addEventListener('animationend', () => row.classList.remove('fresh'));
    return row;
  }

  #summarize() {
    const files = [...this.#rows.values()].map(({ file }) => file);
    const size = files.reduce((sum, file) => sum + file.size, 0);
    const count = files.length === 1 ? '1 file' : `${files.length} files`;
    this.#summary.textContent =
      files.length === 0 ? '' : `${count}${this.#next ? ' shown' : ''} · ${formatSize(size)}`;
    this.#empty.hidden = files.length > 0 || !this.#notice.hidden;
  }

  #refreshDates() {
    for (const { file, row } of this.#rows.values()) fillDate(row, file);
  }
}

/**
 * @param {FileInfo} a
 * @param {FileInfo} b
 */
const byDate = (a, b) => b.lastModified.localeCompare(a.lastModified) || a.filename.localeCompare(b.filename);

/**
 * @param {HTMLElement} row
 * @param {FileInfo} file
 */
function fill(row, file) {
  const { filename, contentType, size, url } = file;
  const name = find(row, '.name', HTMLAnchorElement);
  name.textContent = name.title = filename;
  name.href = url;
  find(row, '.type', HTMLElement).textContent = describeType(contentType);
  find(row, '.size', HTMLElement).textContent = formatSize(size);
  fillDate(row, file);
  fillThumbnail(row, file);
  fillActions(row, file);
}

/**
 * @param {HTMLElement} row
 * @param {FileInfo} file
 */
function fillDate(row, { lastModified }) {
  const date = new Date(lastModified);
  const time = find(row, 'time', HTMLTimeElement);
  time.dateTime = lastModified;
  time.textContent = formatDate(date);
  time.title = date.toLocaleString('en', { dateStyle: 'full', timeStyle: 'short' });
}

/**
 * @param {HTMLElement} row
 * @param {FileInfo} file
 */
function fillThumbnail(row, file) {
  setIcon(row, kindOf(file.contentType));
  const image = find(row, 'img', HTMLImageElement);
  image.hidden = !hasThumbnail(file);
  image.onerror = () => {
    image.hidden = true;
  };
  // The digest makes a replaced image another one for the browser, which would go on showing the old one.
  if (!image.hidden) image.src = `${file.url}?sha256=${file.sha256}`;
}

/**
 * @param {HTMLElement} row
 * @param {FileInfo} file
 */
function fillActions(row, { filename, url }) {
  const download = find(row, '.download', HTMLAnchorElement);
  download.href = `${url}?download`;
  download.download = filename;
  download.setAttribute('aria-label', `Download ${filename}`);
  find(row, '.replace', HTMLElement).setAttribute('aria-label', `Replace ${filename}`);
  find(row, '.delete', HTMLElement).setAttribute('aria-label', `Delete ${filename}`);
}
