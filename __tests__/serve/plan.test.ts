import type { IncomingHttpHeaders, OutgoingHttpHeaders } from 'node:http';
import { describe, expect, test } from '@jest/globals';
import type { FileDetails } from '../../lib/contract/stored-file.js';
import { checkedOptions, type ServeOptions } from '../../lib/serve/options.js';
import {
  planRedirect,
  planResponse,
  planSendfile,
  type RequestHead,
  SIGNED_URL_SECONDS,
  signedUrlSeconds,
} from '../../lib/serve/plan.js';

const FILE: FileDetails = {
  id: 'id',
  filename: 'photo.png',
  contentType: 'image/png',
  size: 100,
  lastModified: new Date('1994-11-06T08:49:37Z'),
  metadata: {},
  etag: '"abc"',
};

const FILE_HEADERS = {
  'Content-Type': 'image/png',
  'Content-Disposition': 'inline; filename="photo.png"',
  'Content-Security-Policy':
    "default-src 'none'; img-src 'self'; media-src 'self'; style-src 'unsafe-inline'; sandbox",
  'X-Content-Type-Options': 'nosniff',
  ETag: '"abc"',
  'Last-Modified': 'Sun, 06 Nov 1994 08:49:37 GMT',
  'Cache-Control': 'public, max-age=0',
};

const CONTENT_HEADERS = { ...FILE_HEADERS, 'Accept-Ranges': 'bytes' };

interface Given {
  readonly method?: 'GET' | 'HEAD';
  readonly headers?: IncomingHttpHeaders;
  readonly download?: boolean;
  readonly file?: Partial<FileDetails>;
  readonly options?: ServeOptions;
}

function requestOf({ method = 'GET', headers = {}, download = false }: Given): RequestHead {
  return { method, headers, download };
}

function plan(given: Given = {}) {
  const settings = checkedOptions(given.options ?? {});
  return planResponse(requestOf(given), { ...FILE, ...given.file }, settings, () => 'boundary');
}

function headersOf(given: Given): OutgoingHttpHeaders {
  return plan(given).headers;
}

describe('200', () => {
  test('RFC 9110 section 15.3.1: all of the file', () => {
    expect(plan()).toEqual({
      kind: 'content',
      status: 200,
      headers: { ...CONTENT_HEADERS, 'Content-Length': 100 },
      body: [{ start: 0, end: 99 }],
    });
  });

  test('RFC 9110 section 9.3.2: a HEAD has the headers of a GET and no content', () => {
    const head = plan({ method: 'HEAD' });
    expect(head).toEqual({
      kind: 'empty',
      status: 200,
      headers: { ...CONTENT_HEADERS, 'Content-Length': 100 },
    });
  });

  test('an empty file', () => {
    const empty = plan({ file: { size: 0 } });
    expect(empty).toMatchObject({ kind: 'content', status: 200, headers: { 'Content-Length': 0 }, body: [] });
  });

  test.each([
    ['RFC 9110 section 14.2: of a HEAD', { method: 'HEAD', headers: { range: 'bytes=0-1' } }],
    ['RFC 9110 section 14.2: of an unknown unit', { headers: { range: 'lines=0-1' } }],
    [
      'RFC 9110 section 13.1.5: with an If-Range that does not hold',
      { headers: { range: 'bytes=0-1', 'if-range': '"x"' } },
    ],
    [
      'RFC 9110 section 13.1.5: with a weak If-Range',
      { headers: { range: 'bytes=0-1', 'if-range': 'W/"abc"' } },
    ],
    [
      'RFC 9110 section 13.1.5: past the end, with an If-Range that does not hold',
      { headers: { range: 'bytes=100-', 'if-range': '"x"' } },
    ],
  ] as const)('a Range that does not count: %s', (_section, given) => {
    expect(plan(given)).toMatchObject({ status: 200, headers: { 'Content-Length': 100 } });
    expect(headersOf(given)).not.toHaveProperty('Content-Range');
  });
});

