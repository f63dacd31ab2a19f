// @ts-check
// The server's JSON API, as the page uses it.

/** @typedef {import('./format.js').Problem} Problem */
/** @typedef {import('./format.js').Limits} Limits */

/**
 * A stored file, as the server describes it.
 * @typedef {object} FileInfo
 * @property {string} path `<storage>/<id>`
 * @property {string} url where its content is
 * @property {string} filename
 * @property {string} contentType
 * @property {number} size bytes
 * @property {string} [sha256]
 * @property {string} lastModified ISO 8601
 */

/** A refusal of the server (RFC 9457), or of the network on the way to it. */
export class RequestError extends Error {
  /** @param {Problem} problem */
  constructor(problem) {
    super(problem.detail ?? problem.title ?? problem.code ?? 'The request failed');
    this.problem = problem;
  }
}

/** @returns {Promise<Limits>} */
export function getLimits() {
  return request('/config');
}

/**
 * @param {string | null} after the last id of the page before
 * @returns {Promise<{ files: FileInfo[], next: string | null }>}
 */
export function listFiles(after) {
  return request(after === null ? '/files' : `/files?after=${encodeURIComponent(after)}`);
}

/** @param {FileInfo} file */
export function deleteFile(file) {
  return request(`/files/${file.path}`, { method: 'DELETE' });
}

/**
 * @param {string} url
 * @param {RequestInit} [options]
 */
async function request(url, options) {
  const response = await fetch(url, options).catch(() => {
    throw new RequestError({ code: 'NETWORK_LOST', title: 'The connection was lost.' });
  });
  const answer = response.status === 204 ? undefined : await response.json().catch(() => ({}));
  if (!response.ok) throw new RequestError(answer);
  return answer;
}

/**
 * @typedef {object} SendOptions
 * @property {FileInfo} [replaces] the stored file that gets this content
 * @property {AbortSignal} signal
 * @property {(sent: number, total: number) => void} onProgress bytes
 */

/**
 * Sends a file: as a new one in a form, or as the new content of a stored one. XMLHttpRequest, since fetch tells
 * nothing of the progress of an upload.
 * @param {File} file
 * @param {SendOptions} options
 * @returns {Promise<FileInfo>}
 */
export function sendFile(file, options) {
  return new Promise((resolve, reject) => {
    const upload = new XMLHttpRequest();
    upload.responseType = 'json';
    upload.upload.onprogress = ({ loaded, total }) => options.onProgress(loaded, total);
    upload.onload = () =>
      upload.status < 300 ? resolve(storedFile(upload.response)) : reject(refusal(upload));
    upload.onerror = () => lostFile(file).then(reject);
    upload.onabort = () => reject(options.signal.reason);
    options.signal.addEventListener('abort', () => upload.abort(), { once: true });
    if (options.replaces) sendContent(upload, file, options.replaces);
    else sendForm(upload, file);
  });
}

/**
 * @param {XMLHttpRequest} upload
 * @param {File} file
 */
function sendForm(upload, file) {
  const form = new FormData();
  form.append('file', file);
  upload.open('POST', '/files');
  upload.send(form);
}

/**
 * @param {XMLHttpRequest} upload
 * @param {File} file
 * @param {FileInfo} replaced
 */
function sendContent(upload, file, replaced) {
  upload.open('PUT', `/files/${replaced.path}?filename=${encodeURIComponent(file.name)}`);
  upload.setRequestHeader('Content-Type', file.type || 'application/octet-stream');
  upload.send(file);
}

/** @param {FileInfo | { files: [FileInfo] }} answer */
function storedFile(answer) {
  return 'files' in answer ? answer.files[0] : answer;
}

/** @param {XMLHttpRequest} upload */
function refusal(upload) {
  return new RequestError(upload.response ?? { title: `The server answered with status ${upload.status}.` });
}

/**
 * A request that broke off says not why: either the file cannot be read, or the network is gone.
 * @param {File} file
 */
async function lostFile(file) {
  const readable = file.slice(0, 1).arrayBuffer();
  const code = await readable.then(
    () => 'NETWORK_LOST',
    () => 'UNREADABLE_FILE',
  );
  return new RequestError({ code });
}
