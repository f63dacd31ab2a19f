import { randomBytes } from 'node:crypto';
import { mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { describe, expect, test } from '@jest/globals';
import { attach } from '../../lib/attachments/attachment.js';
import { Attachments } from '../../lib/attachments/attachments.js';
import { attachmentField } from '../../lib/attachments/field.js';
import { MemoryJournal, type MemoryTransaction } from '../../lib/attachments/journal/memory-journal.js';
import type { FileStorage } from '../../lib/contract/storage.js';
import { DepotManager } from '../../lib/depot/manager.js';
import { LocalStorage } from '../../lib/storages/local.js';
import { removeFolder } from '../support/folders.js';
import { openGridFS, startMongoDatabase } from '../support/gridfs.js';
import { TestBucket } from '../support/s3.js';
import { describeWith, startS3Server } from '../support/servers/index.js';

/** Larger than what a storage holds back in memory, and than a part of an upload. */
const LARGE = 12 * 1024 * 1024;

const field = attachmentField({
  filters: [
    { apply: async ({ source, addFile }) => void (await addFile('head', source.open({ start: 0, end: 9 }))) },
  ],
});

async function follow(storage: FileStorage): Promise<void> {
  const depot = new DepotManager();
  depot.configure('default', storage);
  const journal = new MemoryJournal();
  const all = new Attachments<MemoryTransaction>({ depot, journal, isReferenced: async () => false });
  const files = async () => (await Readable.from(storage.list()).toArray()).sort();
  for (const content of [Buffer.from('a small one'), randomBytes(LARGE)]) {
    const deferred: (() => void)[] = [];
    const unit = all.begin({ defer: (act) => void deferred.push(act) });
    const stored = await unit.store(field, attach(Readable.from([content]), { filename: 'a.bin' }));
    for (const act of deferred) act();
    await unit.settle('committed');
    expect(await files()).toEqual([stored?.id, stored?.derivative('head')?.id].sort());
    expect(Buffer.compare((await stored?.buffer()) ?? Buffer.alloc(0), content)).toBe(0);
    const undone = all.begin({ defer: () => {} });
    await undone.store(field, stored);
    await undone.remove([stored]);
    await undone.settle('rolledBack');
    expect((await files()).length).toBe(2);
    const removal = all.begin();
    await removal.remove([stored]);
    await removal.settle('committed');
    expect(await files()).toEqual([]);
  }
  await all.close();
}

describe('attachments in a local storage', () => {
  test('are announced under the ids that they get', async () => {
    const storagePath = await mkdtemp(join(tmpdir(), 'filedepot-attachments-'));
    const storage = new LocalStorage({ storagePath });
    await follow(storage);
    await storage.close();
    await removeFolder(storagePath);
  });
});

await describeWith('attachments in S3', [startS3Server], (server) => {
  test('are announced under the ids that they get', async () => {
    const bucket = new TestBucket(server);
    const options = bucket.options();
    const storage = bucket.open(options);
    await follow(storage);
    expect(await bucket.leftovers(options.prefix ?? '')).toEqual([]);
    await storage.close();
    bucket.client.destroy();
  });
});

await describeWith('attachments in GridFS', [startMongoDatabase], ({ db }) => {
  test('are announced under the ids that they get', async () => {
    const { storage, leftovers, cleanup } = openGridFS(db);
    await follow(storage);
    expect(await leftovers?.()).toEqual([]);
    await cleanup?.();
  });
});
