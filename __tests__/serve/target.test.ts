import { describe, expect, test } from '@jest/globals';
import { belowMountpoint, parseTarget } from '../../lib/serve/target.js';

describe('what is below a mountpoint', () => {
  test.each([
    ['/depot', '/depot/s/id', '/s/id'],
    ['/depot', '/depot/s/id?download', '/s/id?download'],
    ['/depot', '/depot', ''],
    ['/depot', '/depot/', '/'],
    ['/depot', '/depot?x', '?x'],
    ['/a/b', '/a/b/s/id', '/s/id'],
    ['', '/s/id', '/s/id'],
    ['', '/', '/'],
    ['/depot', 'http://example.org/depot/s/id', '/s/id'],
    ['/depot', 'HTTPS://example.org:8080/depot/s/id?x', '/s/id?x'],
  ])('%j %s: %j', (mountpoint, url, rest) => {
    expect(belowMountpoint(mountpoint, url)).toBe(rest);
  });

  test.each([
    ['/depot', '/depotsomething/s/id'],
    ['/depot', '/Depot/s/id'],
    ['/depot', '/other'],
    ['/depot', '/'],
    ['/depot', ''],
    ['/depot', '*'],
    ['/depot', '//depot/s/id'],
    ['/depot', '//evil/depot/s/id'],
    ['/depot', 'http://example.org'],
    ['/depot', 'http://example.org?/depot/s/id'],
    ['/depot', 'ftp://example.org/depot/s/id'],
    ['/depot', 'example.org:443'],
    ['/depot', '/x?/depot/s/id'],
    ['/depot', '/%64epot/s/id'],
    ['', '*'],
  ])('%j %s: not ours', (mountpoint, url) => {
    expect(belowMountpoint(mountpoint, url)).toBeUndefined();
  });
});

describe('targets', () => {
  test.each([
    ['/s/id', { storage: 's', id: 'id', download: false }],
    ['/s/id/name.txt', { storage: 's', id: 'id', filename: 'name.txt', download: false }],
    ['/s/id/na%20me%C3%A9.txt', { storage: 's', id: 'id', filename: 'na meé.txt', download: false }],
    ['/%73/%69d', { storage: 's', id: 'id', download: false }],
    ['/s/%2569d', { storage: 's', id: '%69d', download: false }],
    ['/s/id?download', { storage: 's', id: 'id', filename: undefined, download: true }],
    ['/s/id?%64ownload', { storage: 's', id: 'id', download: true }],
    ['/s/id?variant=a&variant=b', { storage: 's', id: 'id', download: false, variant: 'a' }],
    ['/s/id?variant', { storage: 's', id: 'id', variant: '' }],
    ['/s/id?variants=a', { storage: 's', id: 'id', variant: undefined }],
    ['/s/id?download=1', { storage: 's', id: 'id', download: true }],
    ['/s/id?x=1&download', { storage: 's', id: 'id', download: true }],
    ['/s/id?download&x=1', { storage: 's', id: 'id', download: true }],
    ['/s/id?x=download', { storage: 's', id: 'id', download: false }],
    ['/s/id?downloads=1', { storage: 's', id: 'id', download: false }],
    ['/s/id?', { storage: 's', id: 'id', download: false }],
    ['/s/id?a/b/../%zz', { storage: 's', id: 'id', download: false }],
  ])('%s', (target, parsed) => {
    expect(parseTarget(target)).toMatchObject(parsed);
  });

  test.each([
    '',
    '/',
    '?x',
    '/s',
    '/s/',
    '//id',
    '//s/id',
    '/s//id',
    '/s/id/',
    '/s/id/name/more',
    '/s/../id',
    '/../s/id',
    '/s/id/..',
    '/s/.',
    '/s/%2e%2e',
    '/s/%2E%2E%2Fid',
    '/s/a%2Fb',
    '/s/a%5cb',
    '/s/a\\b',
    '/s/id%00',
    '/s%00/id',
    '/s/id/name%00',
    '/s/id/a%2fb',
    '/s/%',
    '/s/%zz',
    '/s/%c3%28',
    '/%ff/id',
    '/s/id/%e0',
  ])('%s is none', (target) => {
    expect(() => parseTarget(target)).toThrow(expect.objectContaining({ code: 'INVALID_PATH', status: 404 }));
  });
});
