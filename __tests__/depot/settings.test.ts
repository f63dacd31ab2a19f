import { describe, expect, test } from '@jest/globals';
import { DepotManager } from '../../lib/depot/manager.js';
import { parseSettings } from '../../lib/depot/settings.js';

function parsed(settings: Record<string, string | undefined>, prefix = 'depot.') {
  const { storages, aliases, ...others } = parseSettings(settings, prefix);
  return { storages: Object.fromEntries(storages), aliases: Object.fromEntries(aliases), ...others };
}

describe('flat settings', () => {
  test('of one storage', () => {
    expect(
      parsed({ 'depot.backend': 'local', 'depot.storage_path': '/files', 'other.backend': 'x' }),
    ).toEqual({
      storages: {
        default: [
          ['backend', 'local'],
          ['storagePath', '/files'],
        ],
      },
      aliases: {},
      defaultName: 'default',
    });
  });

  test('of several, with a default and an alias', () => {
    const settings = {
      'depot.photos.url': 'memory:',
      'depot.user.files.backend': 'local',
      'depot.user.files.storagePath': 'f',
      'depot.old.alias_of': 'photos',
      'depot.default': 'photos',
    };
    expect(parsed(settings)).toEqual({
      storages: {
        photos: [['url', 'memory:']],
        'user.files': [
          ['backend', 'local'],
          ['storagePath', 'f'],
        ],
      },
      aliases: { old: 'photos' },
      defaultName: 'photos',
    });
  });

  test('an alias may stand for another one, whichever comes first', () => {
    const settings = {
      'depot.a.alias_of': 'b',
      'depot.b.alias_of': 'c',
      'depot.c.alias_of': 'photos',
      'depot.photos.url': 'memory:',
    };
    expect(parsed(settings)).toMatchObject({ aliases: { a: 'photos', b: 'photos', c: 'photos' } });
    const circle = { 'depot.url': 'memory:', 'depot.a.alias_of': 'b', 'depot.b.alias_of': 'a' };
    expect(() => DepotManager.fromConfig(circle)).toThrow(
      expect.objectContaining({ code: 'STORAGE_NOT_FOUND' }),
    );
  });

  test('the storage named "default" is the default, wherever it stands', () => {
    const settings = { 'depot.photos.url': 'memory:', 'depot.default.url': 'memory:' };
    expect(parsed(settings)).toMatchObject({ defaultName: 'default' });
  });

  test('without such a name nothing is said of a default', () => {
    expect(parsed({ 'depot.photos.url': 'memory:' })).toMatchObject({ defaultName: undefined });
  });

  test('unset and empty settings count as absent', () => {
    const settings = { 'depot.url': 'memory:', 'depot.default': '', 'depot.photos.url': undefined };
    expect(parsed(settings)).toEqual({
      storages: { default: [['url', 'memory:']] },
      aliases: {},
      defaultName: 'default',
    });
  });

  test('keys that URLs are signed with', () => {
    const settings = { 'depot.url': 'memory:', 'depot.private': 'true', 'depot.signing_keys': 'new, old ' };
    expect(parsed(settings)).toMatchObject({
      storages: {
        default: [
          ['url', 'memory:'],
          ['private', 'true'],
        ],
      },
      signingKeys: ['new', 'old'],
    });
  });

  test('another prefix, also one that a regular expression would read otherwise', () => {
    const settings = { 'a+b.url': 'memory:', 'aab.url': 'file:x', 'depot.url': 'file:y' };
    expect(parsed(settings, 'a+b.').storages).toEqual({ default: [['url', 'memory:']] });
  });

  test.each([
    [{}, /^No storage is configured: there is neither "depot.backend" nor "depot.url"/],
    [{ 'depot.default': 'photos' }, /^No storage is configured/],
    [{ 'depot.old.aliasOf': 'photos', 'depot.old.backend': 'local' }, /^"old" is an alias/],
  ])('%j fails', (settings, message) => {
    expect(() => parsed(settings)).toThrow(expect.objectContaining({ code: 'INVALID_OPTION' }));
    expect(() => parsed(settings)).toThrow(message);
  });
});

describe('environment variables', () => {
  test('that are missing are named as they are written', () => {
    expect(() => parsed({}, 'DEPOT_')).toThrow('neither "DEPOT_BACKEND" nor "DEPOT_URL"');
  });

  test('of one storage', () => {
    const storages = {
      default: [
        ['backend', 'local'],
        ['storagePath', '/files'],
      ],
    };
    expect(parsed({ DEPOT_BACKEND: 'local', DEPOT_STORAGE_PATH: '/files' }, 'DEPOT_')).toMatchObject({
      storages,
    });
  });

  test('of several: options are told from names because they are known', () => {
    const settings = {
      DEPOT_USER_PHOTOS_STORAGE_PATH: '/photos',
      DEPOT_USER_PHOTOS_BACKEND: 'local',
      DEPOT_DEFAULT_URL: 'memory:',
      DEPOT_OLD_PHOTOS_ALIAS_OF: 'user_photos',
      DEPOT_DEFAULT: 'user_photos',
    };
    expect(parsed(settings, 'DEPOT_')).toEqual({
      storages: {
        user_photos: [
          ['storagePath', '/photos'],
          ['backend', 'local'],
        ],
        default: [['url', 'memory:']],
      },
      aliases: { old_photos: 'user_photos' },
      defaultName: 'user_photos',
    });
  });

  test('keys, and what is private', () => {
    const settings = { DEPOT_PHOTOS_URL: 'memory:', DEPOT_PHOTOS_PRIVATE: 'true', DEPOT_SIGNING_KEYS: 'key' };
    expect(parsed(settings, 'DEPOT_')).toMatchObject({
      storages: {
        photos: [
          ['url', 'memory:'],
          ['private', 'true'],
        ],
      },
      signingKeys: ['key'],
    });
  });

  test.each(['DEPOT_BUCKEND', 'DEPOT_PHOTOS_DEFAULT', 'DEPOT_PHOTOS_SIGNING_KEYS', 'DEPOT_', 'DEPOT_PHOTOS'])(
    '%s is no option',
    (key) => {
      expect(() => parsed({ DEPOT_URL: 'memory:', [key]: 'x' }, 'DEPOT_')).toThrow(
        expect.objectContaining({ code: 'INVALID_OPTION', message: expect.stringContaining(key) }),
      );
    },
  );
});
