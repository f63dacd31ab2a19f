import { describe, expect, jest, test } from '@jest/globals';
import { OptionalPeer } from '../../lib/internal/peer.js';

const ABSENT = 'a-package-that-nobody-has-written';

describe('an optional peer', () => {
  test('is loaded once, whoever asks', async () => {
    const importModule = jest.fn(async () => ({ name: 'sharp' }));
    const peer = new OptionalPeer('sharp', importModule);
    const [first, second] = await Promise.all([peer.load(), peer.load()]);
    expect(first).toBe(second);
    expect(importModule).toHaveBeenCalledTimes(1);
  });

  test('is not loaded before somebody asks', () => {
    const importModule = jest.fn(async () => ({}));
    new OptionalPeer('sharp', importModule);
    expect(importModule).not.toHaveBeenCalled();
  });

  test('can be provided in place of the installed one', async () => {
    const peer = new OptionalPeer<{ name: string }>('sharp', () =>
      Promise.reject(new Error('not asked for')),
    );
    const provided = { name: 'provided' };
    peer.provide(provided);
    expect(await peer.load()).toBe(provided);
  });

  test('that is missing is named, with the command that installs it', async () => {
    const peer = new OptionalPeer(ABSENT, () => import(ABSENT));
    await expect(peer.load()).rejects.toMatchObject({
      code: 'MISSING_PACKAGE',
      message: `Package "${ABSENT}" is not installed: npm install ${ABSENT}`,
      cause: expect.anything(),
    });
  });

  test('that is there but does not load is not called missing', async () => {
    const broken = new Error(`Cannot find module '${ABSENT}' imported from sharp`);
    const peer = new OptionalPeer('sharp', () =>
      Promise.reject(Object.assign(broken, { code: 'ERR_MODULE_NOT_FOUND' })),
    );
    await expect(peer.load()).rejects.toMatchObject({
      code: 'MISSING_PACKAGE',
      message: expect.stringContaining('"sharp" is installed, but does not load'),
      cause: broken,
    });
  });
});
