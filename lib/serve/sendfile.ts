import type { OutgoingHttpHeaders } from 'node:http';
import { isAbsolute, relative, sep } from 'node:path';
import type { ServeSettings } from './options.js';

/** The header that has a proxy send a file of this machine; nothing for a file that the proxy cannot read. */
export function sendfileHeader(
  { header, root, prefix }: NonNullable<ServeSettings['sendfile']>,
  localPath: string | undefined,
): OutgoingHttpHeaders | undefined {
  if (localPath === undefined) return undefined;
  const path = relative(root, localPath);
  const segments = path.split(sep);
  if (segments[0] === '..' || isAbsolute(path)) return undefined;
  if (header === 'X-Sendfile') return { [header]: asHeaderBytes(localPath) };
  return { [header]: [prefix, ...segments.map(encodeURIComponent)].join('/') };
}

/** Node writes header values as Latin-1; the proxy is to read UTF-8. */
function asHeaderBytes(path: string): string {
  return Buffer.from(path).toString('latin1');
}
