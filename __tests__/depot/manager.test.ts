import { Readable } from 'node:stream';
import { describe, expect, jest, test } from '@jest/globals';
import { DepotManager } from '../../lib/depot/manager.js';
import { MemoryStorage } from '../../lib/storages/memory.js';

const MEMORY = { backend: 'memory' } as const;

/** Larger than what is kept of metadata. */
const WRONG = { metadata: { text: 'x'.repeat(2000) } };

function configured(...names: string[]): DepotManager {
  const depot = new DepotManager();
  for (const name of names) depot.configure(name, MEMORY);
  return depot;
}

function error(code: string) {
  return expect.objectContaining({ code });
}

describe('storages by name', () => {
  test('options, a URL or a storage of your own', () => {
    const depot = new DepotManager();
    const own = new MemoryStorage();
    expect(depot.configure('options', MEMORY)).toBe(depot.get('options'));
    expect(depot.configure('url', 'memory:')).toBe(depot.get('url'));
    expect(depot.configure('own', own)).toBe(own);
    expect(depot.names()).toEqual(['options', 'url', 'own']);
  });

  test.each<[given: unknown, settings: object]>([
    [undefined, {}],
    [null, {}],
    [7, {}],
    [[], {}],
    ['x', {}],
    [new MemoryStorage(), { privat: true }],
    [new MemoryStorage(), { private: 'yes' }],
  ])('%j, %j is no storage', (given, settings) => {
    const depot = new DepotManager({ signing: { keys: ['k'.repeat(32)] } });
    expect(() => depot.configure('a', given as MemoryStorage, settings)).toThrow(error('INVALID_OPTION'));
    expect(depot.names()).toEqual([]);
  });

  test('a name is configured once', () => {
    const depot = configured('a', 'b');
    depot.alias('alias', 'a');
    expect(() => depot.configure('b', MEMORY)).toThrow(error('STORAGE_EXISTS'));
    expect(() => depot.configure('alias', MEMORY)).toThrow(error('STORAGE_EXISTS'));
  });

  test('a refused configuration leaves nothing', () => {
    const depot = new DepotManager();
    expect(() => depot.configure('a', { backend: 'local', storagePath: '' })).toThrow(
      error('INVALID_OPTION'),
    );
    expect(depot.names()).toEqual([]);
    expect(() => depot.getDefault()).toThrow(error('STORAGE_NOT_FOUND'));
  });

  test.each(['', 'a/b', '..', '__proto__', 'a b'])('%j is no name', (name) => {
    const depot = configured('a');
    expect(() => depot.configure(name, MEMORY)).toThrow(error('INVALID_OPTION'));
    expect(() => depot.alias(name, 'a')).toThrow(error('INVALID_OPTION'));
  });

  test.each(['constructor', '__proto__', 'toString', 'hasOwnProperty', ''])('%j is unknown', (name) => {
    const depot = configured('a');
    expect(() => depot.get(name)).toThrow(error('STORAGE_NOT_FOUND'));
    expect(() => depot.resolveAlias(name)).toThrow(error('STORAGE_NOT_FOUND'));
    expect(() => depot.setDefault(name)).toThrow(error('STORAGE_NOT_FOUND'));
    expect(() => depot.alias('b', name)).toThrow(error('STORAGE_NOT_FOUND'));
  });
});

describe('the default', () => {
  test('is the first', () => {
    const depot = configured('a', 'b');
    expect(depot.getDefault()).toBe('a');
    expect(depot.get()).toBe(depot.get('a'));
    expect(depot.resolveAlias()).toBe('a');
  });

  test('can be changed, also by an alias', () => {
    const depot = configured('a', 'b', 'c');
    depot.setDefault('b');
    expect(depot.get()).toBe(depot.get('b'));
    depot.alias('old', 'c');
    depot.setDefault('old');
    expect(depot.getDefault()).toBe('c');
  });

  test('without any storage there is none', () => {
    expect(() => new DepotManager().getDefault()).toThrow(error('STORAGE_NOT_FOUND'));
    expect(() => new DepotManager().get()).toThrow(error('STORAGE_NOT_FOUND'));
  });
});

