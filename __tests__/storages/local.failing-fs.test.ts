import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { afterAll, afterEach, beforeEach, expect, test } from '@jest/globals';
import type { LocalStorage as Storage } from '../../lib/storages/local.js';
import { removeFolder } from '../support/folders.js';

type Call = 'fsync' | 'rename' | 'mkdir' | 'open' | 'write' | 'close';
type Callback = (error: Error) => void;

/** Which call fails, the how manieth of it, and with what. */
let fault: { call: Call; countdown: number; code: string } | undefined;

/** The storage takes its calls from `node:fs` when it is loaded, so they are wrapped before that. */
const fs: typeof import('node:fs') = createRequire(import.meta.url)('node:fs');
const { fsync, rename, mkdir, open, write, close } = fs;
const real = { fsync, rename, mkdir, open, write, close };
for (const call of ['fsync', 'rename', 'mkdir', 'open', 'write', 'close'] as const) {
  const original = fs[call] as (...args: unknown[]) => void;
  Object.assign(fs, {
    [call]: (...args: unknown[]) => {
      if (fault?.call !== call || fault.countdown-- !== 0) return original(...args);
      const error = Object.assign(new Error(`${fault.code}: it fails`), { code: fault.code, syscall: call });
      const callback = args.at(-1) as Callback;
      // A descriptor is gone even where closing it fails (close(2)).
      if (call === 'close') return original(args[0], () => callback(error));
      setImmediate(callback, error);
    },
  });
}
const { LocalStorage } = await import('../../lib/storages/local.js');

let storagePath: string;

beforeEach(() => {
  storagePath = fs.mkdtempSync(join(tmpdir(), 'filedepot-failing-'));
});

afterEach(async () => {
  fault = undefined;
  await removeFolder(storagePath);
});

afterAll(() => {
  Object.assign(fs, real);
});

function inStaging(): string[] {
  const staging = join(storagePath, '.staging');
  return fs.readdirSync(staging).flatMap((owner) => fs.readdirSync(join(staging, owner)));
}

const openDescriptors = () => fs.readdirSync('/proc/self/fd').length;

async function listed(storage: Storage): Promise<string[]> {
  return Readable.from(storage.list()).toArray();
}

test.each([
  ['EIO', 'STORAGE_FAILED'],
  ['EXDEV', 'STORAGE_FAILED'],
  ['ENOSPC', 'STORAGE_FULL'],
])('%s at any call of a create: it is not acknowledged, and nothing is left', async (code, expected) => {
  const storage = new LocalStorage({ storagePath });
  await storage.check();
  const before = openDescriptors();
  let failures = 0;
  const acknowledged: string[] = [];
  for (const call of ['mkdir', 'open', 'write', 'fsync', 'close', 'rename'] as const) {
    for (let countdown = 0; countdown < 10; countdown++) {
      fault = { call, countdown, code };
      const created = await storage.create('content').catch((error: unknown) => error);
      const failed = fault.countdown < 0;
      fault = undefined;
      if (typeof created === 'string') acknowledged.push(created);
      if (!failed) break;
      failures++;
      expect(created).toMatchObject({ code: expected, cause: { code } });
    }
  }
  expect(failures).toBeGreaterThan(12);
  const kept = await listed(storage);
  expect(kept).toEqual(acknowledged.sort());
  expect(kept).toHaveLength(6);
  for (const id of kept) await expect((await storage.get(id)).text()).resolves.toBe('content');
  expect(inStaging()).toEqual([]);
  expect(openDescriptors()).toBe(before);
});

test('a fault at any call of a replace: old or new, never a mix, and the next replace works', async () => {
  const storage = new LocalStorage({ storagePath });
  const id = await storage.create('version 0', { metadata: { version: 0 } });
  let version = 0;
  for (const call of ['mkdir', 'open', 'write', 'fsync', 'close', 'rename'] as const) {
    for (let countdown = 0; countdown < 60; countdown++) {
      fault = { call, countdown, code: 'EIO' };
      version++;
      const replaced = await storage
        .replace(id, `version ${version}`, { metadata: { version } })
        .catch((error: unknown) => error);
      const failed = fault.countdown < 0;
      fault = undefined;
      if (failed && replaced !== id) expect(replaced).toMatchObject({ code: 'STORAGE_FAILED' });
      const file = await new LocalStorage({ storagePath }).get(id);
      await expect(file.text()).resolves.toBe(`version ${file.metadata.version}`);
      if (!failed) break;
    }
    expect((await storage.stat(id)).metadata).toEqual({ version });
  }
  expect(fs.readdirSync(join(storagePath, id)).sort()).toEqual(['details.json', 'file', 'metadata.json']);
  expect(inStaging()).toEqual([]);
});
