import { supportedMimeTypes } from 'file-type';

/** Other names that types go by, and the name that they have here; for XML see RFC 7303 section 9.2. */
const ALIASES: Readonly<Record<string, string>> = {
  'application/acad': 'image/vnd.dwg',
  'application/eps': 'application/postscript',
  'application/font-woff': 'font/woff',
  'application/font-woff2': 'font/woff2',
  'application/x-bzip': 'application/x-bzip2',
  'application/x-chrome-extension': 'application/x-google-chrome-extension',
  'application/x-deb': 'application/vnd.debian.binary-package',
  'application/x-debian-package': 'application/vnd.debian.binary-package',
  'application/x-font-otf': 'font/otf',
  'application/x-font-ttf': 'font/ttf',
  'application/x-gzip': 'application/gzip',
  'application/x-msdos-program': 'application/x-msdownload',
  'application/x-pdf': 'application/pdf',
  'application/x-rar': 'application/vnd.rar',
  'application/x-rar-compressed': 'application/vnd.rar',
  'application/x-redhat-package-manager': 'application/x-rpm',
  'application/x-rtf': 'application/rtf',
  'application/x-zip': 'application/zip',
  'application/x-zip-compressed': 'application/zip',
  'application/x.autodesk.fbx': 'application/vnd.autodesk.fbx',
  'application/x.ms.shortcut': 'application/x-ms-shortcut',
  'audio/m4a': 'audio/mp4',
  'audio/mid': 'audio/midi',
  'audio/mp3': 'audio/mpeg',
  'audio/mpeg3': 'audio/mpeg',
  'audio/vnd.wave': 'audio/wav',
  'audio/wave': 'audio/wav',
  'audio/x-aac': 'audio/aac',
  'audio/x-aiff': 'audio/aiff',
  'audio/x-flac': 'audio/flac',
  'audio/x-m4a': 'audio/mp4',
  'audio/x-midi': 'audio/midi',
  'audio/x-mp3': 'audio/mpeg',
  'audio/x-mpeg': 'audio/mpeg',
  'audio/x-pn-wav': 'audio/wav',
  'audio/x-s3m': 'audio/s3m',
  'audio/x-wav': 'audio/wav',
  'audio/x-xm': 'audio/xm',
  'image/jpg': 'image/jpeg',
  'image/mj2': 'video/mj2',
  'image/pjpeg': 'image/jpeg',
  'image/tif': 'image/tiff',
  'image/vnd.ms-photo': 'image/jxr',
  'image/x-bmp': 'image/bmp',
  'image/x-icon': 'image/vnd.microsoft.icon',
  'image/x-ms-bmp': 'image/bmp',
  'image/x-photoshop': 'image/vnd.adobe.photoshop',
  'image/x-png': 'image/png',
  'text/rtf': 'application/rtf',
  'text/x-vcard': 'text/vcard',
  'text/xml': 'application/xml',
  'video/avi': 'video/x-msvideo',
  'video/matroska': 'video/x-matroska',
  'video/mp1s': 'video/mpeg',
  'video/mp2p': 'video/mpeg',
  'video/msvideo': 'video/x-msvideo',
  'video/vnd.avi': 'video/x-msvideo',
};

/** A type without its parameters, in lower case, under the one name that it has here. */
export function canonicalType(contentType: string): string {
  const [essence = ''] = contentType.split(';', 1);
  const type = essence.trim().toLowerCase();
  return (Object.hasOwn(ALIASES, type) && ALIASES[type]) || type;
}

/** The same with its parameters. */
export function withCanonicalType(contentType: string): string {
  const [, ...parameters] = contentType.split(';');
  return [canonicalType(contentType), ...parameters].join(';');
}

/** Types that say nothing: of unknown content, and what clients send because they must send something. */
const GENERIC_TYPES = new Set([
  'application/octet-stream',
  'application/x-www-form-urlencoded',
  'binary/octet-stream',
]);

/** Whether a type says nothing of the content. */
export function isGenericType(contentType: string): boolean {
  return GENERIC_TYPES.has(canonicalType(contentType));
}

const ZIPPED_TYPES = new Set([
  'application/java-archive',
  'application/vnd.android.package-archive',
  'application/vnd.apple.keynote',
  'application/vnd.apple.numbers',
  'application/vnd.apple.pages',
  'application/vnd.google-earth.kmz',
  'application/vnd.visio',
  'application/x-xpinstall',
  'application/zip',
  'model/3mf',
]);

function isZipped(type: string): boolean {
  return ZIPPED_TYPES.has(type) || type.endsWith('+zip') || isOfficeType(type);
}

