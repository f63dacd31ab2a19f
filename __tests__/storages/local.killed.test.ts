import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { basename, dirname, join } from 'node:path';
import { Readable } from 'node:stream';
import { afterAll, afterEach, beforeEach, expect, test } from '@jest/globals';
import type { LocalStorage as Storage } from '../../lib/storages/local.js';
import { removeFolder } from '../support/folders.js';

/** Calls that change something on the disk; `rm` makes them too. */
const CALLS = ['mkdir', 'open', 'write', 'writev', 'fsync', 'rename', 'unlink', 'rmdir'];
const SYNC_CALLS = [...CALLS, 'writeFile'].map((name) => `${name}Sync`);

type Call = (...args: unknown[]) => unknown;

/** How many calls are done before the process is as good as killed: from then on, nothing that it does has an effect. */
let callsLeft = Number.POSITIVE_INFINITY;
let callsUnderWay = 0;

/** The storage takes its calls from `node:fs` when it is loaded, so they are wrapped before that. */
const fs: typeof import('node:fs') = createRequire(import.meta.url)('node:fs');
const calls = fs as unknown as Record<string, Call>;
const real = Object.fromEntries([...CALLS, ...SYNC_CALLS].map((name) => [name, calls[name] as Call]));
for (const name of CALLS) {
  calls[name] = (...args) => {
    if (--callsLeft < 0) return;
    const callback = args.pop() as Call;
    callsUnderWay++;
    real[name]?.(...args, (...outcome: unknown[]) => {
      callsUnderWay--;
      callback(...outcome);
    });
  };
}
for (const name of SYNC_CALLS) {
  calls[name] = (...args) => {
    if (--callsLeft < 0) throw new Error('killed');
    return real[name]?.(...args);
  };
}
const { LocalStorage } = await import('../../lib/storages/local.js');
const { ownerName } = await import('../../lib/internal/owner.js');
// Else it would be loaded in the middle of the first act, by the same calls.
await import('file-type');

/** An owner whose process is no more. */
const DEAD_OWNER = ownerName().replace(/\.\d+\./, '.4194304.');

let folder: string;

beforeEach(() => {
  folder = fs.mkdtempSync(join(tmpdir(), 'filedepot-killed-'));
});

afterEach(async () => {
  callsLeft = Number.POSITIVE_INFINITY;
  await removeFolder(folder);
});

afterAll(() => {
  Object.assign(fs, real);
});

/** Lets an act begin, and ends all that its process does after so many calls; tells whether it came to its end before. */
async function killAfter(count: number, act: () => Promise<unknown>): Promise<boolean> {
  let isDone = false;
  callsLeft = count;
  act().then(
    () => {
      isDone = true;
    },
    () => {},
  );
  while (!isDone && (callsLeft >= 0 || callsUnderWay > 0)) await new Promise(setImmediate);
  callsLeft = Number.POSITIVE_INFINITY;
  return isDone;
}

/** What is on the disk, as a process finds it that starts after the one that was killed. */
async function restarted(storagePath: string): Promise<Storage> {
  const copy = `${storagePath}-after`;
  fs.cpSync(storagePath, copy, { recursive: true });
  const names = fs.readdirSync(copy, { recursive: true, encoding: 'utf8' });
  const deepestFirst = names.sort((one, other) => other.length - one.length);
  for (const name of deepestFirst.filter((each) => basename(each).startsWith(ownerName()))) {
    const deadName = basename(name).replace(ownerName(), DEAD_OWNER);
    fs.renameSync(join(copy, name), join(copy, dirname(name), deadName));
  }
  const storage = new LocalStorage({ storagePath: copy });
  await storage.check();
  return storage;
}

async function expectTidy(storage: Storage): Promise<string[]> {
  const ids = await Readable.from(storage.list()).toArray();
  for (const id of ids) {
    const names = fs.readdirSync(join(storage.storagePath, id)).sort();
    expect(names).toEqual(['details.json', 'file', 'metadata.json']);
  }
  const staging = join(storage.storagePath, '.staging');
  const owners = fs.readdirSync(staging);
  expect(owners.flatMap((owner) => fs.readdirSync(join(staging, owner)))).toEqual([]);
  return ids;
}

const DURABILITIES = ['fsync', 'rename'] as const;

test.each(DURABILITIES)(
  'killed before any call of a create: the file is whole or not there (%s)',
  async (durability) => {
    let outcomes = '';
    for (let count = 0, isDone = false; !isDone; count++) {
      const storagePath = join(folder, String(count));
      const storage = new LocalStorage({ storagePath, durability });
      await storage.check();
      isDone = await killAfter(count, () => storage.create('content', { metadata: { a: 1 } }));
      const after = await restarted(storagePath);
      const [id, ...others] = await expectTidy(after);
      expect(others).toEqual([]);
      outcomes += id ? '+' : '-';
      if (!id) continue;
      const file = await after.get(id);
      expect([await file.text(), file.metadata]).toEqual(['content', { a: 1 }]);
    }
    expect(outcomes).toMatch(/^-{5,}\++$/);
  },
);

test.each(DURABILITIES)(
  'killed before any call of a replace: the old file or the new one (%s)',
  async (durability) => {
    let outcomes = '';
    for (let count = 0, isDone = false; !isDone; count++) {
      const storagePath = join(folder, String(count));
      const storage = new LocalStorage({ storagePath, durability });
      const id = await storage.create('old', { metadata: { is: 'old' } });
      isDone = await killAfter(count, () => storage.replace(id, 'new', { metadata: { is: 'new' } }));
      const after = await restarted(storagePath);
      expect(await expectTidy(after)).toEqual([id]);
      const file = await after.get(id);
      const text = await file.text();
      expect(file.metadata.is).toBe(text);
      outcomes += text === 'new' ? '+' : '-';
      await after.replace(id, 'next');
      expect(await (await after.get(id)).text()).toBe('next');
    }
    expect(outcomes).toMatch(/^-{10,}\+{3,}$/);
  },
);

test.each(DURABILITIES)(
  'killed before any call of a delete: the file is whole or gone (%s)',
  async (durability) => {
    let outcomes = '';
    for (let count = 0, isDone = false; !isDone; count++) {
      const storagePath = join(folder, String(count));
      const storage = new LocalStorage({ storagePath, durability });
      const id = await storage.create('content');
      isDone = await killAfter(count, () => storage.delete(id));
      const after = await restarted(storagePath);
      const ids = await expectTidy(after);
      if (ids.length > 0) expect(await (await after.get(id)).text()).toBe('content');
      outcomes += ids.length > 0 ? '+' : '-';
    }
    expect(outcomes).toMatch(/^\++-+$/);
  },
);
