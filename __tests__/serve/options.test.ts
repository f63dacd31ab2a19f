import { describe, expect, test } from '@jest/globals';
import { checkedOptions, type ServeOptions } from '../../lib/serve/options.js';
import { serveFiles } from '../../lib/serve/router.js';
import { directoryOf } from '../support/serving.js';

test('defaults', () => {
  expect(checkedOptions({})).toEqual({
    mountpoint: '/depot',
    cacheControl: 'public, max-age=0',
    disposition: 'auto',
    fallthrough: false,
    redirect: true,
    sendfile: undefined,
    authorize: undefined,
  });
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
