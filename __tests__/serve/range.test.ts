import { describe, expect, test } from '@jest/globals';
import { MAX_RANGES, type RangeSelection, selectRanges } from '../../lib/serve/range.js';

const SIZE = 1000;

type Row = [section: string, header: string | undefined, selection: RangeSelection];

const ROWS: Row[] = [
  ['14.2 no Range', undefined, 'whole'],

  ['14.1.2 the first byte', 'bytes=0-0', [{ start: 0, end: 0 }]],
  ['14.1.2 the first bytes', 'bytes=0-499', [{ start: 0, end: 499 }]],
  ['14.1.2 from a byte on', 'bytes=500-', [{ start: 500, end: 999 }]],
  ['14.1.2 from the first byte on', 'bytes=0-', [{ start: 0, end: 999 }]],
  ['14.1.2 the last byte', 'bytes=-1', [{ start: 999, end: 999 }]],
  ['14.1.2 a suffix', 'bytes=-500', [{ start: 500, end: 999 }]],
  ['14.1.2 a suffix of the whole size', 'bytes=-1000', [{ start: 0, end: 999 }]],
  ['14.1.2 a suffix longer than the file', 'bytes=-1001', [{ start: 0, end: 999 }]],
  ['14.1.2 a suffix longer than any file', `bytes=-${'9'.repeat(400)}`, [{ start: 0, end: 999 }]],
  ['14.1.2 an end past the last byte', 'bytes=900-5000', [{ start: 900, end: 999 }]],
  ['14.1.2 an end past any file', `bytes=900-${'9'.repeat(400)}`, [{ start: 900, end: 999 }]],
  ['14.1.2 leading zeros', 'bytes=0000-0009', [{ start: 0, end: 9 }]],

  ['15.5.17 past the end', 'bytes=1000-', 'unsatisfiable'],
  ['15.5.17 past the end, with an end', 'bytes=1000-2000', 'unsatisfiable'],
  ['15.5.17 past any end', `bytes=${'9'.repeat(400)}-`, 'unsatisfiable'],
  ['14.1.2 a suffix of nothing', 'bytes=-0', 'unsatisfiable'],
  ['15.5.17 all of several past the end', 'bytes=1000-1001,-0', 'unsatisfiable'],

  [
    '14.1.2 several',
    'bytes=0-0,5-9',
    [
      { start: 0, end: 0 },
      { start: 5, end: 9 },
    ],
  ],
  [
    '14.1.2 first and last byte',
    'bytes=0-0,-1',
    [
      { start: 0, end: 0 },
      { start: 999, end: 999 },
    ],
  ],
  [
    '15.3.7.2 in the order of the request',
    'bytes=500-600, 0-9',
    [
      { start: 500, end: 600 },
      { start: 0, end: 9 },
    ],
  ],
  ['15.3.7.2 what overlaps is combined', 'bytes=0-500,400-600', [{ start: 0, end: 600 }]],
  ['15.3.7.2 what is adjacent is combined', 'bytes=0-9,10-19', [{ start: 0, end: 19 }]],
  ['15.3.7.2 the same twice is sent once', 'bytes=0-9,0-9', [{ start: 0, end: 9 }]],
  ['14.1.2 the satisfiable ones of several', 'bytes=0-9,1000-', [{ start: 0, end: 9 }]],

  ['14.1 the unit has no case', 'BYTES=0-9', [{ start: 0, end: 9 }]],
  ['14.2 an unknown unit', 'lines=0-9', 'whole'],
  ['14.2 no unit', '0-9', 'whole'],
  ['5.6.1 white space and empty elements of a list', 'bytes= ,0-9 ,\t, ', [{ start: 0, end: 9 }]],

  ['14.1.1 an end before the start', 'bytes=9-0', 'whole'],
  ['14.1.1 an end before the start, beside a valid one', 'bytes=0-1,9-0', 'whole'],
  ['14.1.1 nothing', 'bytes=', 'whole'],
  ['14.1.1 no digits', 'bytes=-', 'whole'],
  ['14.1.1 letters', 'bytes=a-b', 'whole'],
  ['14.1.1 a sign', 'bytes=+1-2', 'whole'],
  ['14.1.1 a fraction', 'bytes=0.5-2', 'whole'],
  ['14.1.1 hexadecimal', 'bytes=0x0-0x9', 'whole'],
  ['14.1.1 white space within', 'bytes=0 - 9', 'whole'],
  ['14.1.1 no hyphen', 'bytes=5', 'whole'],
  ['14.1.1 two hyphens', 'bytes=1-2-3', 'whole'],
  ['14.1.1 a header that was sent twice', 'bytes=0-1, bytes=5-6', 'whole'],
];

describe('RFC 9110 section', () => {
  test.each(ROWS)('%s: %s', (_section, header, selection) => {
    expect(selectRanges(header, SIZE)).toEqual(selection);
  });

  test.each([
    ['14.1.2 any position is past the end', 'bytes=0-', 'unsatisfiable'],
    ['14.1.2 a suffix is all of it', 'bytes=-5', 'whole'],
    ['14.1.2 a suffix of nothing', 'bytes=-0', 'unsatisfiable'],
  ])('%s of an empty file', (_section, header, selection) => {
    expect(selectRanges(header, 0)).toBe(selection);
  });

  test('14.2 many ranges are refused, whether they overlap or not', () => {
    const rangesOf = (count: number) =>
      `bytes=${Array.from({ length: count }, (_, i) => `${i * 2}-${i * 2}`)}`;
    expect(selectRanges(rangesOf(MAX_RANGES), SIZE)).toHaveLength(MAX_RANGES);
    expect(selectRanges(rangesOf(MAX_RANGES + 1), SIZE)).toBe('unsatisfiable');
    expect(selectRanges(`bytes=${Array(200).fill('0-')}`, SIZE)).toBe('unsatisfiable');
  });
});
