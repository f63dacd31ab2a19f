// @ts-check
// Words for people: prices, sizes, types and refusals. Nothing here touches the page.

/** @typedef {{ code?: string, title?: string, detail?: string }} Problem */
/** @typedef {{ maxFileSize: number, photoTypes: string[] }} Limits */
/** @typedef {'photo' | 'sheet'} FileField */

const EUROS = new Intl.NumberFormat('en', { style: 'currency', currency: 'EUR' });
const UNITS = ['bytes', 'KB', 'MB', 'GB'];

/** @param {number} cents */
export function formatPrice(cents) {
  return EUROS.format(cents / 100);
}

/**
 * A number of bytes, with units of 1024 as the limits of the server have them.
 * @param {number} bytes
 */
export function formatSize(bytes) {
  if (bytes === 1) return '1 byte';
  const unit = Math.min(Math.floor(Math.log2(Math.max(bytes, 1)) / 10), UNITS.length - 1);
  const amount = bytes / 1024 ** unit;
  return `${amount.toFixed(unit === 0 || amount >= 100 ? 0 : 1).replace(/\.0$/, '')} ${UNITS[unit]}`;
}

/**
 * The formats of photos as people call them: "JPEG, PNG or GIF".
 * @param {string[]} types
 */
export function formatTypes(types) {
  const names = types.map((type) => (type.split('/')[1] ?? type).toUpperCase().replace('WEBP', 'WebP'));
  return new Intl.ListFormat('en-GB', { type: 'disjunction' }).format(names);
}

/**
 * Why the server is sure to refuse a file.
 * @param {FileField} field
 * @param {{ size: number, type: string }} file
 * @param {Limits} limits
 * @returns {string | undefined}
 */
export function foreseenRefusal(field, { size, type }, limits) {
  if (size > limits.maxFileSize) return tooLarge(size, limits);
  const isStrange = field === 'photo' && type !== '' && !limits.photoTypes.includes(type);
  return isStrange ? notAPhoto(limits) : undefined;
}

/**
 * What to tell a person about the server's refusal of a file; nothing where it is about something else.
 * @param {Problem} problem
 * @param {Limits} limits
 * @returns {{ field: FileField | undefined, message: string } | undefined}
 */
export function explainFile({ code }, limits) {
  switch (code) {
    case 'IMAGE_NOT_ACCEPTED':
    case 'CONTENT_TYPE_NOT_ACCEPTED':
      return { field: 'photo', message: notAPhoto(limits) };
    case 'IMAGE_INVALID':
      return { field: 'photo', message: 'This photo is damaged: it cannot be read to its end.' };
    case 'IMAGE_TOO_LARGE':
      return { field: 'photo', message: 'This photo has too many pixels.' };
    case 'IMAGE_TIMEOUT':
      return { field: 'photo', message: 'This photo takes too long to process.' };
    case 'FILE_TOO_LARGE':
      return { field: undefined, message: `A file is too large${limitText(limits)}.` };
    case 'CONTENT_TYPE_MISMATCH':
      return {
        field: undefined,
        message: 'A file is not what its name promises: its content is of another type.',
      };
    default:
      return undefined;
  }
}

/** @param {Problem} problem */
export function explain({ code, detail, title }) {
  if (code === 'STORAGE_FULL') return 'The server has no room left.';
  return sentence(detail ?? title ?? 'The server could not do it');
}

/** @param {string} text */
const sentence = (text) => (/[.!?]$/.test(text) ? text : `${text}.`);

/**
 * Nothing where the server has not told its limit.
 * @param {Limits} limits
 */
const limitText = ({ maxFileSize }) =>
  Number.isFinite(maxFileSize) ? `: the limit is ${formatSize(maxFileSize)}` : '';

/**
 * @param {number} size
 * @param {Limits} limits
 */
const tooLarge = (size, { maxFileSize }) =>
  `Too large: it has ${formatSize(size)}, and the limit is ${formatSize(maxFileSize)}.`;

/** @param {Limits} limits */
const notAPhoto = ({ photoTypes }) =>
  `This is no photo that can be shown. Choose a ${formatTypes(photoTypes)}.`;
