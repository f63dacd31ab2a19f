// @ts-check
// Words for people: sizes, dates, types and refusals. Nothing here touches the page.

/** @typedef {'image' | 'video' | 'audio' | 'text' | 'archive' | 'file'} Kind */
/** @typedef {{ code?: string, title?: string, detail?: string }} Problem */
/** @typedef {{ maxFileSize: number, accept: string[] }} Limits */

const UNITS = ['bytes', 'KB', 'MB', 'GB', 'TB'];

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

/** @type {[Intl.RelativeTimeFormatUnit, number][]} */
const STEPS = [
  ['day', 86_400],
  ['hour', 3600],
  ['minute', 60],
];

const RELATIVE = new Intl.RelativeTimeFormat('en', { numeric: 'auto' });
const DAY = new Intl.DateTimeFormat('en', { dateStyle: 'medium' });

/**
 * How long ago, or the day if that is more than a week.
 * @param {Date} date
 */
export function formatDate(date, now = new Date()) {
  const seconds = (now.getTime() - date.getTime()) / 1000;
  if (seconds < 60) return 'just now';
  if (seconds > 7 * 86_400) return DAY.format(date);
  const [unit, length] = STEPS.find(([, step]) => seconds >= step) ?? ['minute', 60];
  return RELATIVE.format(-Math.floor(seconds / length), unit);
}

/** @type {Record<string, [string, Kind]>} */
const KNOWN_TYPES = {
  'application/pdf': ['PDF', 'text'],
  'application/zip': ['ZIP archive', 'archive'],
  'application/gzip': ['Gzip archive', 'archive'],
  'application/x-tar': ['TAR archive', 'archive'],
  'application/x-7z-compressed': ['7z archive', 'archive'],
  'application/json': ['JSON', 'text'],
  'application/msword': ['Word document', 'text'],
  'application/vnd.openxmlformats-officedocument.wordprocessingml.document': ['Word document', 'text'],
  'application/vnd.openxmlformats-officedocument.spreadsheetml.sheet': ['Excel workbook', 'text'],
  'application/vnd.openxmlformats-officedocument.presentationml.presentation': ['PowerPoint slides', 'text'],
  'application/octet-stream': ['File', 'file'],
  'audio/mpeg': ['MP3 audio', 'audio'],
  'image/svg+xml': ['SVG image', 'image'],
  'text/plain': ['Text', 'text'],
  'text/markdown': ['Markdown', 'text'],
  'video/quicktime': ['QuickTime video', 'video'],
};

/** @param {string} contentType */
const bareType = (contentType) => (contentType.split(';')[0] ?? '').trim().toLowerCase();

/**
 * A media type as people call it.
 * @param {string} contentType
 */
export function describeType(contentType) {
  const type = bareType(contentType);
  if (Object.hasOwn(KNOWN_TYPES, type)) return /** @type {[string, Kind]} */ (KNOWN_TYPES[type])[0];
  const [family, name = ''] = type.split('/');
  const isMedia = family === 'image' || family === 'audio' || family === 'video';
  if (isMedia) return `${name.replace(/^x-/, '').toUpperCase()} ${family}`;
  return family === 'text' ? name.replace(/^x-/, '').toUpperCase() : type;
}

/**
 * Which icon stands for a media type.
 * @param {string} contentType
 * @returns {Kind}
 */
export function kindOf(contentType) {
  const type = bareType(contentType);
  if (Object.hasOwn(KNOWN_TYPES, type)) return /** @type {[string, Kind]} */ (KNOWN_TYPES[type])[1];
  const family = type.split('/')[0];
  return family === 'image' || family === 'audio' || family === 'video' || family === 'text'
    ? family
    : 'file';
}

const RASTER_TYPES = ['image/png', 'image/jpeg', 'image/gif', 'image/webp', 'image/avif'];
const MAX_THUMBNAIL_BYTES = 12 * 1024 * 1024;

/**
 * Whether a file is shown as its own thumbnail: an image that browsers draw, not too large to fetch for it.
 * @param {{ contentType: string, size: number }} file
 */
export function hasThumbnail({ contentType, size }) {
  return RASTER_TYPES.includes(bareType(contentType)) && size <= MAX_THUMBNAIL_BYTES;
}

/**
 * Why the server is sure to refuse a file. Only what is certain: types have many names, and the server looks at the
 * content itself.
 * @param {{ size: number, type: string }} file
 * @param {Limits} limits
 * @returns {Problem | undefined}
 */
export function foreseenProblem({ size, type }, { maxFileSize, accept }) {
  if (size > maxFileSize) return { code: 'FILE_TOO_LARGE' };
  const families = accept.map(familyOf);
  const isPossible =
    type === '' || accept.length === 0 || families.includes('*') || families.includes(familyOf(type));
  return isPossible ? undefined : { code: 'CONTENT_TYPE_NOT_ACCEPTED' };
}

/**
 * The first half of a type. Documents go by names in `text` as well as in `application`; an ending such as `.pdf` can be
 * of any family.
 * @param {string} type
 */
function familyOf(type) {
  if (type.startsWith('.')) return '*';
  const family = type.split('/')[0] ?? '';
  return family === 'text' ? 'application' : family;
}

/**
 * The accepted types as people call them: "images, JPEG image, PDF".
 * @param {string[]} accept
 */
export function describeAccepted(accept) {
  return accept.map(describeRange).join(', ');
}

/** @param {string} range a media type, all of a family (`image/*`), or an ending of names (`.pdf`) */
function describeRange(range) {
  if (range === '*/*') return 'any type';
  if (range.startsWith('.')) return range.slice(1).toUpperCase();
  return range.endsWith('/*') ? `${range.slice(0, -2)}s` : describeType(range);
}

/**
 * With a capital letter at the beginning.
 * @param {string} text
 */
export function asSentence(text) {
  return text.slice(0, 1).toUpperCase() + text.slice(1);
}

/**
 * What to tell a person about a refusal, and whether trying again can help.
 * @param {Problem} problem
 * @param {{ size: number }} file
 * @param {Limits} [limits]
 */
export function explain(problem, { size }, limits) {
  switch (problem.code) {
    case 'FILE_TOO_LARGE':
      return final(
        `Too large: ${formatSize(size)}${limits ? `, and the limit is ${formatSize(limits.maxFileSize)}` : ''}.`,
      );
    case 'CONTENT_TYPE_NOT_ACCEPTED':
      return final(`This type is not accepted${limits ? `, only ${describeAccepted(limits.accept)}` : ''}.`);
    case 'CONTENT_TYPE_MISMATCH':
      return final('The content is not of the type that the name promises.');
    case 'FILE_NOT_FOUND':
      return final('The file to replace does not exist any more.');
    case 'UNREADABLE_FILE':
      return final('It cannot be read: it is a folder, or it was moved or changed.');
    case 'STORAGE_FULL':
      return again('The server has no room left. Delete something, then try again.');
    case 'NETWORK_LOST':
      return again('The connection was lost.');
    default:
      return again(problem.detail ?? problem.title ?? 'The server could not take it.');
  }
}

/** @param {string} message */
const final = (message) => ({ message, canRetry: false });

/** @param {string} message */
const again = (message) => ({ message, canRetry: true });
