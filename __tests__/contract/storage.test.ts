import { PassThrough, Readable } from 'node:stream';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { describe, expect, jest, test } from '@jest/globals';
import type { Capabilities } from '../../lib/contract/capabilities.js';
import {
  FileStorage,
  type NewFileDetails,
  type StageOptions,
  type StagingArea,
  type StagingOptions,
} from '../../lib/contract/storage.js';
import type { FileDetails } from '../../lib/contract/stored-file.js';
import { DepotError, FileNotFoundError } from '../../lib/errors.js';

const old: FileDetails = {
  id: 'old',
  filename: 'old.css',
  contentType: 'text/x-old',
  size: 3,
  lastModified: new Date(0),
  metadata: { old: true },
  etag: '"old"',
};

/** A backend that notes what is asked of it, and fails where it is told to. */
class NotedStorage extends FileStorage {
  readonly capabilities: Capabilities = new Set();
  protected override readonly pieceSize = 1000;
  readonly calls: string[] = [];
  readonly kept: NewFileDetails[] = [];
  staging: StagingOptions = {};
  failing: Partial<Record<keyof StagingArea | 'openStaging', Error>> = {};
  areaId: string | undefined;

  async check(): Promise<void> {}

  protected openStaging(options: StagingOptions): StagingArea {
    this.staging = options;
    this.#note('openStaging');
    const keep = (call: 'commit' | 'replace') => async (details: NewFileDetails) => {
      this.#note(call);
      this.kept.push(details);
    };
    return {
      newId: this.areaId,
      // Not async: what it throws, it throws at once.
      write: () => Promise.resolve(this.#note('write')),
      finish: async () => this.#note('finish'),
      prepare: async () => this.#note('prepare'),
      commit: keep('commit'),
      replace: keep('replace'),
      discard: async () => this.#note('discard'),
    };
  }

  protected async readDetails(id: string): Promise<FileDetails> {
    this.#note('readDetails' as never);
    if (id !== old.id) throw new FileNotFoundError(id);
    return old;
  }

  protected openStream(): Readable {
    return Readable.from(['old']);
  }

  protected async remove(): Promise<void> {}

  protected async *listIds(): AsyncIterable<string> {}

  #note(call: keyof StagingArea | 'openStaging'): void {
    this.calls.push(call);
    const error = this.failing[call];
    if (error) throw error;
  }
}

const broken = new Error('broken');

/** Gives 2,500 bytes and then waits, until it is destroyed. */
function openContent(): PassThrough {
  const stream = new PassThrough();
  stream.write(Buffer.alloc(2500));
  return stream;
}

describe('what is asked of a backend', () => {
  test('to create', async () => {
    const storage = new NotedStorage();
    await storage.create('content');
    expect(storage.calls).toEqual(['openStaging', 'write', 'finish', 'prepare', 'commit']);
  });

  test('to create an empty file: no write', async () => {
    const storage = new NotedStorage();
    await storage.create('');
    expect(storage.calls).toEqual(['openStaging', 'finish', 'prepare', 'commit']);
  });

  test('to replace: the old file is looked up before and after the upload', async () => {
    const storage = new NotedStorage();
    await storage.replace('old', 'content');
    expect(storage.calls).toEqual([
      'readDetails',
      'openStaging',
      'write',
      'finish',
      'readDetails',
      'replace',
    ]);
  });

  test('to create later: to prepare at once', async () => {
    const storage = new NotedStorage();
    const staged = await storage.stage('content');
    let allow = () => {};
    const committing = staged.commit({}, new Promise<void>((resolve) => (allow = resolve)));
    await nextTurn();
    expect(storage.calls).toEqual(['openStaging', 'write', 'finish', 'prepare']);
    allow();
    await committing;
    expect(storage.calls.at(-1)).toBe('commit');
  });

  test('to discard: nothing but that', async () => {
    const storage = new NotedStorage();
    await (await storage.stage('content')).discard();
    expect(storage.calls).toEqual(['openStaging', 'write', 'finish', 'discard']);
  });

  test('with the id that it makes, unless another one is wanted', async () => {
    const storage = new NotedStorage();
    storage.areaId = 'made-by-the-backend';
    await expect(storage.create('content')).resolves.toBe('made-by-the-backend');
    await expect(storage.create('content', { id: 'mine' })).resolves.toBe('mine');
  });
});