describe('aliases', () => {
  test('files under an old name are found in its replacement', async () => {
    const depot = configured('new');
    const { id } = await depot.create('content');
    depot.alias('old', 'new');
    expect(depot.resolveAlias('old')).toBe('new');
    expect(await (await depot.getFile(`old/${id}`)).text()).toBe('content');
    expect(await depot.info(`old/${id}`)).toMatchObject({ storage: 'new', path: `new/${id}` });
    expect(depot.names()).toEqual(['new']);
  });

  test('an alias of an alias', () => {
    const depot = configured('a');
    depot.alias('b', 'a');
    depot.alias('c', 'b');
    expect(depot.resolveAlias('c')).toBe('a');
  });

  test('a name is taken once, and its target must be there', () => {
    const depot = configured('a', 'b');
    depot.alias('old', 'a');
    expect(() => depot.alias('b', 'a')).toThrow(error('STORAGE_EXISTS'));
    expect(() => depot.alias('old', 'b')).toThrow(error('STORAGE_EXISTS'));
    expect(() => depot.alias('c', 'nowhere')).toThrow(error('STORAGE_NOT_FOUND'));
  });
});

describe('files', () => {
  test('are created in the default storage, or in the one that is named', async () => {
    const depot = configured('a', 'b');
    const file = await depot.create('one', { filename: 'one.txt', metadata: { page: 1 } });
    expect(file).toEqual({
      storage: 'a',
      id: file.id,
      path: `a/${file.id}`,
      url: `/depot/a/${file.id}`,
      filename: 'one.txt',
      contentType: 'text/plain',
      size: 3,
      sha256: expect.stringMatching(/^[0-9a-f]{64}$/),
      lastModified: expect.stringMatching(/^\d{4}-\d\d-\d\dT.*Z$/),
      metadata: { page: 1 },
    });
    expect(JSON.parse(JSON.stringify(file))).toEqual(file);
    expect(await depot.create('two', { storage: 'b' })).toMatchObject({ storage: 'b' });
  });

  test('are read, replaced and deleted by their path', async () => {
    const depot = configured('a');
    const { path } = await depot.create('old', { filename: 'a.txt' });
    expect(await depot.replace(path, 'newer')).toMatchObject({ path, size: 5, filename: 'a.txt' });
    expect(await (await depot.getFile(path)).text()).toBe('newer');
    expect(await depot.info(path)).toMatchObject({ path, size: 5 });
    await depot.delete(path);
    await expect(depot.getFile(path)).rejects.toEqual(error('FILE_NOT_FOUND'));
    await expect(depot.delete(path)).resolves.toBeUndefined();
  });

  test.each(['getFile', 'info', 'delete'] as const)(
    '%s of a path that is none, or leads nowhere',
    async (method) => {
      const depot = configured('a');
      await expect(depot[method]('a/../b')).rejects.toEqual(error('INVALID_PATH'));
      await expect(depot[method]('constructor/b')).rejects.toEqual(error('STORAGE_NOT_FOUND'));
    },
  );

  test('content for a path that leads nowhere', async () => {
    const depot = configured('a');
    await expect(depot.replace('a', 'x')).rejects.toEqual(error('INVALID_PATH'));
    await expect(depot.replace('a/b', 'x')).rejects.toEqual(error('FILE_NOT_FOUND'));
    await expect(depot.create('x', { storage: 'b' })).rejects.toEqual(error('STORAGE_NOT_FOUND'));
  });

  type Store = (depot: DepotManager, content: Readable, path: string) => Promise<unknown>;

  const REFUSED: readonly [what: string, code: string, store: Store][] = [
    [
      'a storage that is unknown',
      'STORAGE_NOT_FOUND',
      (depot, content) => depot.create(content, { storage: 'b' }),
    ],
    ['an id that is none', 'INVALID_FILE_ID', (depot, content) => depot.create(content, { id: '../x' })],
    [
      'a name that is no text',
      'INVALID_METADATA',
      (depot, content) => depot.create(content, { filename: 5 as never }),
    ],
    ['metadata that are none', 'INVALID_METADATA', (depot, content) => depot.create(content, WRONG)],
    ['a path that is none', 'INVALID_PATH', (depot, content) => depot.replace('a', content)],
    ['a path of no file', 'FILE_NOT_FOUND', (depot, content) => depot.replace('a/b', content)],
    [
      'a file, with wrong metadata',
      'INVALID_METADATA',
      (depot, content, path) => depot.replace(path, content, WRONG),
    ],
  ];

  test.each(REFUSED)('content for %s is closed, and nothing of it is read', async (_what, code, store) => {
    const depot = configured('a');
    const { path } = await depot.create('old');
    const read = jest.fn();
    const content = new Readable({ read });
    await expect(store(depot, content, path)).rejects.toEqual(error(code));
    expect(content.destroyed).toBe(true);
    expect(read).not.toHaveBeenCalled();
  });
});