function isOfficeType(type: string): boolean {
  return (
    type.startsWith('application/vnd.openxmlformats-officedocument.') ||
    type.startsWith('application/vnd.oasis.opendocument.') ||
    /^application\/vnd\.ms-[a-z.-]+\.macroenabled\.12$/.test(type)
  );
}

/** Types in Microsoft's compound file format, in which also encrypted office documents come. */
const COMPOUND_TYPES = new Set([
  'application/msword',
  'application/vnd.ms-excel',
  'application/vnd.ms-outlook',
  'application/vnd.ms-powerpoint',
  'application/vnd.ms-project',
  'application/vnd.ms-works',
  'application/vnd.visio',
  'application/x-ms-installer',
  'application/x-msi',
  'application/x-mspublisher',
]);

const isText = (type: string): boolean => type.startsWith('text/');
const isXml = (type: string): boolean => isText(type) || type.endsWith('+xml');
const isOneOf = (...types: string[]) => {
  const set = new Set(types);
  return (type: string): boolean => set.has(type);
};
const isWindowsMedia = isOneOf('audio/x-ms-asf', 'audio/x-ms-wma', 'video/x-ms-asf', 'video/x-ms-wmv');

/**
 * What magic bytes can only call by its container, and which types may be meant. The last two signatures are a word that
 * a text may begin with: "BM" and "solid".
 */
const CONTAINERS: Readonly<Record<string, (type: string) => boolean>> = {
  'application/zip': isZipped,
  'application/x-cfb': (type) => COMPOUND_TYPES.has(type) || isOfficeType(type),
  'application/xml': isXml,
  'application/gzip': isOneOf('application/x-compressed-tar', 'application/x-gtar', 'application/x-tgz'),
  'application/ogg': isOneOf('audio/ogg', 'video/ogg'),
  'application/vnd.ms-asf': isWindowsMedia,
  'audio/x-ms-asf': isWindowsMedia,
  'video/x-ms-asf': isWindowsMedia,
  'video/mp4': isOneOf('application/mp4', 'audio/mp4', 'video/x-f4v'),
  'video/x-m4v': isOneOf('video/mp4'),
  'video/webm': isOneOf('audio/webm'),
  'video/x-matroska': isOneOf('audio/x-matroska'),
  'video/ogg': isOneOf('audio/ogg'),
  'video/3gpp': isOneOf('audio/3gpp'),
  'video/3gpp2': isOneOf('audio/3gpp2'),
  'image/heif': isOneOf('image/heic'),
  'image/heif-sequence': isOneOf('image/heic', 'image/heic-sequence', 'image/heif'),
  'image/heic-sequence': isOneOf('image/heic'),
  'image/tiff': (type) => type.startsWith('image/x-'),
  'image/bmp': isText,
  'model/stl': isText,
};

/** Whether a type is the more exact name of what magic bytes have shown; both canonical. */
export function isKindOf(type: string, detected: string): boolean {
  if (type === detected) return true;
  return Object.hasOwn(CONTAINERS, detected) && CONTAINERS[detected]?.(type) === true;
}

const FAMILIES: Readonly<Record<string, string>> = {
  'application/mxf': 'sound and video',
  'application/ogg': 'sound and video',
  'application/vnd.ms-asf': 'sound and video',
  'application/vnd.rn-realmedia': 'sound and video',
  'application/vnd.ms-fontobject': 'font',
  'application/pdf': 'pdf',
};

/** Types of one family are told apart by their content, not by what a client calls them. */
function familyOf(type: string): string | undefined {
  if (type === 'image/svg+xml') return undefined;
  if (Object.hasOwn(FAMILIES, type)) return FAMILIES[type];
  if (/^(?:audio|video)\//.test(type)) return 'sound and video';
  if (/^(?:image|font)\//.test(type)) return type.slice(0, type.indexOf('/'));
  return isZipped(type) ? 'zip' : undefined;
}

/** Content of these types cannot go unrecognized. */
const RECOGNIZABLE_TYPES = new Set(
  [...supportedMimeTypes].map(canonicalType).filter((type) => familyOf(type) !== undefined),
);

// TypeScript has the ending of MPEG transport streams, and is declared as one by some clients.
RECOGNIZABLE_TYPES.delete('video/mp2t');

/** Whether content cannot be of a type, by what its magic bytes have shown, if anything; both canonical. */
export function isContradicted(type: string, detected: string | undefined): boolean {
  if (!RECOGNIZABLE_TYPES.has(type)) return false;
  if (detected === undefined) return true;
  return familyOf(detected) !== familyOf(type) && !isKindOf(type, detected);
}