describe('a failure', () => {
  test.each(['write', 'finish'] as const)('of %s discards, once, and closes the content', async (call) => {
    const storage = new NotedStorage();
    storage.failing = { [call]: broken };
    const content = call === 'write' ? openContent() : Readable.from(['content']);
    await expect(storage.create(content)).rejects.toBe(broken);
    expect(storage.calls.filter((each) => each === 'discard')).toHaveLength(1);
    expect(storage.calls.at(-1)).toBe('discard');
    expect(storage.kept).toEqual([]);
    expect(content.destroyed).toBe(true);
  });

  test('of prepare, or of what commit waits for, discards when both have ended', async () => {
    for (const failing of [{ prepare: broken }, {}]) {
      const storage = new NotedStorage();
      storage.failing = failing;
      const staged = await storage.stage('content');
      const after = nextTurn().then(() => storage.calls.push('after' as never));
      const refused = failing.prepare ? after : after.then(() => Promise.reject(broken));
      await expect(staged.commit({}, refused)).rejects.toBe(broken);
      expect(storage.calls.slice(-3)).toEqual(['prepare', 'after', 'discard']);
    }
  });

  test.each(['commit', 'replace'] as const)('of %s discards, once', async (call) => {
    const storage = new NotedStorage();
    storage.failing = { [call]: broken };
    const act = call === 'commit' ? storage.create('content') : storage.replace('old', 'content');
    await expect(act).rejects.toBe(broken);
    expect(storage.calls.slice(-2)).toEqual([call, 'discard']);
    expect(storage.kept).toEqual([]);
  });

  test('to begin closes the content', async () => {
    const storage = new NotedStorage();
    storage.failing = { openStaging: broken };
    const content = openContent();
    await expect(storage.create(content)).rejects.toBe(broken);
    expect(content.destroyed).toBe(true);
  });

  test('of the limit writes nothing more', async () => {
    const storage = new NotedStorage();
    const content = Readable.from([Buffer.alloc(1500), Buffer.alloc(1500), Buffer.alloc(1500)]);
    await expect(storage.create(content, { maxSize: 2000 })).rejects.toMatchObject({
      code: 'FILE_TOO_LARGE',
    });
    expect(storage.calls).toEqual(['openStaging', 'write', 'discard']);
  });

  test.each<[string, object]>([
    ['an id that is none', { id: '../x' }],
    ['metadata that is none', { metadata: [] }],
  ])('of %s asks nothing of the backend', async (_what, options) => {
    const storage = new NotedStorage();
    const content = openContent();
    await expect(storage.create(content, options)).rejects.toBeInstanceOf(DepotError);
    expect(storage.calls).toEqual([]);
    expect(content.destroyed).toBe(true);
  });

  test('to find the file that is to be replaced stages nothing', async () => {
    const storage = new NotedStorage();
    const content = openContent();
    await expect(storage.replace('missing', content)).rejects.toMatchObject({ code: 'FILE_NOT_FOUND' });
    expect(storage.calls).toEqual(['readDetails']);
    expect(content.destroyed).toBe(true);
  });
});

describe('a signal', () => {
  test('reaches the staging area', async () => {
    const storage = new NotedStorage();
    const { signal } = new AbortController();
    await storage.create('content', { signal });
    expect(storage.staging.signal).toBe(signal);
  });

  test('that is aborted while the type is checked is heeded', async () => {
    const storage = new NotedStorage();
    const controller = new AbortController();
    const checkType = () => controller.abort(broken);
    await expect(storage.create('content', { signal: controller.signal, checkType })).rejects.toBe(broken);
    expect(storage.calls).not.toContain('commit');
    expect(storage.calls.at(-1)).toBe('discard');
  });
});

describe('a check of the type', () => {
  const types: [string, NonNullable<StageOptions['checkType']>][] = [
    [
      'throws',
      () => {
        throw broken;
      },
    ],
    ['rejects', () => Promise.reject(broken)],
    ['rejects late', () => new Promise((_resolve, reject) => setImmediate(reject, broken))],
  ];

  test.each(types)('that %s ends the upload before it has come', async (_how, checkType) => {
    const storage = new NotedStorage();
    const content = new PassThrough();
    content.write(Buffer.alloc(5000));
    await expect(storage.create(content, { checkType })).rejects.toBe(broken);
    expect(content.destroyed).toBe(true);
    expect(storage.calls.at(-1)).toBe('discard');
  });

  test('is called once, however much comes', async () => {
    const checkType = jest.fn(() => {});
    await new NotedStorage().create(Readable.from(Array.from({ length: 50 }, () => Buffer.alloc(500))), {
      checkType,
    });
    expect(checkType).toHaveBeenCalledTimes(1);
  });
});

describe('what is expected', () => {
  test('of a new file is told to the staging area', async () => {
    const storage = new NotedStorage();
    const metadata = { a: 1 };
    await storage.create('content', { id: 'mine', filename: '../a.css', metadata });
    const expected = { id: 'mine', filename: 'a.css', contentType: 'text/css', metadata };
    expect(storage.staging.expected?.()).toEqual(expected);
  });

  test('of a replacement has the old id, and what is not said', async () => {
    const storage = new NotedStorage();
    await storage.replace('old', 'content', { metadata: { a: 1 } });
    expect(storage.staging.expected?.()).toEqual({
      id: 'old',
      filename: 'old.css',
      contentType: 'text/x-old',
      metadata: { a: 1 },
    });
  });

  test('is the same file each time, also where its id is new and a function tells it', async () => {
    const storage = new NotedStorage();
    const expected = jest.fn(() => ({ filename: 'a' }));
    await storage.stage('content', { expected });
    expect(expected).not.toHaveBeenCalled();
    expect(storage.staging.expected?.()).toEqual(storage.staging.expected?.());
  });

  test('is not there where nothing was said', async () => {
    const storage = new NotedStorage();
    await storage.stage('content');
    expect(storage.staging.expected).toBeUndefined();
  });
});

