import { describe, expect, test } from '@jest/globals';
import { formatTimestamp, parseTimestamp } from '../../lib/internal/timestamp.js';

describe('timestamps', () => {
  test.each([
    ['2026-01-31 23:59:59', Date.UTC(2026, 0, 31, 23, 59, 59)],
    ['1970-01-01 00:00:00', 0],
    ['2024-02-29 12:00:00', Date.UTC(2024, 1, 29, 12)],
  ])('%s is read and written', (timestamp, time) => {
    expect(formatTimestamp(new Date(time))).toBe(timestamp);
    expect(parseTimestamp(timestamp)).toEqual(new Date(time));
  });

  test('fractions of seconds are dropped', () => {
    expect(formatTimestamp(new Date(1999))).toBe('1970-01-01 00:00:01');
    expect(parseTimestamp('1970-01-01 00:00:01.999')).toEqual(new Date(1000));
  });

  test.each([[''], ['yesterday'], ['2026-13-01 00:00:00'], ['2026-01-01'], [5], [null], [undefined], [{}]])(
    '%j is none',
    (timestamp) => {
      expect(parseTimestamp(timestamp)).toBeUndefined();
    },
  );
});
