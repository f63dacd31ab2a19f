import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeEach, expect, test } from '@jest/globals';
import type { LocalStorage as Storage } from '../../lib/storages/local.js';
import { removeFolder } from '../support/folders.js';

type Call = (path: string, ...rest: unknown[]) => unknown;

/** What happens when a call for a path that ends so has been done, before its caller hears of it. */
let interruption: { call: 'open' | 'stat'; path: string; act: () => void } | undefined;

/** The storage takes its calls from `node:fs` when it is loaded, so they are wrapped before that. */
const fs: typeof import('node:fs') = createRequire(import.meta.url)('node:fs');
const real = { open: fs.open, stat: fs.stat };
for (const call of ['open', 'stat'] as const) {
  const original = real[call] as unknown as Call;
  Object.assign(fs, {
    [call]: (path: string, ...rest: unknown[]) => {
      const callback = rest.pop() as Call;
      original(path, ...rest, (...outcome: Parameters<Call>) => {
        if (interruption?.call === call && path.endsWith(interruption.path)) {
          const { act } = interruption;
          interruption = undefined;
          act();
        }
        callback(...outcome);
      });
    },
  });
}
const { LocalStorage } = await import('../../lib/storages/local.js');

let storagePath: string;
let storage: Storage;
let id: string;

const folder = () => join(storagePath, id);
const aside = () => join(storagePath, '.aside');
const putAside = () => fs.renameSync(folder(), aside());
const putBack = () => fs.renameSync(aside(), folder());

beforeEach(async () => {
  storagePath = fs.mkdtempSync(join(tmpdir(), 'filedepot-races-'));
  storage = new LocalStorage({ storagePath });
  id = await storage.create('content', { metadata: { secret: true } });
});

afterEach(async () => {
  interruption = undefined;
  await removeFolder(storagePath);
});

afterAll(() => {
  Object.assign(fs, real);
});

const ways: Record<string, () => Promise<{ sha256?: string | undefined; metadata: unknown }>> = {
  get: () => storage.get(id),
  open: async () => {
    const { file, close } = await storage.open(id);
    await close();
    return file;
  },
};

test.each(Object.keys(ways))('a file that comes while %s looks for it has all its details', async (way) => {
  putAside();
  interruption = { call: 'open', path: `${id}/details.json`, act: putBack };
  for (let times = 0; times < 2; times++) {
    const file = await ways[way]?.();
    expect(file).toMatchObject({ sha256: expect.any(String), metadata: { secret: true } });
  }
  expect(interruption).toBeUndefined();
});

test('a file that comes and goes while it is looked for is not there', async () => {
  putAside();
  const goAgain = () => {
    interruption = { call: 'stat', path: `${id}/file`, act: putAside };
  };
  interruption = {
    call: 'open',
    path: `${id}/details.json`,
    act: () => {
      putBack();
      goAgain();
    },
  };
  await expect(storage.get(id)).rejects.toMatchObject({ code: 'FILE_NOT_FOUND' });
  expect(interruption).toBeUndefined();
});
