import { describe, expect, test } from '@jest/globals';
import { checkedOptions, limitedTo, type ServeOptions } from '../../lib/serve/options.js';
import { serveFiles } from '../../lib/serve/router.js';
import { directoryOf } from '../support/serving.js';

test('defaults', () => {
  expect(checkedOptions({})).toEqual({
    mountpoint: '/depot',
    cacheControl: 'public, max-age=0',
    givenCacheControl: undefined,
    disposition: 'auto',
    fallthrough: false,
    redirect: true,
    verify: false,
    variants: new Map(),
    sendfile: undefined,
    authorize: undefined,
    onError: expect.any(Function),
    secondsLeft: Number.POSITIVE_INFINITY,
  });
});

test.each<[cacheControl: string | false, limited: string]>([
  ['public, max-age=0', 'private, max-age=0, must-revalidate'],
  ['public, max-age=30', 'private, max-age=30, must-revalidate'],
  ['public, max-age=31536000, immutable', 'private, max-age=60, must-revalidate'],
  ['MAX-AGE="90"', 'private, max-age=60, must-revalidate'],
  ['public, max-age=30, stale-while-revalidate=600', 'private, max-age=30, must-revalidate'],
  ['public, s-maxage=600', 'private, max-age=0, must-revalidate'],
  ['public', 'private, max-age=0, must-revalidate'],
  [false, 'private, max-age=0, must-revalidate'],
  ['public, no-cache="Set-Cookie", max-age=90', 'private, max-age=60, must-revalidate'],
  ['private, no-cache', 'private, no-cache'],
  ['no-store', 'no-store'],
  ['public,no-cache,max-age=90', 'public,no-cache,max-age=90'],
])('%j for a URL that works for a minute: %s', (cacheControl, limited) => {
  const settings = limitedTo(60.9, checkedOptions({ cacheControl }));
  expect(settings).toMatchObject({ secondsLeft: 60.9, cacheControl: limited });
});

test('what only some may have is not kept by caches that others use', () => {
  const authorize = () => true;
  expect(checkedOptions({ authorize }).cacheControl).toBe('private, no-cache');
  expect(checkedOptions({ authorize, cacheControl: 'private, max-age=60' }).cacheControl).toBe(
    'private, max-age=60',
  );
  expect(checkedOptions({ authorize, cacheControl: false }).cacheControl).toBe(false);
});

test.each([
  ['/', ''],
  ['/files', '/files'],
  ['/files/', '/files'],
  ['/a/b-c/d.e', '/a/b-c/d.e'],
  ['/a%20b/~c', '/a%20b/~c'],
])('mountpoint %s', (given, checked) => {
  expect(checkedOptions({ mountpoint: given }).mountpoint).toBe(checked);
});

test.each([
  [
    { header: 'X-Accel-Redirect', root: '/var/files/', prefix: '/internal/' },
    { header: 'X-Accel-Redirect', root: '/var/files', prefix: '/internal' },
  ],
  [{ header: 'X-Sendfile' }, { header: 'X-Sendfile', root: '/', prefix: '' }],
  [
    { header: 'X-Sendfile', root: '/var/files' },
    { header: 'X-Sendfile', root: '/var/files', prefix: '' },
  ],
] as const)('sendfile %j', (sendfile, checked) => {
  expect(checkedOptions({ sendfile }).sendfile).toEqual(checked);
});

describe('refused', () => {
  test.each([
    { mountpoint: 'depot' },
    { mountpoint: '' },
    { mountpoint: '//depot' },
    { mountpoint: '/a//b' },
    { mountpoint: '/depot?x' },
    { mountpoint: '/de pot' },
    { mountpoint: 'http://example.org/depot' },
    { mountpoint: 7 },
    { mountpoint: '/žluť' },
    { mountpoint: '/100%' },
    { mountPoint: '/depot' },
    { authorise: () => false },
    '/depot',
    null,
    { fallthrough: 'no' },
    { redirect: 0 },
    { verify: 'true' },
    { cacheControl: 'public\r\nX-Evil: 1' },
    { cacheControl: true },
    { disposition: 'inline' },
    { authorize: true },
    { sendfile: { header: 'X-Other' } },
    { sendfile: { header: 'X-Accel-Redirect' } },
    { sendfile: { header: 'X-Accel-Redirect', root: '/var/files' } },
    { sendfile: { header: 'X-Accel-Redirect', prefix: '/internal/' } },
    { sendfile: { header: 'X-Accel-Redirect', root: 'var/files', prefix: '/internal/' } },
    { sendfile: { header: 'X-Accel-Redirect', root: '/var/files', prefix: 'internal' } },
    { sendfile: { header: 'X-Sendfile', prefix: '/internal/' } },
  ])('%j', (options) => {
    expect(() => serveFiles(directoryOf({}), options as unknown as ServeOptions)).toThrow(
      expect.objectContaining({ code: 'INVALID_OPTION' }),
    );
  });
});
