// @ts-check
// The server's JSON API, as the page uses it.

/** @typedef {import('./format.js').Problem} Problem */

/** @typedef {{ url: string, filename: string, contentType: string, size?: number }} StoredFile */
/** @typedef {{ url: string, width?: number, height?: number }} Thumbnail */
/** @typedef {StoredFile & { thumb: Thumbnail, placeholder?: string }} Photo */

/**
 * @typedef {object} Product
 * @property {string} id
 * @property {string} name
 * @property {string} description
 * @property {number} price cents
 * @property {Photo | null} photo
 * @property {StoredFile | null} sheet
 */

/** A refusal of the server (RFC 9457), or of the network on the way to it. */
export class RequestError extends Error {
  /** @param {Problem} problem */
  constructor(problem) {
    super(problem.detail ?? problem.title ?? problem.code ?? 'The request failed');
    this.problem = problem;
  }
}

const NETWORK_LOST = { title: 'The connection was lost. Try again.' };

/** @returns {Promise<import('./format.js').Limits>} */
export function getLimits() {
  return request('/config');
}

/**
 * @param {string | null} before the last id of the page before
 * @returns {Promise<{ products: Product[], next: string | null }>}
 */
export function listProducts(before) {
  return request(before === null ? '/products' : `/products?before=${encodeURIComponent(before)}`);
}

/** @param {Product} product */
export function deleteProduct({ id }) {
  return request(`/products/${encodeURIComponent(id)}`, { method: 'DELETE' });
}

/**
 * @param {string} url
 * @param {RequestInit} [options]
 */
async function request(url, options) {
  const response = await fetch(url, options).catch(() => {
    throw new RequestError(NETWORK_LOST);
  });
  const answer = response.status === 204 ? undefined : await response.json().catch(() => ({}));
  if (!response.ok) throw new RequestError(answer);
  return answer;
}

/**
 * Sends the form of a product. XMLHttpRequest, since fetch tells nothing of the progress of an upload.
 * @param {Product | undefined} product nothing for a new one
 * @param {FormData} form
 * @param {{ signal: AbortSignal, onProgress: (share: number) => void }} options
 * @returns {Promise<Product>}
 */
export function saveProduct(product, form, { signal, onProgress }) {
  return new Promise((resolve, reject) => {
    const sending = new XMLHttpRequest();
    sending.responseType = 'json';
    sending.upload.onprogress = ({ loaded, total }) => onProgress(loaded / total);
    sending.onload = () =>
      sending.status < 300 ? resolve(sending.response) : reject(new RequestError(sending.response ?? {}));
    sending.onerror = () => reject(new RequestError(NETWORK_LOST));
    sending.onabort = () => reject(signal.reason);
    signal.addEventListener('abort', () => sending.abort(), { once: true });
    sending.open(
      product ? 'PUT' : 'POST',
      product ? `/products/${encodeURIComponent(product.id)}` : '/products',
    );
    sending.send(form);
  });
}
