/** A part of a form, as a client writes it; `headers` replaces what would be written of the other properties. */
export interface Part {
  readonly name?: string;
  readonly filename?: string;
  readonly type?: string;
  readonly headers?: string;
  readonly content?: string | Uint8Array;
}

export const BOUNDARY = 'x-boundary-x';
export const FORM_TYPE = `multipart/form-data; boundary=${BOUNDARY}`;

/** The body of a form (RFC 7578), byte by byte as it is described: names are not escaped. */
export function formBody(parts: readonly Part[], ending = `--${BOUNDARY}--\r\n`): Buffer {
  return Buffer.concat([...parts.map(partBytes), Buffer.from(ending)]);
}

function partBytes(part: Part): Buffer {
  const head = `--${BOUNDARY}\r\n${part.headers ?? headersOf(part)}\r\n\r\n`;
  return Buffer.concat([Buffer.from(head), Buffer.from(part.content ?? ''), Buffer.from('\r\n')]);
}

function headersOf({ name, filename, type }: Part): string {
  const nameParameter = name === undefined ? '' : `; name="${name}"`;
  const filenameParameter = filename === undefined ? '' : `; filename="${filename}"`;
  const typeHeader = type === undefined ? '' : `\r\nContent-Type: ${type}`;
  return `Content-Disposition: form-data${nameParameter}${filenameParameter}${typeHeader}`;
}
