import type { Document } from 'mongoose';
import { Attachment, attach } from '../../attachment.js';
import type { AttachmentField } from '../../field.js';
import { exchanged, isPlainObject } from './payload.js';

/** What a document keeps its values in. */
type Container = Record<string, unknown>;

/** A document or a subdocument, with what mongoose keeps from the public. */
export interface MongooseDocument extends Document {
  /** The values, as they are kept: without getters. */
  readonly _doc: Container;
}

/** Where a value of an attachment field has come in. */
interface Assignment {
  readonly field: AttachmentField;
  /** The document or subdocument that holds it; nothing for a value of a query. */
  readonly holder: MongooseDocument | undefined;
  /** The stored attachment that it stands for. */
  readonly source?: Attachment | undefined;
  /** The value that the document has in its place, which is also elsewhere in it. */
  readonly shownAs?: Attachment | undefined;
}

const assignments = new WeakMap<Attachment, Assignment>();

/** Remembers that this value has come from the row of its document. */
export function noteLoaded(value: Attachment, field: AttachmentField, holder: unknown): void {
  assignments.set(value, { field, holder: asDocument(holder) });
}

/**
 * What a field keeps of an attachment that it is given: what was there already as it is; everything else as a value of
 * its own, so that no two places ever share one.
 */
export function assigned(value: Attachment, field: AttachmentField, holder: unknown): Attachment {
  const document = asDocument(holder);
  const known = assignments.get(value);
  if (value.isStored && document && known?.holder === document && known.field === field) return value;
  const own = attach(value);
  assignments.set(own, { field, holder: document, source: sourceOf(value) });
  return own;
}

/** Another value for a place that has the same one as another place. */
export function separated(value: Attachment): Attachment {
  const own = attach(value);
  const known = assignments.get(value);
  if (known) assignments.set(own, { ...known, source: sourceOf(value), shownAs: value });
  return own;
}

/** The field through which a value has come; nothing for one that mongoose has not cast. */
export function fieldOf(value: Attachment): AttachmentField | undefined {
  return assignments.get(value)?.field;
}

/** The stored attachment that a value is, or stands for; nothing for new content. */
export function sourceOf(value: Attachment): Attachment | undefined {
  return value.isStored ? value : assignments.get(value)?.source;
}

/** What is compared with rows: with what these have in the place of stored attachments. */
export function compared<Condition>(condition: Condition): Condition {
  return exchanged(condition, (value) => sourceOf(value)?.data ?? value) as Condition;
}

/** Shows the value that was stored, in the document which holds the one that was given; or the other way round. */
export function exchange(from: Attachment, to: Attachment): void {
  const assignment = assignments.get(from);
  if (!assignment || from === to) return;
  const { field, holder, shownAs } = assignment;
  assignments.set(to, { field, holder });
  const all = holder ? [...spotsOf(holder._doc)] : [];
  const spots = all.filter(({ value }) => value === (shownAs ?? from));
  for (const spot of shownAs ? spots.slice(-1) : spots) spot.put(to);
}

/**
 * Gives a document that was cloned values of its own: it has those of the original, which would be taken for the holder of
 * what is stored for the clone.
 * @param read what a row holds, as an attachment
 */
export function adopt(clone: MongooseDocument, read: (value: unknown) => Attachment | null): void {
  for (const document of [clone, ...(clone.$getAllSubdocs() as MongooseDocument[])])
    for (const { value, put } of [...spotsOf(document._doc)]) put(ownOf(value, document, read));
}

function ownOf(
  value: Attachment,
  holder: MongooseDocument,
  read: (value: unknown) => Attachment | null,
): Attachment {
  const field = fieldOf(value);
  if (!field) return value;
  const own = value.isStored ? read(value.data) : null;
  if (!own) return assigned(value, field, holder);
  noteLoaded(own, field, holder);
  return own;
}

/** Where a document holds an attachment. */
interface Spot {
  readonly value: Attachment;
  /** Puts another one there, past mongoose's notes of changes. */
  put(other: Attachment): void;
}

function* spotsOf(container: Container | unknown[]): Generator<Spot> {
  for (const [key, value] of entriesOf(container)) {
    if (value instanceof Attachment) yield { value, put: (other) => put(container, key, other) };
    else if (isContainer(value)) yield* spotsOf(rawOf(value));
  }
}

/** Past mongoose's own arrays and maps, which would take a note of each change. */
function rawOf(value: object): Container | unknown[] {
  const { __array } = value as { readonly __array?: unknown[] };
  return Array.isArray(value) && __array ? __array : (value as Container);
}

function entriesOf(container: object): Iterable<[unknown, unknown]> {
  return container instanceof Map ? Map.prototype.entries.call(container) : Object.entries(container);
}

function put(container: object, key: unknown, value: Attachment): void {
  if (container instanceof Map) Map.prototype.set.call(container, key, value);
  else Reflect.set(container, String(key), value);
}

/** What values may lie in: lists, maps and nested objects, not subdocuments, which hold their own. */
function isContainer(value: unknown): value is object {
  if (typeof value !== 'object' || value === null) return false;
  return Array.isArray(value) || value instanceof Map || isPlainObject(value);
}

function asDocument(holder: unknown): MongooseDocument | undefined {
  const isDocument = typeof holder === 'object' && holder !== null && '$__' in holder && '_doc' in holder;
  return isDocument ? (holder as unknown as MongooseDocument) : undefined;
}
