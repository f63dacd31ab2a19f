// @ts-check
// The files on their way to the server: at most three at once, each with its progress, and a way out.

import { deleteFile, RequestError, sendFile } from './api.js';
import { announce, copyOf, find, removeRow, setHidden, setIcon } from './elements.js';
import { explain, foreseenProblem, formatSize, kindOf } from './format.js';

/** @typedef {import('./api.js').FileInfo} FileInfo */
/** @typedef {import('./format.js').Limits} Limits */
/** @typedef {import('./format.js').Problem} Problem */

/**
 * A stored file that gets new content, and its row, below which the upload is shown.
 * @typedef {{ file: FileInfo, row: HTMLElement }} Replacement
 */

const MAX_AT_ONCE = 3;

/** Seconds of sending that the page may not have been told of yet: progress comes every 50 ms. */
const UNTOLD_SECONDS = 0.25;

/** Bytes that may have been sent before the page was told of any. */
const UNTOLD_BYTES = 256 * 1024;

/** One file on its way, and its row on the page. */
class Upload {
  /** @type {'waiting' | 'sending' | 'failed'} */
  state = 'waiting';
  isCancelled = false;
  row = copyOf('#upload-row');
  stopping = new AbortController();
  #message = find(this.row, '.message', HTMLElement);
  #progress = find(this.row, 'progress', HTMLProgressElement);
  #sent = { bytes: 0, total: 0, since: 0 };
  #retry = find(this.row, '.retry', HTMLButtonElement);
  #cancel = find(this.row, '.cancel', HTMLButtonElement);

  /**
   * @param {File} file
   * @param {FileInfo | undefined} replaces
   * @param {{ retry: () => void, cancel: () => void }} on
   */
  constructor(file, replaces, on) {
    this.file = file;
    this.replaces = replaces;
    const name = find(this.row, '.name', HTMLElement);
    name.textContent = name.title = file.name;
    find(this.row, '.replaces', HTMLElement).textContent = replaces ? `replaces ${replaces.filename}` : '';
    setIcon(this.row, kindOf(file.type || 'application/octet-stream'));
    this.#progress.setAttribute('aria-label', `Upload of ${file.name}`);
    this.#retry.setAttribute('aria-label', `Try again to upload ${file.name}`);
    this.#retry.addEventListener('click', on.retry);
    this.#cancel.addEventListener('click', on.cancel);
    this.wait();
  }

  /** Whether all may be sent by now, so that the server has stored it. */
  get mayBeStored() {
    const { bytes, total, since } = this.#sent;
    const seconds = Math.max((performance.now() - since) / 1000, UNTOLD_SECONDS);
    const bytesPerSecond = bytes / seconds;
    return this.state === 'sending' && total - bytes <= UNTOLD_BYTES + bytesPerSecond * UNTOLD_SECONDS;
  }

  wait() {
    this.#enter('waiting', 'Waiting');
    this.#progress.value = 0;
  }

  send() {
    this.#enter('sending', 'Starting');
    this.#sent = { bytes: 0, total: this.file.size, since: performance.now() };
    const { file, replaces } = this;
    const { signal } = this.stopping;
    const onProgress = (/** @type {number} */ sent, /** @type {number} */ total) => this.#show(sent, total);
    return sendFile(file, { signal, onProgress, ...(replaces && { replaces }) });
  }

  /** What the server may have by now is not stopped: it is taken back when the server has answered. */
  cancel() {
    if (this.state !== 'failed') announce(`The upload of ${this.file.name} is cancelled`);
    this.isCancelled = true;
    if (!this.mayBeStored) this.stopping.abort();
  }

  /**
   * @param {string} message
   * @param {boolean} canRetry
   */
  fail(message, canRetry) {
    this.#enter('failed', message);
    this.#retry.hidden = !canRetry;
    announce(`${this.file.name}: ${message}`);
  }

  /**
   * @param {number} sent
   * @param {number} total
   */
  #show(sent, total) {
    this.#sent = { ...this.#sent, bytes: sent, total };
    const isSent = sent === total;
    if (isSent) this.#progress.removeAttribute('value');
    else this.#progress.value = sent / total;
    const share = `${Math.floor((sent / total) * 100)}% of ${formatSize(this.file.size)}`;
    this.#message.textContent = isSent ? 'Saving' : share;
  }

  /**
   * @param {Upload['state']} state
   * @param {string} message
   */
  #enter(state, message) {
    this.state = state;
    this.row.dataset.state = state;
    this.#message.textContent = message;
    this.#progress.hidden = state === 'failed';
    setHidden(this.#retry, true, this.#cancel);
    const label = state === 'failed' ? 'Dismiss' : 'Cancel the upload of';
    this.#cancel.setAttribute('aria-label', `${label} ${this.file.name}`);
  }
}

