import { execFileSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import * as fs from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { FOREIGN_OWNER_PATIENCE, isAbandoned, ownerName } from '../../lib/internal/owner.js';
import { replacementFolderName } from '../../lib/storages/local/layout.js';
import { LocalStorage } from '../../lib/storages/local.js';
import { openDescriptors } from '../support/descriptors.js';
import { removeFolder } from '../support/folders.js';

let storagePath: string;

beforeEach(() => {
  storagePath = fs.mkdtempSync(join(tmpdir(), 'filedepot-faults-'));
});

afterEach(async () => {
  await removeFolder(storagePath);
});

/** An owner whose process is no more. */
const DEAD_OWNER = ownerName().replace(/\.\d+\./, '.4194304.');

function inStaging(): string[] {
  const staging = join(storagePath, '.staging');
  return fs.readdirSync(staging).flatMap((owner) => fs.readdirSync(join(staging, owner)));
}

function ids(storage: LocalStorage): Promise<string[]> {
  return Readable.from(storage.list()).toArray();
}

describe('a folder that cannot be used', () => {
  test('a file in its place is named by the error', async () => {
    const path = join(storagePath, 'taken');
    fs.writeFileSync(path, '');
    const storage = new LocalStorage({ storagePath: path });
    await expect(storage.check()).rejects.toMatchObject({
      code: 'STORAGE_UNAVAILABLE',
      status: 503,
      message: expect.stringContaining(path),
    });
    await expect(storage.create('x')).rejects.toMatchObject({ code: 'STORAGE_UNAVAILABLE' });
  });

  test('a place where nobody may write is named by the error', async () => {
    const storage = new LocalStorage({ storagePath: '/proc/filedepot' });
    await expect(storage.check()).rejects.toMatchObject({
      code: 'STORAGE_UNAVAILABLE',
      message: expect.stringContaining('/proc/filedepot'),
    });
  });

  test('a folder that goes away is not made anew, and works again when it is back', async () => {
    const storage = new LocalStorage({ storagePath });
    await storage.check();
    const away = `${storagePath}-away`;
    fs.renameSync(storagePath, away);
    await expect(storage.check()).rejects.toMatchObject({ code: 'STORAGE_UNAVAILABLE' });
    await expect(storage.create('x')).rejects.toMatchObject({
      code: 'STORAGE_UNAVAILABLE',
      message: expect.stringContaining(storagePath),
    });
    expect(fs.existsSync(storagePath)).toBe(false);
    fs.renameSync(away, storagePath);
    const id = await storage.create('back');
    await expect((await storage.get(id)).text()).resolves.toBe('back');
  });

  test('a folder that goes away takes no file for deleted', async () => {
    const storage = new LocalStorage({ storagePath });
    const file = await storage.get(await storage.create('content'));
    const away = `${storagePath}-away`;
    fs.renameSync(storagePath, away);
    const acts: Record<string, () => Promise<unknown>> = {
      get: () => storage.get(file.id),
      exists: () => storage.exists(file.id),
      open: () => storage.open(file.id),
      url: () => storage.url(file.id),
      replace: () => storage.replace(file.id, 'new'),
      delete: () => storage.delete(file.id),
      text: () => file.text(),
      list: () => ids(storage),
    };
    try {
      for (const [name, act] of Object.entries(acts)) {
        const error = await act().catch((reason: unknown) => reason);
        expect([name, error]).toEqual([name, expect.objectContaining({ code: 'STORAGE_UNAVAILABLE' })]);
      }
    } finally {
      fs.renameSync(away, storagePath);
    }
    await expect(file.text()).resolves.toBe('content');
  });

  test('a folder that is still to be made has no files', async () => {
    const storage = new LocalStorage({ storagePath: join(storagePath, 'new', 'files') });
    await expect(storage.get('some-file')).rejects.toMatchObject({ code: 'FILE_NOT_FOUND' });
  });

  test('a folder that appears later is used without a restart', async () => {
    const path = join(storagePath, 'blocked', 'files');
    fs.writeFileSync(join(storagePath, 'blocked'), '');
    const storage = new LocalStorage({ storagePath: path });
    await expect(storage.create('x')).rejects.toMatchObject({ code: 'STORAGE_UNAVAILABLE' });
    fs.rmSync(join(storagePath, 'blocked'));
    await expect(storage.create('x')).resolves.toBeTruthy();
  });
});

describe('a full disk', () => {
  const mountPoint = () => join(storagePath, 'small');

  beforeEach(() => {
    fs.mkdirSync(mountPoint());
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=2m', 'tmpfs', mountPoint()]);
  });

  afterEach(() => {
    execFileSync('umount', [mountPoint()]);
  });

  test.each(['fsync', 'rename'] as const)(
    'refuses with STORAGE_FULL, leaves nothing, and works when there is room (%s)',
    async (durability) => {
      const storage = new LocalStorage({ storagePath: mountPoint(), durability });
      const kept = await storage.create(randomBytes(1_000_000));
      await expect(storage.create(randomBytes(3_000_000))).rejects.toMatchObject({
        code: 'STORAGE_FULL',
        status: 507,
      });
      await expect(storage.replace(kept, randomBytes(3_000_000))).rejects.toMatchObject({
        code: 'STORAGE_FULL',
      });
      expect(await ids(storage)).toEqual([kept]);
      expect((await storage.stat(kept)).size).toBe(1_000_000);
      expect(fs.readdirSync(join(mountPoint(), '.staging', ownerName()))).toEqual([]);
      await expect(storage.create(randomBytes(500_000))).resolves.toBeTruthy();
    },
  );
});

describe('a disk without room for a folder', () => {
  const mountPoint = () => join(storagePath, 'small');

  beforeEach(() => {
    fs.mkdirSync(mountPoint());
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=1m,nr_inodes=40', 'tmpfs', mountPoint()]);
  });

  afterEach(() => {
    execFileSync('umount', [mountPoint()]);
  });

  function fill(): void {
    for (let count = 0; ; count++) {
      try {
        fs.mkdirSync(join(mountPoint(), `.filler-${count}`));
      } catch {
        return;
      }
    }
  }

  test.each([
    ['of this process', (storage: LocalStorage) => storage],
    ['of one that is started then', () => new LocalStorage({ storagePath: mountPoint() })],
  ])('lets the files go that are on it (a storage %s)', async (_which, opened) => {
    const storage = new LocalStorage({ storagePath: mountPoint() });
    const [first, second] = [await storage.create('first'), await storage.create('second')];
    fs.rmSync(join(mountPoint(), '.staging', ownerName()), { recursive: true });
    fill();
    await expect(storage.create('third')).rejects.toMatchObject({ code: 'STORAGE_FULL' });
    const deleting = opened(storage);
    await deleting.delete(first as string);
    expect(await ids(storage)).toEqual([second]);
    await deleting.delete(second as string);
    await expect(storage.create('third')).resolves.toBeTruthy();
    expect(fs.readdirSync(join(mountPoint(), '.staging'))).toEqual([ownerName()]);
  });
});

describe('a disk that cannot be written to', () => {
  test.each([
    ['with a folder for staging', true],
    ['without one', false],
  ])('lets its files be read and listed (%s)', async (_what, hasStaging) => {
    const id = await new LocalStorage({ storagePath }).create('content');
    const left = join(storagePath, '.staging', DEAD_OWNER, 'half');
    if (hasStaging) fs.mkdirSync(left, { recursive: true });
    else fs.rmSync(join(storagePath, '.staging'), { recursive: true });
    execFileSync('mount', ['--bind', storagePath, storagePath]);
    try {
      execFileSync('mount', ['-o', 'remount,ro,bind', storagePath]);
      const storage = new LocalStorage({ storagePath });
      expect(await ids(storage)).toEqual([id]);
      await expect((await storage.get(id)).text()).resolves.toBe('content');
      await expect(storage.create('x')).rejects.toMatchObject({ code: 'STORAGE_UNAVAILABLE' });
      await expect(storage.delete(id)).rejects.toMatchObject({ code: 'STORAGE_UNAVAILABLE' });
    } finally {
      execFileSync('umount', [storagePath]);
    }
  });
});

describe('what a crash has left', () => {
  test('staged content of a dead process goes at the next start; that of a living one stays', async () => {
    const [dead, living] = [DEAD_OWNER, ownerName(process.ppid)].map((owner) =>
      join(storagePath, '.staging', owner),
    );
    for (const owner of [dead, living] as string[]) {
      fs.mkdirSync(join(owner, 'half'), { recursive: true });
      fs.writeFileSync(join(owner, 'half', 'file'), 'half a fi');
    }
    const storage = new LocalStorage({ storagePath });
    await storage.check();
    expect(fs.existsSync(dead as string)).toBe(false);
    expect(fs.existsSync(join(living as string, 'half'))).toBe(true);
    expect(await ids(storage)).toEqual([]);
  });

  test('an owner on another machine is waited for', () => {
    const foreign = 'elsewhere.1.1';
    expect(isAbandoned(foreign, Date.now())).toBe(false);
    expect(isAbandoned(foreign, Date.now() - FOREIGN_OWNER_PATIENCE - 1)).toBe(true);
    expect(isAbandoned(ownerName(), 0)).toBe(false);
    expect(isAbandoned(DEAD_OWNER, Date.now())).toBe(true);
  });

  /** A file whose replacement died: before its details were in place, or after. */
  async function interruptedReplacement(detailsInPlace: boolean): Promise<{ id: string; revision: string }> {
    const storage = new LocalStorage({ storagePath });
    const id = await storage.create('old', { filename: 'old.txt' });
    const other = await storage.create('new!', { filename: 'new.txt' });
    const revision = 'c0ffee';
    const staged = join(storagePath, '.staging', DEAD_OWNER, replacementFolderName(revision, id));
    const folder = join(storagePath, id);
    fs.mkdirSync(staged, { recursive: true });
    fs.mkdirSync(join(folder, '.replacing'));
    fs.writeFileSync(join(folder, '.replacing', `${DEAD_OWNER}~${revision}`), '');
    fs.renameSync(join(storagePath, other, 'file'), join(folder, `file.${revision}`));
    fs.renameSync(join(storagePath, other, 'metadata.json'), join(staged, 'metadata.json'));
    const details = JSON.parse(fs.readFileSync(join(storagePath, other, 'details.json'), 'utf8'));
    const target = detailsInPlace ? folder : staged;
    fs.writeFileSync(join(target, 'details.json'), JSON.stringify({ ...details, revision }));
    fs.rmSync(join(storagePath, other), { recursive: true });
    return { id, revision };
  }

  async function expectWhole(id: string, text: string): Promise<void> {
    const file = await new LocalStorage({ storagePath }).get(id);
    expect(file.filename).toBe(text === 'old' ? 'old.txt' : 'new.txt');
    await expect(file.text()).resolves.toBe(text);
  }

  async function expectSettled(id: string, text: string): Promise<void> {
    expect(fs.readdirSync(join(storagePath, id)).sort()).toEqual(['details.json', 'file', 'metadata.json']);
    expect(fs.readFileSync(join(storagePath, id, 'file'), 'utf8')).toBe(text);
    const { filename } = JSON.parse(fs.readFileSync(join(storagePath, id, 'metadata.json'), 'utf8'));
    expect(filename).toBe(text === 'old' ? 'old.txt' : 'new.txt');
    await expectWhole(id, text);
  }

  test.each([
    [false, 'old'],
    [true, 'new!'],
  ])(
    'a replacement that died (details in place: %s) reads as a whole, and is settled at start',
    async (detailsInPlace, text) => {
      const { id } = await interruptedReplacement(detailsInPlace);
      const reader = new LocalStorage({ storagePath });
      await reader.check();
      await expectSettled(id, text);
      expect(inStaging()).toEqual([]);
    },
  );

  test.each([[false], [true]])(
    'a replacement that died (details in place: %s) does not stop the next one',
    async (detailsInPlace) => {
      const storage = new LocalStorage({ storagePath });
      await storage.check();
      const { id } = await interruptedReplacement(detailsInPlace);
      await expectWhole(id, detailsInPlace ? 'new!' : 'old');
      await storage.replace(id, 'newest', { filename: 'new.txt' });
      await expectSettled(id, 'newest');
    },
  );
});

describe('the layout', () => {
  test('metadata.json has just the keys that Python knows', async () => {
    const storage = new LocalStorage({ storagePath });
    const id = await storage.create('hello', { filename: 'größe.txt', metadata: { kind: 'greeting' } });
    expect(JSON.parse(fs.readFileSync(join(storagePath, id, 'metadata.json'), 'utf8'))).toEqual({
      filename: 'größe.txt',
      content_type: 'text/plain',
      content_length: 5,
      last_modified: expect.stringMatching(/^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d$/),
    });
  });

  test('a file that Python wrote is read, replaced and deleted', async () => {
    const storage = new LocalStorage({ storagePath });
    const id = '0a5b1c2e-6f00-11ee-8c99-0242ac120002';
    const folder = join(storagePath, id);
    fs.mkdirSync(folder, { recursive: true });
    fs.writeFileSync(join(folder, 'file'), 'from Python');
    const metadata = {
      filename: 'a.txt',
      content_type: 'text/plain',
      content_length: 11,
      last_modified: '2024-02-29 12:34:56',
    };
    fs.writeFileSync(join(folder, 'metadata.json'), JSON.stringify(metadata));
    const file = await storage.get(id);
    expect(file).toMatchObject({ filename: 'a.txt', contentType: 'text/plain', size: 11, metadata: {} });
    expect(file.sha256).toBeUndefined();
    expect(file.etag).toMatch(/^"[^"]+"$/);
    expect(file.lastModified.toISOString()).toBe('2024-02-29T12:34:56.000Z');
    await expect(file.text()).resolves.toBe('from Python');
    await storage.replace(id, 'from Node');
    await expect((await storage.get(id)).text()).resolves.toBe('from Node');
    expect(JSON.parse(fs.readFileSync(join(folder, 'metadata.json'), 'utf8'))).toMatchObject({
      filename: 'a.txt',
      content_length: 9,
    });
    await storage.delete(id);
    expect(await storage.exists(id)).toBe(false);
  });

  test.each(['file', 'details.json'])('a file without its %s is not there', async (half) => {
    const storage = new LocalStorage({ storagePath });
    const id = await storage.create('x');
    await storage.stat(id);
    fs.rmSync(join(storagePath, id, half));
    if (half === 'details.json') fs.rmSync(join(storagePath, id, 'metadata.json'));
    await expect(new LocalStorage({ storagePath }).get(id)).rejects.toMatchObject({ code: 'FILE_NOT_FOUND' });
  });

  test('a file that is shorter on the disk than its details say is never read as a whole', async () => {
    const storage = new LocalStorage({ storagePath });
    const id = await storage.create(randomBytes(600_000));
    fs.truncateSync(join(storagePath, id, 'file'), 300_000);
    const failure = { code: 'STORAGE_FAILED', message: expect.stringContaining('before its size') };
    const file = await storage.get(id);
    await expect(file.buffer()).rejects.toMatchObject(failure);
    await expect(storage.create(file)).rejects.toMatchObject(failure);
    await expect(file.stream({ start: 299_999, end: 300_000 }).toArray()).rejects.toMatchObject(failure);
    await expect(file.stream({ start: 299_990, end: 299_999 }).toArray()).resolves.toHaveLength(1);
    const opened = await storage.open(id);
    await expect(opened.stream().toArray()).rejects.toMatchObject(failure);
    await opened.close();
  });

  test('what somebody has added to a file on the disk is not given', async () => {
    const storage = new LocalStorage({ storagePath });
    const id = await storage.create('content');
    fs.appendFileSync(join(storagePath, id, 'file'), ' and more');
    await expect((await storage.get(id)).text()).resolves.toBe('content');
  });

  test.each(['', '{"filename": "x', 'null'])(
    'metadata of Python that is half written (%j) is a damage, and leaves nothing open',
    async (json) => {
      const storage = new LocalStorage({ storagePath });
      const id = await storage.create('x');
      fs.rmSync(join(storagePath, id, 'details.json'));
      fs.writeFileSync(join(storagePath, id, 'metadata.json'), json);
      const before = (await openDescriptors()).length;
      const reader = new LocalStorage({ storagePath });
      for (const look of [() => reader.get(id), () => reader.open(id)])
        await expect(look()).rejects.toMatchObject({
          code: 'FILE_NOT_FOUND',
          cause: { code: 'FILE_DAMAGED', message: expect.stringContaining(id) },
        });
      expect((await openDescriptors()).length).toBe(before);
    },
  );

  test('files of others beside the folders are neither listed nor deleted', async () => {
    const storage = new LocalStorage({ storagePath });
    const id = await storage.create('x');
    fs.writeFileSync(join(storagePath, 'README'), 'not ours');
    expect(await ids(storage)).toEqual([id]);
    await storage.delete('README');
    expect(fs.readFileSync(join(storagePath, 'README'), 'utf8')).toBe('not ours');
  });

  test('details that are damaged are a fault with a code, not a crash', async () => {
    const storage = new LocalStorage({ storagePath });
    const id = await storage.create('x');
    fs.writeFileSync(join(storagePath, id, 'details.json'), '{"filename": "x');
    await expect(new LocalStorage({ storagePath }).get(id)).rejects.toMatchObject({ code: 'STORAGE_FAILED' });
  });
});