describe('206', () => {
  test('RFC 9110 section 15.3.7.1: a single part', () => {
    expect(plan({ headers: { range: 'bytes=10-19' } })).toEqual({
      kind: 'content',
      status: 206,
      headers: { ...CONTENT_HEADERS, 'Content-Range': 'bytes 10-19/100', 'Content-Length': 10 },
      body: [{ start: 10, end: 19 }],
    });
  });

  test('RFC 9110 section 15.3.7.2: several parts', () => {
    const partHead = (range: string) =>
      `\r\n--boundary\r\nContent-Type: image/png\r\nContent-Range: bytes ${range}/100\r\n\r\n`;
    const body = [
      partHead('0-0'),
      { start: 0, end: 0 },
      partHead('5-9'),
      { start: 5, end: 9 },
      '\r\n--boundary--\r\n',
    ];
    const length = 2 * partHead('0-0').length + 1 + 5 + '\r\n--boundary--\r\n'.length;
    expect(plan({ headers: { range: 'bytes=0-0,5-9' } })).toEqual({
      kind: 'content',
      status: 206,
      headers: {
        ...CONTENT_HEADERS,
        'Content-Type': 'multipart/byteranges; boundary=boundary',
        'Content-Length': length,
      },
      body,
    });
  });

  test('RFC 9110 section 14.6: boundaries are not to be guessed', () => {
    const request = requestOf({ headers: { range: 'bytes=0-0,5-9' } });
    const types = [1, 2].map(() => planResponse(request, FILE, checkedOptions({})).headers['Content-Type']);
    expect(types[0]).toMatch(/^multipart\/byteranges; boundary=[0-9a-f-]{36}$/);
    expect(types[0]).not.toBe(types[1]);
  });

  test.each([
    ['the tag', '"abc"'],
    ['the exact date', 'Sun, 06 Nov 1994 08:49:37 GMT'],
  ])('RFC 9110 section 13.1.5: If-Range with %s', (_case, ifRange) => {
    expect(plan({ headers: { range: 'bytes=0-0', 'if-range': ifRange } })).toMatchObject({ status: 206 });
  });
});

describe('304', () => {
  test('RFC 9110 section 15.4.5: what a cache needs to go on, and no more', () => {
    expect(plan({ headers: { 'if-none-match': '"abc"', range: 'bytes=0-0' } })).toEqual({
      kind: 'empty',
      status: 304,
      headers: { ETag: '"abc"', 'Cache-Control': 'public, max-age=0' },
    });
  });

  test('to a HEAD as well', () => {
    expect(plan({ method: 'HEAD', headers: { 'if-none-match': '*' } })).toMatchObject({ status: 304 });
  });
});

describe('refusals', () => {
  test('RFC 9110 section 15.5.13: 412', () => {
    expect(plan({ headers: { 'if-match': '"x"', range: 'bytes=100-' } })).toMatchObject({
      kind: 'refusal',
      error: { code: 'PRECONDITION_FAILED', status: 412 },
    });
  });

  test('RFC 9110 section 15.5.17: 416 tells the size', () => {
    expect(plan({ headers: { range: 'bytes=100-' } })).toMatchObject({
      kind: 'refusal',
      error: { code: 'RANGE_NOT_SATISFIABLE', status: 416 },
      headers: { 'Content-Range': 'bytes */100' },
    });
  });
});

describe('type and disposition', () => {
  test.each([
    ['RFC 9110 section 8.3', { contentType: 'image/png' }, 'image/png', 'inline'],
    ['text is UTF-8', { contentType: 'text/plain' }, 'text/plain; charset=utf-8', 'inline'],
    [
      'text that says what it is',
      { contentType: 'text/plain; charset=latin1' },
      'text/plain; charset=latin1',
      'inline',
    ],
    ['active content', { contentType: 'text/html' }, 'text/html', 'attachment'],
    ['active content in mixed case', { contentType: 'Text/HTML' }, 'text/html', 'attachment'],
    ['active content', { contentType: 'image/svg+xml' }, 'image/svg+xml', 'attachment'],
    ['no media type', { contentType: 'what?\r\nX: y' }, 'application/octet-stream', 'attachment'],
    ['no media type', { contentType: '' }, 'application/octet-stream', 'attachment'],
  ])('%s: %j', (_case, file, type, disposition) => {
    const headers = headersOf({ file });
    expect(headers['Content-Type']).toBe(type);
    expect(headers['Content-Disposition']).toBe(`${disposition}; filename="photo.png"`);
  });

  test('a download is asked for by the query or by the options', () => {
    const attachment = 'attachment; filename="photo.png"';
    expect(headersOf({ download: true })['Content-Disposition']).toBe(attachment);
    expect(headersOf({ options: { disposition: 'attachment' } })['Content-Disposition']).toBe(attachment);
  });
});

