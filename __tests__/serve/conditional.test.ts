import type { IncomingHttpHeaders } from 'node:http';
import { describe, expect, test } from '@jest/globals';
import { evaluatePreconditions, ifRangeHolds, type Verdict } from '../../lib/serve/conditional.js';

const ETAG = '"abc"';
const WHEN = 'Sun, 06 Nov 1994 08:49:37 GMT';
const BEFORE = 'Sun, 06 Nov 1994 08:49:36 GMT';
const AFTER = 'Sun, 06 Nov 1994 08:49:38 GMT';
const FILE = { etag: ETAG, lastModified: new Date(WHEN) };

type Row = [section: string, headers: IncomingHttpHeaders, verdict: Verdict];

const ROWS: Row[] = [
  ['13', {}, 'proceed'],

  ['13.1.1 the tag itself', { 'if-match': ETAG }, 'proceed'],
  ['13.1.1 another tag', { 'if-match': '"x"' }, 'preconditionFailed'],
  ['13.1.1 any', { 'if-match': '*' }, 'proceed'],
  ['13.1.1 one of a list', { 'if-match': '"x", "abc" , "y"' }, 'proceed'],
  ['13.1.1 none of a list', { 'if-match': '"x", "y"' }, 'preconditionFailed'],
  ['13.1.1 strong comparison: a weak tag never matches', { 'if-match': 'W/"abc"' }, 'preconditionFailed'],
  ['13.1.1 not a tag', { 'if-match': 'abc' }, 'preconditionFailed'],
  ['13.1.1 nothing', { 'if-match': '' }, 'preconditionFailed'],

  ['13.1.2 the tag itself', { 'if-none-match': ETAG }, 'notModified'],
  ['13.1.2 another tag', { 'if-none-match': '"x"' }, 'proceed'],
  ['13.1.2 any', { 'if-none-match': '*' }, 'notModified'],
  ['13.1.2 weak comparison', { 'if-none-match': 'W/"abc"' }, 'notModified'],
  ['13.1.2 one of a list', { 'if-none-match': '"x",W/"abc", "y"' }, 'notModified'],
  ['13.1.2 none of a list', { 'if-none-match': '"x", W/"y"' }, 'proceed'],
  ['8.8.3 a comma within a tag', { 'if-none-match': '"x,y", "abc"' }, 'notModified'],
  ['8.8.3 a comma within a tag makes no list of it', { 'if-none-match': '"x,abc"' }, 'proceed'],
  ['8.8.3 tags have quotes', { 'if-none-match': 'abc' }, 'proceed'],
  ['8.8.3 tags have case', { 'if-none-match': '"ABC"' }, 'proceed'],

  ['13.1.3 the same date', { 'if-modified-since': WHEN }, 'notModified'],
  ['13.1.3 a later date', { 'if-modified-since': AFTER }, 'notModified'],
  ['13.1.3 an earlier date', { 'if-modified-since': BEFORE }, 'proceed'],
  ['13.1.3 not a date: ignored', { 'if-modified-since': 'tomorrow' }, 'proceed'],
  ['13.1.3 not a date of HTTP: ignored', { 'if-modified-since': '2094-11-06T08:49:37Z' }, 'proceed'],
  [
    '13.1.3 a day that does not exist: ignored',
    { 'if-modified-since': 'Thu, 31 Feb 2094 08:49:37 GMT' },
    'proceed',
  ],
  ['5.6.7 an obsolete form', { 'if-modified-since': 'Sun Nov  6 08:49:37 1994' }, 'notModified'],

  ['13.1.4 the same date', { 'if-unmodified-since': WHEN }, 'proceed'],
  ['13.1.4 a later date', { 'if-unmodified-since': AFTER }, 'proceed'],
  ['13.1.4 an earlier date', { 'if-unmodified-since': BEFORE }, 'preconditionFailed'],
  ['13.1.4 not a date: ignored', { 'if-unmodified-since': 'Invalid Date' }, 'proceed'],

  [
    '13.2.2 If-Match before If-Unmodified-Since',
    { 'if-match': ETAG, 'if-unmodified-since': BEFORE },
    'proceed',
  ],
  [
    '13.2.2 If-Match before If-Unmodified-Since',
    { 'if-match': '"x"', 'if-unmodified-since': AFTER },
    'preconditionFailed',
  ],
  ['13.2.2 If-Match, then If-None-Match', { 'if-match': ETAG, 'if-none-match': ETAG }, 'notModified'],
  ['13.2.2 If-Match, then If-None-Match', { 'if-match': '"x"', 'if-none-match': ETAG }, 'preconditionFailed'],
  [
    '13.2.2 If-None-Match before If-Modified-Since',
    { 'if-none-match': '"x"', 'if-modified-since': AFTER },
    'proceed',
  ],
  [
    '13.2.2 If-None-Match before If-Modified-Since',
    { 'if-none-match': ETAG, 'if-modified-since': BEFORE },
    'notModified',
  ],
  [
    '13.2.2 If-Unmodified-Since, then If-Modified-Since',
    { 'if-unmodified-since': WHEN, 'if-modified-since': WHEN },
    'notModified',
  ],
];

describe('preconditions: RFC 9110 section', () => {
  test.each(ROWS)('%s %j: %s', (_section, headers, verdict) => {
    expect(evaluatePreconditions(headers, FILE)).toBe(verdict);
  });

  test('8.8.3.2 a weak tag of ours matches weakly, never strongly', () => {
    const weak = { ...FILE, etag: 'W/"abc"' };
    expect(evaluatePreconditions({ 'if-none-match': ETAG }, weak)).toBe('notModified');
    expect(evaluatePreconditions({ 'if-match': 'W/"abc"' }, weak)).toBe('preconditionFailed');
    expect(ifRangeHolds({ 'if-range': 'W/"abc"' }, weak)).toBe(false);
  });

  test('5.6.7 a file is as old as its whole seconds', () => {
    const file = { ...FILE, lastModified: new Date(FILE.lastModified.getTime() + 999) };
    expect(evaluatePreconditions({ 'if-modified-since': WHEN }, file)).toBe('notModified');
    expect(evaluatePreconditions({ 'if-unmodified-since': WHEN }, file)).toBe('proceed');
  });

  test('a header of the longest size is evaluated at once', () => {
    const started = Date.now();
    expect(evaluatePreconditions({ 'if-none-match': '"'.repeat(16_000) }, FILE)).toBe('proceed');
    expect(evaluatePreconditions({ 'if-none-match': 'W/'.repeat(8_000) }, FILE)).toBe('proceed');
    expect(Date.now() - started).toBeLessThan(1000);
  });
});

describe('If-Range: RFC 9110 section 13.1.5', () => {
  test.each([
    ['absent', undefined, true],
    ['the tag itself', ETAG, true],
    ['another tag', '"x"', false],
    ['a weak tag', 'W/"abc"', false],
    ['a list', '"abc", "x"', false],
    ['any', '*', false],
    ['the exact date', WHEN, true],
    ['a later date', AFTER, false],
    ['an earlier date', BEFORE, false],
    ['neither tag nor date', 'abc', false],
    ['nothing', '', false],
  ])('%s', (_case, ifRange, holds) => {
    expect(ifRangeHolds({ 'if-range': ifRange }, FILE)).toBe(holds);
  });
});
