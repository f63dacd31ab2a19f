import { mkdtemp, readdir, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, sep } from 'node:path';
import { afterAll } from '@jest/globals';
import { LocalStorage } from '../../lib/storages/local.js';
import { removeFolder } from '../support/folders.js';
import { runConformance } from '../support/run-conformance.js';

const folder = await mkdtemp(join(tmpdir(), 'filedepot-local-'));
const blocked = join(folder, 'blocked');
await writeFile(blocked, 'a file where a folder should be');
const storages = (['fsync', 'rename'] as const).map((durability) => ({
  durability,
  storage: new LocalStorage({ storagePath: join(folder, durability), durability }),
}));

afterAll(() => removeFolder(folder));

/** What is staged: `<owner>/<folder>` and below. */
async function stagedIn(storage: LocalStorage): Promise<string[]> {
  const names = await readdir(join(storage.storagePath, '.staging'), { recursive: true });
  return names.filter((name) => name.includes(sep));
}

for (const { durability, storage } of storages) {
  runConformance(`LocalStorage (${durability})`, {
    openStorage: async () => ({ storage, leftovers: () => stagedIn(storage) }),
    openUnavailable: async () => ({ storage: new LocalStorage({ storagePath: blocked, durability }) }),
  });
}