describe('what is kept', () => {
  const kept = async (act: (storage: NotedStorage) => Promise<unknown>) => {
    const storage = new NotedStorage();
    await act(storage);
    return storage.kept[0];
  };

  test('of a new file of which nothing is said', async () => {
    const details = await kept((storage) => storage.create('content'));
    expect(details).toMatchObject({
      filename: 'unnamed',
      contentType: 'application/octet-stream',
      size: 7,
      sha256: 'ed7002b439e9ac845f22357d822bac1444730fbdb6016d3ec9432297b9ec9f73',
      metadata: {},
    });
    expect(details?.lastModified.getMilliseconds()).toBe(0);
  });

  test.each<[string, object, File | string, string, string]>([
    ['the name that is given', { filename: 'a.css' }, new File([], 'b.gif'), 'a.css', 'text/css'],
    ['the name of the content', {}, new File([], 'b.gif'), 'b.gif', 'image/gif'],
    [
      'the type that is given',
      { contentType: 'a/b' },
      new File([], 'b.gif', { type: 'c/d' }),
      'b.gif',
      'a/b',
    ],
    ['the type of the content', {}, new File([], 'b.gif', { type: 'c/d' }), 'b.gif', 'c/d'],
    ['no type that is none', { contentType: 'none' }, new File([], 'b.gif', { type: 'c/d' }), 'b.gif', 'c/d'],
  ])('is %s', async (_what, options, content, filename, contentType) => {
    const details = await kept((storage) => storage.create(content, options));
    expect(details).toMatchObject({ filename, contentType });
  });

  test.each<[string, object, File | string, string, string]>([
    ['all that was', {}, 'content', 'old.css', 'text/x-old'],
    ['a new name and its type', { filename: 'a.gif' }, 'content', 'a.gif', 'image/gif'],
    ['a new name and the old type', { filename: 'a' }, 'content', 'a', 'text/x-old'],
    ['a new type', { contentType: 'a/b' }, 'content', 'old.css', 'a/b'],
    ['the name and type of the content', {}, new File([], 'b.gif', { type: 'c/d' }), 'b.gif', 'c/d'],
  ])('of a replacement is %s', async (_what, options, content, filename, contentType) => {
    const details = await kept((storage) => storage.replace('old', content, options));
    expect(details).toMatchObject({ id: 'old', filename, contentType, metadata: { old: true } });
  });
});

describe('what is recalled', () => {
  const looksOf = ({ calls }: NotedStorage) => calls.filter((call) => call === 'readDetails').length;

  async function looksAfter(change: (storage: NotedStorage) => Promise<unknown>): Promise<number> {
    const storage = new NotedStorage();
    await storage.recall(old.id);
    await change(storage);
    const before = looksOf(storage);
    await storage.recall(old.id);
    return looksOf(storage) - before;
  }

  test('is the file, looked at once in ten seconds', async () => {
    const storage = new NotedStorage();
    const now = jest.spyOn(Date, 'now').mockReturnValue(0);
    const files = await Promise.all([1, 2, 3].map(() => storage.recall({ id: old.id })));
    for (const file of files) expect(file).toMatchObject(old);
    now.mockReturnValue(9999);
    await storage.recall(old.id);
    expect(looksOf(storage)).toBe(1);
    now.mockReturnValue(10_000);
    await storage.recall(old.id);
    expect(looksOf(storage)).toBe(2);
    now.mockRestore();
  });

  test.each<[string, (storage: NotedStorage) => Promise<unknown>]>([
    ['deleted', (storage) => storage.delete(old.id)],
    ['replaced', (storage) => storage.replace(old, 'content')],
    [
      'replaced in vain',
      async (storage) => {
        storage.failing = { replace: broken };
        await storage.replace(old, 'content').catch(() => {});
      },
    ],
    ['created again', (storage) => storage.create('content', { id: old.id })],
  ])('is not what was before the file was %s', async (_how, change) => {
    expect(await looksAfter(change)).toBe(1);
  });

  test('stays when another file changes', async () => {
    expect(await looksAfter((storage) => storage.delete('other'))).toBe(0);
  });

  test('is no file that is missing, which is looked for each time', async () => {
    const storage = new NotedStorage();
    for (let index = 0; index < 2; index++) {
      await expect(storage.recall('new')).rejects.toMatchObject({ code: 'FILE_NOT_FOUND' });
    }
    await expect(storage.recall('../x')).rejects.toMatchObject({ code: 'INVALID_FILE_ID' });
    expect(looksOf(storage)).toBe(2);
  });
});
