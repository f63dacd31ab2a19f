import { DepotError } from '../errors.js';
import { toLimit } from '../internal/limit.js';

/** Limits of an upload, by multer's names. Sizes are in bytes, or text such as `'10mb'` (1 kb = 1024 bytes). */
export interface UploadLimits {
  /** Size of each file. @default no limit */
  readonly fileSize?: number | string | undefined;
  /** Number of files. @default 100 */
  readonly files?: number | undefined;
  /** Number of text fields. @default 100 */
  readonly fields?: number | undefined;
  /** Size of each text field. @default '1mb' */
  readonly fieldSize?: number | string | undefined;
  /** Length of the name of a field. @default 200 */
  readonly fieldNameSize?: number | string | undefined;
  /** Number of files and text fields together. @default `files` + `fields` */
  readonly parts?: number | undefined;
  /** Number of headers of a part; the parser itself takes 16 KiB and 2,000 at most. @default 100 */
  readonly headerPairs?: number | undefined;
  /** Brackets in the name of a field: `a[b][c]` has two. @default 5 */
  readonly fieldNestingDepth?: number | undefined;
  /** Highest index in the name of a field, as in `a[1000]`. @default 1000 */
  readonly fieldArrayIndexLimit?: number | undefined;
}

/** The limits as numbers, all of them. */
export type EffectiveLimits = { readonly [Name in keyof UploadLimits]-?: number };

/** What a form needs, and a server bears: text fields are held in memory. */
const DEFAULT_LIMITS = {
  fileSize: Number.POSITIVE_INFINITY,
  files: 100,
  fields: 100,
  fieldSize: '1mb',
  fieldNameSize: 200,
  headerPairs: 100,
  fieldNestingDepth: 5,
  fieldArrayIndexLimit: 1000,
} as const satisfies UploadLimits;

/** Bytes of a part besides its content: its headers, to which the parser has a limit of its own, and its boundary. */
const PART_OVERHEAD = 17 * 1024;

/** @throws DepotError `INVALID_OPTION` for what is neither a whole number from 0 nor a size, and for limits of other names */
export function effectiveLimits(limits: UploadLimits = {}): EffectiveLimits {
  assertNames(limits);
  const limit = (name: keyof typeof DEFAULT_LIMITS) =>
    toLimit(`limits.${name}`, limits[name] ?? DEFAULT_LIMITS[name]);
  const [files, fields] = [limit('files'), limit('fields')];
  return {
    fileSize: limit('fileSize'),
    files,
    fields,
    fieldSize: limit('fieldSize'),
    fieldNameSize: limit('fieldNameSize'),
    parts: toLimit('limits.parts', limits.parts ?? files + fields),
    headerPairs: limit('headerPairs'),
    fieldNestingDepth: limit('fieldNestingDepth'),
    fieldArrayIndexLimit: limit('fieldArrayIndexLimit'),
  };
}

/** A limit that is misspelled would be none. */
function assertNames(limits: UploadLimits): void {
  if (typeof limits !== 'object' || limits === null)
    throw new DepotError('INVALID_OPTION', "limits must be an object, such as { fileSize: '10mb' }");
  const unknown = Object.keys(limits).find(
    (name) => name !== 'parts' && !Object.hasOwn(DEFAULT_LIMITS, name),
  );
  if (unknown !== undefined) throw new DepotError('INVALID_OPTION', `There is no limits.${unknown}`);
}

/** Bytes of the largest form that the limits allow, with so many files. */
export function largestForm(limits: EffectiveLimits, files: number): number {
  const content = (count: number, size: number) => (count === 0 ? 0 : count * size);
  const parts = Math.min(limits.parts, files + limits.fields);
  return (
    content(files, limits.fileSize) + content(limits.fields, limits.fieldSize) + (parts + 1) * PART_OVERHEAD
  );
}
