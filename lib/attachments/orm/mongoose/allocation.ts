import type { Attachment } from '../../attachment.js';
import { compared, separated, sourceOf } from './assignments.js';
import { exchanged } from './payload.js';
import type { Places } from './places.js';
import type { AttachedRow } from './rows.js';
import type { Operation } from './write-call.js';

/**
 * What becomes of the stored attachments that a call writes: one stays where its row has it already, at the place that is
 * written; everywhere else its file is copied.
 */
export class Allocation {
  /** The operations, with data in the place of attachments that stay, and a value of its own for each copy. */
  readonly operations: readonly Operation[];
  /** Attachments that stay, by the values that stand for them. */
  readonly kept = new Map<Attachment, Attachment>();
  /** Values whose files must be copied. */
  readonly copies: Attachment[] = [];

  /** What the rows will have no more; absent where that is seen only when the call is done. */
  readonly gone: readonly Attachment[] | undefined;

  /** @param before for each operation, the rows that it will concern */
  constructor(operations: readonly Operation[], before: readonly (readonly AttachedRow[])[], places: Places) {
    this.operations = operations.map((operation, index) => this.#allocated(operation, before[index]?.[0]));
    const [operation, ...others] = operations;
    const row = before[0]?.[0];
    if (!operation || !row || operation.isMany || others.length > 0) return;
    const written = writtenPlaces(operation, places);
    this.gone = written && this.#goneFrom(row, new Set(written));
  }

  /** Others may have given several places of a row the same file: it goes with the last of them. */
  #goneFrom(row: AttachedRow, written: ReadonlySet<string>): Attachment[] {
    const left = heldBeside(row, written);
    for (const { path } of this.kept.values()) left.add(path);
    return [...row.attachments.values()].filter(({ path }) => !left.has(path));
  }

  #allocated(operation: Operation, row: AttachedRow | undefined): Operation {
    const { kind, isMany, payload } = operation;
    if (payload === undefined || kind === 'delete') return operation;
    const isOnRow = row !== undefined && !isMany && isChanges(payload);
    if (isOnRow && kind === 'replace') return { ...operation, payload: this.#written(payload, row) };
    if (isOnRow && kind === 'update') return { ...operation, payload: this.#updated(payload, row) };
    return { ...operation, payload: this.#placed(payload, new Map()) };
  }

  #updated(update: Changes, row: AttachedRow): Changes {
    const operators = Object.entries(update).map(([operator, changes]) => {
      if (COMPARING.includes(operator)) return [operator, compared(changes)];
      const isSet = operator === '$set' && isChanges(changes);
      return [operator, isSet ? this.#written(changes, row) : this.#placed(changes, new Map())];
    });
    return Object.fromEntries(operators);
  }

  /** @param values by the dotted paths that they are written to */
  #written(values: Changes, row: AttachedRow): Changes {
    const placed = Object.entries(values).map(([path, value]) => [
      path,
      this.#placed(value, heldAt(row, path)),
    ]);
    return Object.fromEntries(placed);
  }

  /** @param held what the row has at the same place; what is used of it is taken out */
  #placed(value: unknown, held: Map<string, Attachment>): unknown {
    return exchanged(value, (attachment) => {
      const source = sourceOf(attachment);
      if (!source) return attachment;
      const old = held.get(source.path);
      if (!old) return this.#copied(attachment);
      held.delete(source.path);
      this.kept.set(attachment, old);
      return old.data;
    });
  }

  #copied(attachment: Attachment): Attachment {
    const isTaken = attachment.isStored || this.copies.includes(attachment);
    const copy = isTaken ? separated(attachment) : attachment;
    this.copies.push(copy);
    return copy;
  }
}

/** Operators that write no value, but take out what is equal to it. */
const COMPARING: readonly string[] = ['$pull', '$pullAll'];

/** Where an operation writes values; nothing where it does more than that with attachments. */
function writtenPlaces({ kind, payload }: Operation, places: Places): string[] | undefined {
  if (kind === 'replace') return [WHOLE_ROW];
  if (kind !== 'update' || !isChanges(payload)) return undefined;
  const touching = Object.entries(payload).flatMap(([operator, changes]) =>
    Object.keys(Object(changes)).flatMap((path) => (places.touches(path) ? [{ operator, path }] : [])),
  );
  const isPlain = touching.every(
    ({ operator, path }) => ['$set', '$unset'].includes(operator) && !path.includes('$'),
  );
  return isPlain ? touching.map(({ path }) => path) : undefined;
}

const WHOLE_ROW = '';

type Changes = Readonly<Record<string, unknown>>;

/** No pipeline. */
function isChanges(payload: unknown): payload is Changes {
  return typeof payload === 'object' && payload !== null && !Array.isArray(payload);
}

/** The attachments that a row has at a place or below it, by their paths. */
function heldAt({ row, attachments }: AttachedRow, path: string): Map<string, Attachment> {
  const held = new Map<string, Attachment>();
  const collect = (value: unknown): void => {
    const attachment = attachments.get(value);
    if (attachment) held.set(attachment.path, attachment);
    else if (typeof value === 'object' && value !== null) Object.values(value).forEach(collect);
  };
  collect(path.split('.').reduce<unknown>((value, key) => Object(value)[key], row));
  return held;
}

/** The paths of the attachments that a row has outside of these places. */
function heldBeside({ row, attachments }: AttachedRow, written: ReadonlySet<string>): Set<string> {
  const held = new Set<string>();
  const collect = (value: unknown, place: string): void => {
    if (written.has(place)) return;
    const attachment = attachments.get(value);
    if (attachment) held.add(attachment.path);
    else if (typeof value === 'object' && value !== null)
      for (const [key, part] of Object.entries(value)) collect(part, place ? `${place}.${key}` : key);
  };
  collect(row, WHOLE_ROW);
  return held;
}
