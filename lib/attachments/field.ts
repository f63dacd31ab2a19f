import type { Content } from '../contract/content.js';
import type { Metadata } from '../contract/metadata.js';
import { DepotError } from '../errors.js';
import { type AcceptList, parseAccept } from '../internal/accept.js';
import { toLimit } from '../internal/limit.js';
import { assertOptionNames } from '../internal/option-names.js';
import type { AttachmentFilter } from './filters.js';

/** What a field of a model takes, and what is done with it. */
export interface AttachmentFieldOptions {
  /** Name or alias of the storage for new files. @default the default storage at the time of the save */
  readonly storage?: string | undefined;
  /** Run in this order on every new file. @default [] */
  readonly filters?: readonly AttachmentFilter[] | undefined;
  /**
   * Media types (`image/png`), ranges (`image/*`) and endings of names (`.pdf`), checked against the content.
   * @default everything
   */
  readonly accept?: readonly string[] | undefined;
  /** Bytes, or text such as `'10mb'` (1 kb = 1024 bytes). @default no limit */
  readonly maxSize?: number | string | undefined;
  /** Changes what is stored, e.g. to a smaller image, before it is stored. @default as it is */
  readonly processContent?: ProcessContent | undefined;
}

/** The options of a field, checked. Made by `attachmentField`, and by what makes fields of a kind, such as `uploadedFile`. */
export interface AttachmentField {
  readonly storage?: string | undefined;
  readonly filters: readonly AttachmentFilter[];
  /** Types that are accepted. */
  readonly accept: AcceptList;
  /** Bytes. */
  readonly maxSize: number;
  readonly processContent?: ProcessContent | undefined;
}

/** Content on its way to a field, with what is said of it. */
export interface IncomingContent {
  readonly content: Content;
  readonly filename?: string | undefined;
  readonly contentType?: string | undefined;
  readonly metadata?: Metadata | undefined;
}

/** Gives what is stored in place of what came. What it throws refuses the attachment. */
export type ProcessContent = (incoming: IncomingContent) => Promise<IncomingContent> | IncomingContent;

const CHECKED = new WeakSet<object>();

const OPTIONS: { readonly [Name in keyof AttachmentFieldOptions]-?: true } = {
  storage: true,
  filters: true,
  accept: true,
  maxSize: true,
  processContent: true,
};

/** What columns have in one ORM or another. */
const COLUMN_OPTIONS: ReadonlySet<string> = new Set([
  ...['allowNull', 'nullable', 'notNull', 'required', 'unique', 'index', 'primaryKey'],
  ...['default', 'defaultValue', 'name', 'field', 'type', 'comment'],
]);

/**
 * Checks the options of a field; what it has checked is given back as it is.
 * @throws DepotError `INVALID_OPTION`
 */
export function attachmentField(options: AttachmentFieldOptions | AttachmentField = {}): AttachmentField {
  if (isChecked(options)) return options;
  assertNames(options);
  const { storage, filters = [], accept, maxSize = Number.POSITIVE_INFINITY, processContent } = options;
  if (storage !== undefined && typeof storage !== 'string')
    throw wrong('storage is not the name of a storage');
  if (!Array.isArray(filters) || !filters.every(isFilter)) throw wrong('filters is not a list of filters');
  if (processContent !== undefined && typeof processContent !== 'function')
    throw wrong('processContent is not a function');
  const field = Object.freeze({
    storage,
    filters: Object.freeze([...filters]),
    accept: parseAccept(accept),
    maxSize: toLimit('maxSize', maxSize),
    processContent,
  });
  CHECKED.add(field);
  return field;
}

/**
 * A field that stores what it is given as it is.
 * @throws DepotError `INVALID_OPTION`
 */
export function uploadedFile(options: AttachmentFieldOptions = {}): AttachmentField {
  return attachmentField(options);
}

function isChecked(options: AttachmentFieldOptions | AttachmentField): options is AttachmentField {
  return CHECKED.has(options);
}

function assertNames(options: AttachmentFieldOptions): void {
  const given = Object.entries(options ?? {}).filter(([, value]) => value !== undefined);
  const ofColumn = given.find(([name]) => COLUMN_OPTIONS.has(name));
  if (ofColumn) throw wrong(`"${ofColumn[0]}" belongs to the column, not to what it holds`);
  assertOptionNames(options, Object.keys(OPTIONS), 'Attachment field');
}

function isFilter(filter: unknown): filter is AttachmentFilter {
  return typeof (filter as Partial<AttachmentFilter> | null)?.apply === 'function';
}

function wrong(what: string): DepotError {
  return new DepotError('INVALID_OPTION', `Attachment field: ${what}`);
}