describe('URLs', () => {
  test('lie below the mountpoint', () => {
    const depot = configured('a');
    expect(depot.urlFor('a/1')).toBe('/depot/a/1');
    depot.middleware({ mountpoint: '/files/' });
    expect(depot.urlFor('a/1')).toBe('/files/a/1');
    depot.middleware({ mountpoint: '/' });
    expect(depot.urlFor('a/1')).toBe('/a/1');
  });

  test.each(['', 'a', 'a/b/c', '../b', 'a/..', 'a/b?c', '//evil'])('%j has none', (path) => {
    expect(() => configured('a').urlFor(path)).toThrow(error('INVALID_PATH'));
  });
});

describe('all storages', () => {
  class FailingStorage extends MemoryStorage {
    override async check(): Promise<void> {
      throw new Error('first');
    }

    override async close(): Promise<void> {
      throw new Error('first');
    }
  }

  class SlowStorage extends MemoryStorage {
    done = false;

    override async check(): Promise<void> {
      await new Promise(setImmediate);
      this.done = true;
      throw new Error('second');
    }

    override close(): Promise<void> {
      return this.check();
    }
  }

  test.each(['check', 'close'] as const)(
    '%s reaches each, and throws the first failure when all are done',
    async (method) => {
      const depot = new DepotManager();
      const slow = new SlowStorage();
      depot.configure('failing', new FailingStorage());
      depot.configure('slow', slow);
      await expect(depot[method]()).rejects.toThrow('first');
      expect(slow.done).toBe(true);
    },
  );

  test.each(['check', 'close'] as const)('%s resolves where nothing fails', async (method) => {
    await expect(configured('a', 'b')[method]()).resolves.toBeUndefined();
  });
});

describe('from flat settings', () => {
  test('storages, aliases and the default', () => {
    const depot = DepotManager.fromConfig({
      'depot.a.url': 'memory:',
      'depot.b.backend': 'memory',
      'depot.old.aliasOf': 'a',
      'depot.default': 'b',
    });
    expect(depot.names()).toEqual(['a', 'b']);
    expect(depot.getDefault()).toBe('b');
    expect(depot.resolveAlias('old')).toBe('a');
  });

  test('environment variables', () => {
    expect(DepotManager.fromConfig({ DEPOT_URL: 'memory:', HOME: '/' }, 'DEPOT_').names()).toEqual([
      'default',
    ]);
  });

  test.each([
    [{ 'depot.a.url': 'memory:', 'depot.default': 'b' }, 'STORAGE_NOT_FOUND'],
    [{ 'depot.a.url': 'memory:', 'depot.old.aliasOf': 'b' }, 'STORAGE_NOT_FOUND'],
    [{ 'depot.a b.url': 'memory:' }, 'INVALID_OPTION'],
    [{ 'depot.__proto__.url': 'memory:' }, 'INVALID_OPTION'],
    [{ 'depot..url': 'memory:' }, 'INVALID_OPTION'],
    [{ 'depot.a.url': 'memory:', 'depot.a.size': '1' }, 'INVALID_OPTION'],
    [{}, 'INVALID_OPTION'],
  ])('%j fails', (settings, code) => {
    expect(() => DepotManager.fromConfig(settings)).toThrow(error(code));
  });
});

describe('recover', () => {
  const recovery = (deleted: string[], failed: string[] = []) => ({
    recover: async () => ({ intents: 1, deleted, failed }),
  });

  test('settles what every database has left', async () => {
    const depot = new DepotManager();
    depot.addRecoverable(recovery(['a/1']));
    depot.addRecoverable(recovery(['a/2'], ['b/1']));
    expect(await depot.recover()).toEqual({ intents: 2, deleted: ['a/1', 'a/2'], failed: ['b/1'] });
  });

  test('tries all, and fails with the first failure', async () => {
    const depot = new DepotManager();
    let isTried = false;
    depot.addRecoverable({ recover: () => Promise.reject(new Error('no database')) });
    depot.addRecoverable({
      recover: async () => {
        isTried = true;
        return { intents: 0, deleted: [], failed: [] };
      },
    });
    await expect(depot.recover()).rejects.toThrow('no database');
    expect(isTried).toBe(true);
  });

  test('has nothing to do without attachments', async () => {
    expect(await new DepotManager().recover()).toEqual({ intents: 0, deleted: [], failed: [] });
  });
});
