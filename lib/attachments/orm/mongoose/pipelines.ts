import { isPlainObject } from './payload.js';
import type { Places } from './places.js';

/**
 * Whether an update pipeline leaves attachments as they are, or takes them away as a whole. What it computes for the place
 * of one could be the file of another.
 */
export function onlyTakesAway(pipeline: readonly unknown[], places: Places): boolean {
  return pipeline
    .flatMap((stage) => Object.entries(Object(stage)))
    .every(([operator, changes]) => {
      const written = writtenBy(operator, changes);
      const isHarmless = ([path, value]: Written) =>
        !places.touches(path) || (isNothing(value) && !places.reachesInto(path));
      return written?.every(isHarmless) ?? false;
    });
}

/** A path, and what is put there. */
type Written = readonly [path: string, value: unknown];

/** Nothing for operators that make a new row. */
function writtenBy(operator: string, changes: unknown): Written[] | undefined {
  if (operator === '$unset') return [changes].flat().map((path) => [String(path), null]);
  if (operator === '$set' || operator === '$addFields') return leavesOf(changes);
  if (operator !== '$project') return undefined;
  return leavesOf(changes).map(([path, value]) => [path, isChoice(value) ? null : value]);
}

/** Objects name paths below their own, unless they are expressions. */
function leavesOf(changes: unknown, prefix = ''): Written[] {
  return Object.entries(Object(changes)).flatMap(([key, value]): Written[] =>
    isNested(value) ? leavesOf(value, `${prefix}${key}.`) : [[prefix + key, value]],
  );
}

function isNested(value: unknown): value is object {
  if (typeof value !== 'object' || value === null || !isPlainObject(value)) return false;
  const keys = Object.keys(value);
  return keys.length > 0 && !keys.some((key) => key.startsWith('$'));
}

/** Whether a path is in the row, or not: it gets nothing new. */
function isChoice(value: unknown): boolean {
  return typeof value === 'boolean' || value === 0 || value === 1;
}

function isNothing(value: unknown): boolean {
  return value === null || value === '$$REMOVE' || (Array.isArray(value) && value.length === 0);
}
