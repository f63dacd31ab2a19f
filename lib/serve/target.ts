import { DepotError } from '../errors.js';

/** What a request for a file asks for. */
export interface FileTarget {
  /** Name of a storage, unchecked. */
  readonly storage: string;
  /** Id of a file, unchecked. */
  readonly id: string;
  /** Name for people; it changes nothing. */
  readonly filename: string | undefined;
  /** Whether the query asks for a download. */
  readonly download: boolean;
  /** Name of what is to be made of the file, unchecked. */
  readonly variant: string | undefined;
  /** The query. */
  readonly parameters: URLSearchParams;
}

/** A target that is a whole URL, as proxies are sent it (RFC 9112 section 3.2.2); its host is none of our business. */
const SCHEME_AND_HOST = /^https?:\/\/[^/?#]*/i;

/** What must not be in a decoded segment: it would mean more than a name to a file system. */
const UNSAFE_SEGMENT = /[/\\\0]|^\.{0,2}$/;

/** The part of a request target after the mountpoint, with its slash and its query; nothing if it lies elsewhere. */
export function belowMountpoint(mountpoint: string, url: string): string | undefined {
  const target = url.startsWith('/') ? url : url.replace(SCHEME_AND_HOST, '');
  if (!target.startsWith(mountpoint)) return undefined;
  const rest = target.slice(mountpoint.length);
  return rest === '' || rest.startsWith('/') || rest.startsWith('?') ? rest : undefined;
}

/**
 * Reads `/<storage>/<id>[/<filename>][?download&variant=<name>]`; each segment is decoded once.
 * @throws DepotError `INVALID_PATH`
 */
export function parseTarget(target: string): FileTarget {
  const [path = ''] = target.split('?', 1);
  const [beforeSlash, storage, id, ...rest] = path.split('/').map(decodedSegment);
  if (beforeSlash !== '' || !isSafe(storage) || !isSafe(id) || rest.length > 1 || !rest.every(isSafe)) {
    throw new DepotError('INVALID_PATH');
  }
  const [filename] = rest;
  const parameters = new URLSearchParams(target.slice(path.length));
  const variant = parameters.get('variant') ?? undefined;
  return { storage, id, filename, download: parameters.has('download'), variant, parameters };
}

/** A segment that is not well formed gives nothing. */
function decodedSegment(segment: string): string | undefined {
  if (!segment.includes('%')) return segment;
  try {
    return decodeURIComponent(segment);
  } catch {
    return undefined;
  }
}

function isSafe(segment: string | undefined): segment is string {
  return segment !== undefined && !UNSAFE_SEGMENT.test(segment);
}