/** All files on their way. */
export class UploadQueue {
  /** @type {Set<Upload>} */
  #uploads = new Set();
  /** Those that are being sent or taken back. @type {Set<Upload>} */
  #running = new Set();
  #section = find(document, '#uploads', HTMLElement);
  #list = find(document, '#upload-list', HTMLElement);
  #cancelAll = find(document, '#cancel-all', HTMLButtonElement);

  /** @type {Limits | undefined} unknown until the server told them; it refuses by itself as well */
  limits;

  /** @param {(file: FileInfo) => void} onStored */
  constructor(onStored) {
    this.onStored = onStored;
    this.#cancelAll.addEventListener('click', () => this.#cancel(...this.#uploads));
  }

  /** Whether leaving the page would lose something. */
  get isBusy() {
    return this.#running.size > 0 || this.#isUnderWay;
  }

  /** Whether an upload that is shown has not failed. */
  get #isUnderWay() {
    return [...this.#uploads].some(({ state }) => state !== 'failed');
  }

  /**
   * @param {File} file
   * @param {Replacement} [replacement]
   */
  add(file, replacement) {
    /** @type {Upload} */
    const upload = new Upload(file, replacement?.file, {
      retry: () => this.#retry(upload),
      cancel: () => this.#cancel(upload),
    });
    this.#uploads.add(upload);
    if (replacement) replacement.row.after(upload.row);
    else this.#list.append(upload.row);
    const problem = this.limits && foreseenProblem(file, this.limits);
    if (problem) this.#fail(upload, problem);
    this.#proceed();
    if (!replacement) this.#section.scrollIntoView({ block: 'nearest' });
  }

  /** Starts what waits, as far as there is room, and shows how things are. */
  #proceed() {
    const waiting = [...this.#uploads].filter(({ state }) => state === 'waiting');
    for (const upload of waiting.slice(0, MAX_AT_ONCE - this.#running.size)) this.#run(upload);
    setHidden(this.#cancelAll, this.#uploads.size < 2);
    setHidden(this.#section, this.#list.childElementCount === 0);
    this.#cancelAll.textContent = this.#isUnderWay ? 'Cancel all' : 'Dismiss all';
  }

  /** @param {Upload} upload */
  async #run(upload) {
    this.#running.add(upload);
    try {
      const stored = await upload.send();
      if (upload.isCancelled) await this.#takeBack(upload, stored);
      else this.#finish(upload, stored);
    } catch (error) {
      if (!upload.isCancelled) this.#fail(upload, error instanceof RequestError ? error.problem : {});
    }
    this.#running.delete(upload);
    this.#proceed();
  }

  /**
   * @param {Upload} upload
   * @param {FileInfo} stored
   */
  #finish(upload, stored) {
    this.#remove(upload);
    this.onStored(stored);
    announce(`${stored.filename} is uploaded`);
  }

  /**
   * What was cancelled too late is deleted again. What cannot be deleted is shown, as is what was replaced, which cannot
   * be had back.
   * @param {Upload} upload
   * @param {FileInfo} stored
   */
  async #takeBack(upload, stored) {
    if (upload.replaces) return this.onStored(stored);
    await deleteFile(stored).catch(() => this.#finish(upload, stored));
  }

  /**
   * @param {Upload} upload
   * @param {Problem} problem
   */
  #fail(upload, problem) {
    const { message, canRetry } = explain(problem, upload.file, this.limits);
    upload.fail(message, canRetry);
  }

  /** @param {Upload} upload */
  #retry(upload) {
    upload.wait();
    this.#proceed();
  }

  /**
   * All of them before anything else begins, so that none of them begins in the last moment.
   * @param {Upload[]} uploads
   */
  #cancel(...uploads) {
    for (const upload of uploads) {
      upload.cancel();
      this.#remove(upload);
    }
    this.#proceed();
  }

  /** @param {Upload} upload */
  #remove(upload) {
    this.#uploads.delete(upload);
    removeRow(upload.row);
  }
}
