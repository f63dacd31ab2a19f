import parseRange from 'range-parser';

/** The first and the last byte of a part of a file, both included. */
export interface ResolvedRange {
  readonly start: number;
  readonly end: number;
}

/** What a Range header asks of a file: all of it, parts of it, or nothing that it has. */
export type RangeSelection = 'whole' | 'unsatisfiable' | readonly [ResolvedRange, ...ResolvedRange[]];

/** More ranges than this are refused (RFC 9110 section 14.2): each costs a part's headers, and may cost a request. */
export const MAX_RANGES = 32;

/** `ranges-specifier` of the unit `bytes`, whose name has no case (RFC 9110 section 14.1). */
const BYTES_UNIT = /^bytes=/i;

/** `int-range` or `suffix-range` (RFC 9110 section 14.1.1). */
const RANGE_SPEC = /^(?:(\d+)-(\d*)|-(\d+))$/;

/**
 * The parts of a file of `size` bytes that a Range header selects, overlapping and adjacent ones combined, in the
 * order of the request (RFC 9110 sections 14.1.2 and 15.3.7.2). A unit that is not `bytes`, and a header that is not
 * well formed, count as none (section 14.2).
 */
export function selectRanges(header: string | undefined, size: number): RangeSelection {
  if (header === undefined || !BYTES_UNIT.test(header)) return 'whole';
  const specs = listed(header.slice('bytes='.length));
  if (specs.length === 0 || !specs.every(isValid)) return 'whole';
  if (specs.length > MAX_RANGES) return 'unsatisfiable';
  if (size === 0 && specs.some(isSatisfiableSuffix)) return 'whole';
  const set = specs.map((spec) => fitted(spec, size)).join(',');
  const ranges = parseRange(size, `bytes=${set}`, { combine: true });
  const [first, ...others] = typeof ranges === 'number' ? [] : ranges;
  return first ? [first, ...others] : 'unsatisfiable';
}

/** The elements of a list, of which some may be empty (RFC 9110 section 5.6.1.2). */
function listed(set: string): string[] {
  return set
    .split(',')
    .map((spec) => spec.trim())
    .filter((spec) => spec !== '');
}

/** A last position before the first makes the range invalid, not just unsatisfiable (RFC 9110 section 14.1.1). */
function isValid(spec: string): boolean {
  const match = RANGE_SPEC.exec(spec);
  if (!match) return false;
  const [, first, last] = match;
  return !last || Number(first) <= Number(last);
}

/** True of an empty file's only satisfiable range, which no Content-Range can express (RFC 9110 section 14.4). */
function isSatisfiableSuffix(spec: string): boolean {
  return spec.startsWith('-') && Number(spec.slice(1)) > 0;
}

/** A suffix longer than the file means all of it (RFC 9110 section 14.1.2); range-parser would drop it. */
function fitted(spec: string, size: number): string {
  return spec.startsWith('-') ? `-${Math.min(Number(spec.slice(1)), size)}` : spec;
}
