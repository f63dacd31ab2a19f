import { describe, expect, test } from '@jest/globals';
import { formatHttpDate, parseHttpDate } from '../../lib/serve/http-date.js';

const SECONDS = 784111777;
const FIXDATE = 'Sun, 06 Nov 1994 08:49:37 GMT';
const thisYear = new Date().getUTCFullYear();

/** A date in the obsolete form with a two-digit year. */
function rfc850(year: number): string {
  const date = new Date(Date.UTC(year, 0, 2, 3, 4, 5));
  const weekday = date.toLocaleDateString('en-US', { weekday: 'long', timeZone: 'UTC' });
  return `${weekday}, 02-Jan-${String(year % 100).padStart(2, '0')} 03:04:05 GMT`;
}

test('RFC 9110 section 5.6.7: dates are written as IMF-fixdate', () => {
  expect(formatHttpDate(new Date(SECONDS * 1000))).toBe(FIXDATE);
});

describe('RFC 9110 section 5.6.7: all three forms are read', () => {
  test.each([
    ['IMF-fixdate', FIXDATE],
    ['rfc850-date', 'Sunday, 06-Nov-94 08:49:37 GMT'],
    ['asctime-date', 'Sun Nov  6 08:49:37 1994'],
  ])('%s', (_form, text) => {
    expect(parseHttpDate(text)).toBe(SECONDS);
  });

  test.each([thisYear, thisYear + 49, thisYear - 49])(
    'the two digits of %d mean the nearest century',
    (year) => {
      expect(parseHttpDate(rfc850(year))).toBe(Date.UTC(year, 0, 2, 3, 4, 5) / 1000);
    },
  );
});

describe('RFC 9110 section 5.6.7: any other text is no date', () => {
  test.each([
    '',
    '0',
    '-1',
    'yesterday',
    'Invalid Date',
    '1994-11-06T08:49:37Z',
    '1994-11-06',
    '784111777',
    'Sun, 6 Nov 1994 08:49:37 GMT',
    'Sun, 06 Nov 1994 08:49:37',
    'Sun, 06 Nov 1994 08:49:37 +0000',
    'Sun, 06 Nov 1994 09:49:37 CET',
    'sun, 06 nov 1994 08:49:37 gmt',
    'Mon, 06 Nov 1994 08:49:37 GMT',
    'Thu, 31 Feb 1994 08:49:37 GMT',
    'Sun, 06 Nov 1994 24:49:37 GMT',
    'Sun, 06 Nov 1994 08:49:37 GMT, Sun, 06 Nov 1994 08:49:37 GMT',
    'Sunday, 06-Xyz-94 08:49:37 GMT',
    'Sun Xyz  6 08:49:37 1994',
    'Sun Nov 06 08:49:37 94',
  ])('%j', (text) => {
    expect(parseHttpDate(text)).toBeUndefined();
  });
});
