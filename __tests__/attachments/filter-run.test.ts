import { mkdtemp, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { describe, expect, test } from '@jest/globals';
import { FilterRun, filterSource } from '../../lib/attachments/filter-run.js';
import type { AttachmentFilter, FilterContext } from '../../lib/attachments/filters.js';
import { MemoryStorage } from '../../lib/storages/memory.js';
import { removeFolder } from '../support/folders.js';

/** Where content is that was read once: nobody should look. */
const NOWHERE = {
  find: () => Promise.reject(new Error('not asked')),
  locate: async () => undefined,
};

const original = { filename: 'a.txt', contentType: 'text/plain', size: 4, sha256: 'abc' };

/** Runs filters, and says what was stored. */
async function run(...acts: ((context: FilterContext) => Promise<void> | void)[]) {
  const filters: AttachmentFilter[] = acts.map((apply) => ({ apply }));
  const stored: object[] = [];
  const store = async (content: unknown, options: object) => {
    stored.push({ content, ...options });
    if (content === 'fails') throw new Error('no room');
    return { depot: 'default', id: 'x', path: 'default/x' };
  };
  const source = filterSource('text', NOWHERE);
  const filterRun = new FilterRun(original, source, filters, new AbortController().signal, store);
  return { additions: await filterRun.run(), stored };
}

describe('filters', () => {
  test('run in their order, and add files and facts', async () => {
    const order: string[] = [];
    const { additions, stored } = await run(
      async ({ addFile, addMetadata }) => {
        addMetadata({ a: 1, b: 1 });
        await addFile('thumb', 'one', { details: { width: 5 } });
        order.push('first');
      },
      ({ addMetadata, filters }) => {
        addMetadata({ b: 2 });
        order.push('second');
        expect(filters.length).toBe(2);
      },
    );
    expect(order).toEqual(['first', 'second']);
    expect(additions.metadata).toEqual({ a: 1, b: 2 });
    expect(Object.keys(additions.files)).toEqual(['thumb']);
    expect(stored).toEqual([{ content: 'one', filename: 'thumb-a.txt', details: { width: 5 } }]);
  });

  test('share what one has made, and release it in the end', async () => {
    const key = Symbol('decoded');
    const released: string[] = [];
    const use = ({ share, atEnd }: FilterContext) => {
      const value = share(key, () => {
        atEnd(() => void released.push('released'));
        return { made: 0 };
      });
      value.made += 1;
      released.push(`used ${value.made}`);
    };
    await run(use, use);
    expect(released).toEqual(['used 1', 'used 2', 'released']);
  });

  test('release what they share also if one fails, and then only', async () => {
    let released = 0;
    const failing = run(
      ({ atEnd }) => {
        atEnd(() => Promise.reject(new Error('a failure to release changes nothing')));
        atEnd(() => {
          released += 1;
        });
      },
      () => {
        throw new Error('refused');
      },
    );
    await expect(failing).rejects.toThrow('refused');
    expect(released).toBe(1);
  });

  test('end with a file that nobody has waited for', async () => {
    const { additions } = await run(({ addFile }) => void addFile('thumb', 'late'));
    expect(additions.files.thumb?.path).toBe('default/x');
    await expect(run(({ addFile }) => void addFile('thumb', 'fails'))).rejects.toThrow('no room');
  });

  test.each(['path', 'files', 'metadata', '__proto__', 'a b', '', '1', 'data'])(
    'no file can be called %j',
    async (name) => {
      const act = run(async ({ addFile }) => void (await addFile(name, 'x')));
      await expect(act).rejects.toMatchObject({ code: 'INVALID_OPTION' });
    },
  );

  test('no two files can have one name', async () => {
    const act = run(async ({ addFile }) => {
      await addFile('thumb', 'x');
      await addFile('thumb', 'y');
    });
    await expect(act).rejects.toMatchObject({ code: 'INVALID_OPTION' });
  });

  test('facts must be JSON', async () => {
    const circle: Record<string, unknown> = {};
    circle.self = circle;
    const act = run(({ addMetadata }) => addMetadata(circle as never));
    await expect(act).rejects.toMatchObject({ code: 'INVALID_METADATA' });
  });

  test('do not begin when the save has failed', async () => {
    const filter = { apply: () => Promise.reject(new Error('begun')) };
    const source = filterSource('text', NOWHERE);
    const signal = AbortSignal.abort(new Error('failed elsewhere'));
    const filterRun = new FilterRun(original, source, [filter], signal, () => Promise.reject());
    await expect(filterRun.run()).rejects.toThrow('failed elsewhere');
  });
});

describe('the content that filters see', () => {
  const storage = new MemoryStorage();
  const inStorage = {
    find: async () => storage.get(await storage.create('stored')),
    locate: async () => '/srv/stored',
  };

  test.each([
    ['bytes', () => Buffer.from('text')],
    ['a text', () => 'text'],
    ['a Blob', () => new Blob(['text'])],
    ['an upload in memory', () => ({ originalname: 'a', mimetype: 'b/c', buffer: Buffer.from('text') })],
  ])('is read again where it can be: %s', async (_kind, content) => {
    const source = filterSource(content(), NOWHERE);
    for (let round = 0; round < 2; round += 1) {
      expect((await source.buffer()).toString()).toBe('text');
      expect(
        Buffer.concat((await source.open().toArray()).map((chunk) => Buffer.from(chunk))).toString(),
      ).toBe('text');
    }
    expect(await source.localPath()).toBeUndefined();
  });

  test.each([
    ['a stream', () => Readable.from(['text'])],
    ['a web stream', () => new Blob(['text']).stream()],
    [
      'an upload that streams',
      () => ({ originalname: 'a', mimetype: 'b/c', stream: Readable.from(['text']) }),
    ],
  ])('comes from the storage else: %s', async (_kind, content) => {
    const source = filterSource(content() as Readable, inStorage);
    expect((await source.buffer()).toString()).toBe('stored');
    expect(Buffer.concat(await source.open({ start: 1, end: 2 }).toArray()).toString()).toBe('to');
  });

  test('has a path where it came by one', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'filedepot-filter-'));
    const path = join(folder, 'a.txt');
    await writeFile(path, 'on disk');
    for (const content of [
      { path },
      new URL(`file://${path}`),
      { originalname: 'a', mimetype: 'b/c', path },
    ]) {
      const source = filterSource(content, NOWHERE);
      expect(await source.localPath()).toBe(path);
      expect((await source.buffer()).toString()).toBe('on disk');
    }
    await removeFolder(folder);
  });
});
