import { is, Placeholder, SQL } from 'drizzle-orm';
import { DepotError } from '../../../errors.js';
import { Attachment } from '../../attachment.js';
import type { AttachmentColumn } from './columns.js';
import type { TableShape } from './schema.js';
import type { Placeholders, Row } from './session.js';

/** The columns for attachments that are given a value, also if it is null. */
export function givenColumns({ attachments }: TableShape, values: Row): [string, AttachmentColumn][] {
  return [...attachments].filter(([key]) => values[key] !== undefined);
}

/**
 * What a statement gives a column for attachments, with placeholders filled in: content, attachments, or a list of them.
 * @throws DepotError `ATTACHMENT_UNSUPPORTED` for SQL: nobody knows which file it leads to
 */
export function itemsGiven(
  column: AttachmentColumn,
  value: unknown,
  placeholders: Placeholders | undefined,
): unknown[] {
  if (is(value, Placeholder)) return column.items(placeholders?.[value.name]);
  if (!is(value, SQL)) return column.items(value);
  throw new DepotError('ATTACHMENT_UNSUPPORTED', `Column "${column.name}" takes attachments, not SQL`);
}

/** Whether it is content that has still to be stored, and not an attachment that is already. */
export function isNew(item: unknown): boolean {
  return !(item instanceof Attachment && item.isStored);
}

/** Attachments that are not among those that rows have now. */
export function without(attachments: readonly Attachment[], used: readonly Attachment[]): Attachment[] {
  const paths = new Set(used.map(({ path }) => path));
  return attachments.filter(({ path }) => !paths.has(path));
}
