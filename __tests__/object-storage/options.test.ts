import { describe, expect, test } from '@jest/globals';
import {
  checkSettings,
  OBJECT_STORAGE_DEFAULTS,
  type ObjectStorageOptions,
  withDefaults,
} from '../../lib/object-storage/options.js';

function check(options: Partial<Record<keyof ObjectStorageOptions, unknown>>): void {
  const given = { bucket: 'b', ...options } as ObjectStorageOptions;
  checkSettings(withDefaults(given, OBJECT_STORAGE_DEFAULTS));
}

describe('options of a bucket', () => {
  test('have defaults, also for what is undefined', () => {
    const options: ObjectStorageOptions = { bucket: 'b', maxAttempts: undefined, prefix: 'p/' };
    const settings = withDefaults(options, OBJECT_STORAGE_DEFAULTS);
    expect(settings).toEqual({ ...OBJECT_STORAGE_DEFAULTS, bucket: 'b', prefix: 'p/' });
  });

  test.each([
    {},
    { prefix: 'ž'.repeat(448) },
    { prefix: 'a//.b/..c/d./e..' },
    { publicUrl: 'https://cdn.example/files/' },
    { idleTimeout: 1 },
  ])('may be %j', (options) => {
    expect(() => check(options)).not.toThrow();
  });

  test.each([
    { bucket: '' },
    { prefix: '/a' },
    { prefix: 'a\nb' },
    { prefix: 'a\rb' },
    { prefix: 'a\0b' },
    { prefix: 'ž'.repeat(449) },
    { prefix: './a/' },
    { prefix: '../' },
    { prefix: 'a/../b/' },
    { policy: 'public' },
    { serve: 'never' },
    { publicUrl: 'ftp://cdn.example' },
    { publicUrl: 'cdn.example' },
    { maxAttempts: 0 },
    { connectTimeout: 1.5 },
    { idleTimeout: Number.POSITIVE_INFINITY },
  ])('cannot be %j', (options) => {
    const [name = ''] = Object.keys(options);
    expect(() => check(options)).toThrow(
      expect.objectContaining({ code: 'INVALID_OPTION', message: expect.stringContaining(name) }),
    );
  });
});