describe('Cache-Control', () => {
  test.each([
    [{}, 'public, max-age=0'],
    [{ authorize: () => true }, 'private, no-cache'],
    [{ cacheControl: 'public, max-age=31536000, immutable' }, 'public, max-age=31536000, immutable'],
    [{ cacheControl: false }, undefined],
  ] as const)('%j: %s', (options, value) => {
    expect(headersOf({ options })['Cache-Control']).toBe(value);
    expect(headersOf({ options, headers: { 'if-none-match': '*' } })['Cache-Control']).toBe(value);
  });
});

describe('302', () => {
  const URL = 'https://bucket.example/key?signature=x';

  test('a signed URL is cached for less time than it works, and by the client alone', () => {
    const redirect = planRedirect(FILE, URL, checkedOptions({ cacheControl: 'public, max-age=99999' }));
    expect(redirect).toMatchObject({ kind: 'redirect', status: 302, headers: { Location: URL } });
    const maxAge = /^private, max-age=(\d+)$/.exec(String(redirect.headers['Cache-Control']))?.[1];
    expect(Number(maxAge)).toBeLessThan(SIGNED_URL_SECONDS);
  });

  test.each([
    ['no-store', 'no-store'],
    ['private, no-cache', 'private, no-cache'],
    ['public, max-age=5', 'private, max-age=5'],
    [false, undefined],
  ] as const)('a signed URL is cached no longer than %j says', (cacheControl, value) => {
    expect(planRedirect(FILE, URL, checkedOptions({ cacheControl })).headers['Cache-Control']).toBe(value);
  });

  test('a signed URL of what only some may have is asked for each time', () => {
    const options = { authorize: () => true, cacheControl: 'private, max-age=99999' };
    const redirect = planRedirect(FILE, URL, checkedOptions(options));
    expect(redirect.headers['Cache-Control']).toBe('private, no-cache');
  });

  test.each([
    [Number.POSITIVE_INFINITY, 3600, 1800],
    [3600, 3600, 1800],
    [3599, 1800, 900],
    [1000, 900, 450],
    [449, 225, 112],
    [100, 60, 30],
    [45, 60, 30],
    [7.5, 60, 7],
    [0.5, 60, 0],
  ])(
    'of %d seconds that our own signature has left, S3 signs for %d, and caches have %d',
    (left, signed, cached) => {
      const settings = { ...checkedOptions({}), secondsLeft: left };
      expect(signedUrlSeconds(settings)).toBe(signed);
      const { headers } = planRedirect(FILE, URL, settings);
      expect(headers['Cache-Control']).toBe(`private, max-age=${cached}`);
    },
  );

  test.each([
    [3000, 1800],
    [420.9, 420],
    [-5, 0],
  ])('a URL that works for %d seconds more is cached for %d', (urlSeconds, cached) => {
    for (const options of [{}, { cacheControl: 'public, max-age=1800' }]) {
      const { headers } = planRedirect(FILE, URL, checkedOptions(options), urlSeconds);
      expect(headers['Cache-Control']).toBe(`private, max-age=${cached}`);
    }
  });

  test('a public URL is cached as files are', () => {
    const options = { cacheControl: 'public, max-age=99999' };
    const redirect = planRedirect({ ...FILE, publicUrl: URL }, URL, checkedOptions(options));
    expect(redirect.headers).toEqual({
      Location: URL,
      'Content-Length': 0,
      'Cache-Control': 'public, max-age=99999',
    });
  });
});

test('a proxy is told all that it needs, and evaluates conditions and ranges by itself', () => {
  const request = requestOf({ headers: { range: 'bytes=0-0', 'if-none-match': '"abc"' } });
  expect(planSendfile(request, FILE, checkedOptions({}), { 'X-Sendfile': '/path' })).toEqual({
    kind: 'empty',
    status: 200,
    headers: { ...FILE_HEADERS, 'X-Sendfile': '/path' },
  });
});
