import { cleanFileName } from '../contract/file-name.js';
import { parseFilePath } from '../contract/file-path.js';
import { type JsonValue, parseFrozen } from '../contract/metadata.js';
import { DepotError } from '../errors.js';
import { UNKNOWN_CONTENT_TYPE } from '../internal/content-type.js';
import { parseTimestamp } from '../internal/timestamp.js';
import type { AttachmentData } from './attachment.js';

type JsonObject = { readonly [key: string]: JsonValue | undefined };

/** When Python's filedepot or a broken row does not tell when a file was uploaded. */
const LONG_AGO = new Date(0);

/** Keys of Python's that have another name here, or that a row should not have had. */
const PYTHON_KEYS = /^(?:file_id|depot_name|content_type|uploaded_at|_public_url|_.+_public_url|url)$/;

/**
 * What a row holds in an attachment field, deeply frozen: an object or its JSON text, ours or Python's.
 * @returns null for null, undefined and an empty text
 * @throws DepotError `INVALID_ATTACHMENT`
 */
export function parseAttachmentData(value: unknown): AttachmentData | null {
  if (value === null || value === undefined || value === '') return null;
  const json = toObject(value);
  if (json === null) return null;
  const data = 'depot_name' in json || 'file_id' in json ? fromPython(json) : json;
  assertAttachmentData(data);
  return data;
}

/** A copy by way of JSON: nobody changes what an attachment says, and drivers' own kinds of objects are left behind. */
function toObject(value: unknown): JsonObject | null {
  try {
    const json = parseFrozen(typeof value === 'string' ? value : JSON.stringify(value));
    if (typeof json === 'object' && !Array.isArray(json)) return json;
  } catch (cause) {
    throw new DepotError('INVALID_ATTACHMENT', 'What the row holds is no JSON', { cause });
  }
  throw new DepotError(
    'INVALID_ATTACHMENT',
    `What the row holds is no attachment, but of type ${typeof value}`,
  );
}

function assertAttachmentData(data: object): asserts data is AttachmentData {
  const { path, depot, id, files, filename, contentType, uploadedAt } = data as Partial<AttachmentData>;
  const texts = [path, depot, id, filename, contentType, uploadedAt];
  const isComplete = texts.every(isText) && Array.isArray(files) && files.every(isText);
  if (!isComplete) throw new DepotError('INVALID_ATTACHMENT', `What the row holds is no attachment: ${path}`);
}

/** https://depot.readthedocs.io/en/latest/api.html#depot.fields.upload.UploadedFile, as of version 0.12. */
function fromPython(json: JsonObject): JsonObject {
  const path = String(json.path);
  const { storageName, id } = pathParts(path);
  const others = Object.entries(json).filter(
    ([key]) => !PYTHON_KEYS.test(key) && !isPartOfThumbnail(key, json),
  );
  return parseFrozen(
    JSON.stringify({
      depot: storageName,
      id,
      path,
      filename: cleanFileName(isText(json.filename) ? json.filename : undefined),
      contentType: json.content_type ?? UNKNOWN_CONTENT_TYPE,
      uploadedAt: (parseTimestamp(json.uploaded_at) ?? LONG_AGO).toISOString(),
      files: json.files ?? [path],
      ...Object.fromEntries(others.filter(([key]) => !(key in BASE_KEYS))),
      ...thumbnailsOf(json),
    }),
  );
}

const BASE_KEYS = { path: true, filename: true, files: true };

/** `thumb_path` and `thumb_id`, or `thumb_128x128_path`, …, as files under the name `thumb`, or `thumb_128x128`. */
function thumbnailsOf(json: JsonObject): Record<string, JsonValue> {
  const entries = Object.entries(json).flatMap(([key, path]) => {
    const [, name] = /^(.+)_path$/.exec(key) ?? [];
    if (name === undefined || !isText(path) || !isText(json[`${name}_id`])) return [];
    const { storageName, id } = pathParts(path);
    return [[name, { depot: storageName, id, path }] as const];
  });
  return Object.fromEntries(entries);
}

function isPartOfThumbnail(key: string, json: JsonObject): boolean {
  const [, name] = /^(.+)_(?:path|id|url)$/.exec(key) ?? [];
  return name !== undefined && `${name}_path` in json && `${name}_id` in json;
}

function pathParts(path: string) {
  try {
    return parseFilePath(path);
  } catch (cause) {
    throw new DepotError('INVALID_ATTACHMENT', `What the row holds has no path of a file: ${path}`, {
      cause,
    });
  }
}

function isText(value: unknown): value is string {
  return typeof value === 'string';
}
