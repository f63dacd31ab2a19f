import { type ChildProcess, spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { mkdtemp, readdir } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { Readable } from 'node:stream';
import { setTimeout as delay } from 'node:timers/promises';
import { Worker } from 'node:worker_threads';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { LocalStorage } from '../../lib/storages/local.js';
import { removeFolder } from '../support/folders.js';

const ROUNDS = 20;
const WRITES_PER_ROUND = 10;
const children = join(import.meta.dirname, '../support/children');

let storagePath: string;

beforeEach(async () => {
  storagePath = await mkdtemp(join(tmpdir(), 'filedepot-crash-'));
});

afterEach(async () => {
  await removeFolder(storagePath);
});

interface Line {
  readonly event: 'begun' | 'kept';
  readonly act: 'create' | 'replace';
  readonly id?: string;
  readonly sha256: string;
}

/** What each file may contain: what was promised last, or what was under way after that. */
type Allowed = Map<string, Set<string>>;

function note(allowed: Allowed, { event, act, id, sha256 }: Line): void {
  if (event === 'kept' && id) allowed.set(id, new Set([sha256]));
  if (event === 'begun' && act === 'replace' && id) allowed.get(id)?.add(sha256);
}

/** Lets a process write, and kills it at a random moment after some writes were acknowledged. */
async function writeAndKill(allowed: Allowed, durability: string): Promise<number> {
  const child = spawn(process.execPath, [join(children, 'write-until-killed.js'), storagePath, durability], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const exited = once(child, 'exit');
  let kept = 0;
  for await (const line of createInterface({ input: child.stdout as NonNullable<ChildProcess['stdout']> })) {
    const parsed: Line = JSON.parse(line);
    note(allowed, parsed);
    if (parsed.event === 'kept' && ++kept === WRITES_PER_ROUND)
      delay(Math.random() * 20).then(() => child.kill('SIGKILL'));
  }
  await exited;
  return kept;
}

async function contentHash(storage: LocalStorage, id: string): Promise<{ hash: string; claimed: unknown[] }> {
  const { file, stream, close } = await storage.open(id);
  const hash = createHash('sha256');
  for await (const chunk of stream()) hash.update(chunk);
  await close();
  return {
    hash: hash.digest('hex'),
    claimed: [file.sha256, file.metadata.sha256, file.filename.replace('.bin', '')],
  };
}

async function staged(): Promise<string[]> {
  const owners = await readdir(join(storagePath, '.staging'));
  const names = await Promise.all(owners.map((owner) => readdir(join(storagePath, '.staging', owner))));
  return names.flat();
}

test.each(['rename', 'fsync'] as const)(
  'kill -9 at random moments loses nothing that was acknowledged and leaves nothing behind (%s)',
  async (durability) => {
    const allowed: Allowed = new Map();
    let kept = 0;
    for (let round = 0; round < ROUNDS; round++) kept += await writeAndKill(allowed, durability);
    expect(kept).toBeGreaterThanOrEqual(ROUNDS * WRITES_PER_ROUND);

    const storage = new LocalStorage({ storagePath });
    await storage.check();
    expect(await staged()).toEqual([]);
    const listed = await Readable.from(storage.list()).toArray();
    for (const id of listed) {
      const { hash, claimed } = await contentHash(storage, id);
      expect(claimed).toEqual([hash, hash, hash]);
      const contents = allowed.get(id);
      if (contents) expect(contents).toContain(hash);
      expect((await readdir(join(storagePath, id))).sort()).toEqual(
        expect.arrayContaining(['details.json', 'file', 'metadata.json']),
      );
    }
    expect(listed).toEqual(expect.arrayContaining([...allowed.keys()]));
    const folders = await Promise.all(listed.map((id) => readdir(join(storagePath, id))));
    expect(folders.filter((names) => names.length !== 3)).toEqual([]);
  },
  120_000,
);

test('readers see all old or all new while 4 processes replace one file 1,000 times', async () => {
  const storage = new LocalStorage({ storagePath, durability: 'rename' });
  const id = await storage.create('first;', { filename: 'first.txt', metadata: { name: 'first' } });
  const writers = Array.from({ length: 4 }, () =>
    spawn(process.execPath, [join(children, 'replace-often.js'), storagePath, id, '250'], {
      stdio: 'inherit',
    }),
  );
  const exits = Promise.all(writers.map((writer) => once(writer, 'exit')));
  let running = true;
  exits.finally(() => {
    running = false;
  });

  const names = new Set<unknown>();
  const read = async (reader: LocalStorage) => {
    while (running) {
      const { file, stream, close } = await reader.open(id);
      const content = Buffer.concat(await stream().toArray());
      await close();
      const { name } = file.metadata;
      names.add(name);
      expect(file.filename).toBe(`${name}.txt`);
      expect(content.toString('latin1')).toMatch(new RegExp(`^${name};`));
      expect(createHash('sha256').update(content).digest('hex')).toBe(file.sha256);
    }
  };
  await Promise.all([
    read(storage),
    read(storage),
    read(new LocalStorage({ storagePath })),
    read(new LocalStorage({ storagePath })),
  ]);

  expect((await exits).map(([code]) => code)).toEqual([0, 0, 0, 0]);
  expect(names.size).toBeGreaterThan(10);
  expect((await readdir(join(storagePath, id))).sort()).toEqual(['details.json', 'file', 'metadata.json']);
  expect(await staged()).toEqual([]);
}, 120_000);

test('a worker that is terminated in the middle of a replacement leaves no lock', async () => {
  const storage = new LocalStorage({ storagePath });
  const id = await storage.create('first');
  const worker = new Worker(join(children, 'stop-in-replacement.js'), { workerData: { storagePath, id } });
  await once(worker, 'message');
  expect(await readdir(join(storagePath, id))).toContain('.replacing');
  await worker.terminate();
  await storage.replace(id, 'second');
  await expect((await storage.get(id)).text()).resolves.toBe('second');
  expect((await readdir(join(storagePath, id))).sort()).toEqual(['details.json', 'file', 'metadata.json']);
});
