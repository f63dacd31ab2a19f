import { once } from 'node:events';
import { mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from '@jest/globals';
import type { FileStorage } from '../../lib/contract/storage.js';
import { LocalStorage } from '../../lib/storages/local.js';
import { MemoryStorage } from '../../lib/storages/memory.js';
import { type Fault, type FaultPoint, faultyStorage } from '../../lib/testing/index.js';
import { removeFolder } from '../support/folders.js';
import { runConformance } from '../support/run-conformance.js';

const content = Buffer.from('0123456789'.repeat(200_000));
const reason = new Error('waited long enough');

const folder = await mkdtemp(join(tmpdir(), 'filedepot-faulty-'));
afterAll(() => removeFolder(folder));
const local = new LocalStorage({ storagePath: folder, durability: 'rename' });

/** A storage with one file in it, and with faults. */
async function faulty(faults: readonly Fault[], within: FileStorage = new MemoryStorage()) {
  const id = await within.create(content, { filename: 'digits.txt' });
  return { id, within, storage: faultyStorage(within, faults) };
}

async function readAll(stream: AsyncIterable<Buffer>) {
  const chunks: Buffer[] = [];
  try {
    for await (const chunk of stream) chunks.push(chunk);
    return { bytes: Buffer.concat(chunks), error: undefined };
  } catch (error) {
    return { bytes: Buffer.concat(chunks), error };
  }
}

async function idsOf(storage: FileStorage): Promise<string[]> {
  const ids: string[] = [];
  for await (const id of storage.list()) ids.push(id);
  return ids;
}

runConformance('A storage in which nothing goes wrong', {
  openStorage: async () => ({ storage: faultyStorage(new MemoryStorage(), []) }),
});

runConformance('A storage in which everything takes a moment', {
  openStorage: async () => ({
    storage: faultyStorage(local, [
      { on: 'stage', delay: 1 },
      { on: 'commit', delay: 1 },
      { on: 'replace', delay: 1 },
      { on: 'stat', delay: 0 },
      { on: 'stream', atByte: 5, delay: 0 },
    ]),
  }),
});

describe('a failure', () => {
  /** An act for each point that comes by it. */
  const ACTS: Record<FaultPoint, (storage: FileStorage, id: string) => Promise<unknown>> = {
    stage: (storage) => storage.stage('new'),
    commit: (storage) => storage.create('new'),
    replace: (storage, id) => storage.replace(id, 'new'),
    stat: (storage, id) => storage.stat(id),
    stream: async (storage, id) => (await storage.get(id)).buffer(),
    open: (storage, id) => storage.open(id),
    delete: (storage, id) => storage.delete(id),
    list: (storage) => idsOf(storage),
    url: (storage, id) => storage.url(id),
    check: (storage) => storage.check(),
  };

  test.each(Object.entries(ACTS))('in %s', async (on, act) => {
    const { storage, within, id } = await faulty([{ on: on as FaultPoint, fail: 'STORAGE_FAILED' }]);
    await expect(act(storage, id)).rejects.toMatchObject({ name: 'DepotError', code: 'STORAGE_FAILED' });
    expect(await idsOf(within)).toEqual([id]);
    expect((await within.get(id)).size).toBe(content.byteLength);
  });

  test.each(Object.entries(ACTS))('elsewhere than in %s is not met', async (on, act) => {
    const others = (Object.keys(ACTS) as FaultPoint[]).filter((point) => point !== on);
    const needed = {
      commit: 'stage',
      replace: 'stage stat',
      stream: 'stat',
      url: 'url',
      open: 'open',
    } as Record<string, string>;
    const faults = others
      .filter((point) => !needed[on]?.includes(point))
      .map((point): Fault => ({ on: point, fail: 'STORAGE_FAILED' }));
    const { storage, id } = await faulty(faults);
    await act(storage, id);
  });

  test('can be an error of any kind', async () => {
    const error = Object.assign(new Error('EIO'), { code: 'EIO' });
    const { storage } = await faulty([{ on: 'check', fail: error }]);
    await expect(storage.check()).rejects.toBe(error);
  });

  test('of one call only', async () => {
    const { storage } = await faulty([{ on: 'commit', call: 2, fail: 'STORAGE_FULL' }]);
    await storage.create('first');
    await expect(storage.create('second')).rejects.toMatchObject({ code: 'STORAGE_FULL' });
    await storage.create('third');
    expect(await idsOf(storage)).toHaveLength(3);
  });

  test('at a byte of what is staged leaves nothing', async () => {
    const { storage, within, id } = await faulty(
      [{ on: 'stage', atByte: 1_500_000, fail: 'STORAGE_FULL' }],
      local,
    );
    const before = await idsOf(within);
    await storage.create(content.subarray(0, 1_499_999));
    await expect(storage.create(content)).rejects.toMatchObject({ code: 'STORAGE_FULL' });
    await expect(storage.replace(id, content)).rejects.toMatchObject({ code: 'STORAGE_FULL' });
    expect(await idsOf(within)).toHaveLength(before.length + 1);
  });

  test('in staging strikes empty content too', async () => {
    const { storage } = await faulty([{ on: 'stage', fail: 'STORAGE_FULL' }]);
    await expect(storage.create('')).rejects.toMatchObject({ code: 'STORAGE_FULL' });
  });

  test.each([0, 1, 777, 65_536, content.byteLength])('at byte %d of a stream', async (atByte) => {
    for (const within of [new MemoryStorage(), local]) {
      const { storage, id } = await faulty([{ on: 'stream', atByte, fail: 'STORAGE_FAILED' }], within);
      const opened = await storage.open(id);
      for (const stream of [(await storage.get(id)).stream(), opened.stream(), opened.file.stream()]) {
        const { bytes, error } = await readAll(stream);
        expect(bytes.equals(content.subarray(0, atByte))).toBe(true);
        expect(error).toMatchObject({ code: 'STORAGE_FAILED' });
      }
      await opened.close();
    }
  });

  test('at a byte of a part is counted from its start', async () => {
    const { storage, id } = await faulty([{ on: 'stream', atByte: 10, fail: 'STORAGE_FAILED' }]);
    const file = await storage.get(id);
    expect((await readAll(file.stream({ start: 105, end: 199 }))).bytes.toString()).toBe('5678901234');
    expect((await readAll(file.stream({ start: 105, end: 108 }))).bytes.toString()).toBe('5678');
  });

  test('beyond the end of the content is none', async () => {
    const { storage, id } = await faulty([
      { on: 'stream', atByte: content.byteLength + 1, fail: 'STORAGE_FAILED' },
      { on: 'stage', atByte: 4, fail: 'STORAGE_FAILED' },
    ]);
    expect((await (await storage.get(id)).buffer()).equals(content)).toBe(true);
    await storage.create('new');
  });
});

describe('a delay', () => {
  test('is over before the rest goes on', async () => {
    const { storage, id } = await faulty([
      { on: 'stat', delay: 20 },
      { on: 'stream', atByte: 100, delay: 20 },
    ]);
    const start = performance.now();
    expect((await (await storage.get(id)).buffer()).equals(content)).toBe(true);
    expect(performance.now() - start).toBeGreaterThan(35);
  });

  test('can be followed by a failure', async () => {
    const { storage, id } = await faulty([
      { on: 'delete', delay: 5 },
      { on: 'delete', fail: 'STORAGE_UNAVAILABLE' },
    ]);
    await expect(storage.delete(id)).rejects.toMatchObject({ code: 'STORAGE_UNAVAILABLE' });
    expect(await storage.exists(id)).toBe(true);
  });
});

describe('what hangs', () => {
  const ACTS: [FaultPoint, (storage: FileStorage, id: string, signal: AbortSignal) => Promise<unknown>][] = [
    ['stage', (storage, _id, signal) => storage.create(content, { signal })],
    ['commit', (storage, _id, signal) => storage.create(content, { signal })],
    ['replace', (storage, id, signal) => storage.replace(id, content, { signal })],
    ['stat', (storage, id, signal) => storage.get(id, { signal })],
    ['open', (storage, id, signal) => storage.open(id, { signal })],
    [
      'list',
      async (storage, _id, signal) =>
        readAll(storage.list({ signal }) as never).then(({ error }) => Promise.reject(error)),
    ],
  ];

  test.each(ACTS)('in %s, ends with the reason of the signal', async (on, act) => {
    const { storage, within, id } = await faulty([{ on, hang: true }]);
    const controller = new AbortController();
    const acting = act(storage, id, controller.signal);
    setTimeout(() => controller.abort(reason), 20);
    await expect(acting).rejects.toBe(reason);
    expect(await idsOf(within)).toEqual([id]);
  });

  test('in a stream, ends when the signal is aborted', async () => {
    const { storage, id } = await faulty([{ on: 'stream', atByte: 777, hang: true }]);
    const controller = new AbortController();
    const stream = (await storage.get(id)).stream({ signal: controller.signal });
    setTimeout(() => controller.abort(reason), 20);
    const { bytes, error } = await readAll(stream);
    expect(bytes.byteLength).toBe(777);
    expect(error).toMatchObject({ name: 'AbortError' });
  });

  test('in a stream, ends when the stream is destroyed', async () => {
    const { storage, id } = await faulty([{ on: 'stream', atByte: 777, hang: true }], local);
    const stream = (await storage.get(id)).stream();
    await once(stream, 'data');
    stream.destroy();
    await once(stream, 'close');
  });
});
