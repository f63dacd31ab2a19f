import { Readable } from 'node:stream';
import { describe, expect, test } from '@jest/globals';
import type { Capabilities } from '../../lib/contract/capabilities.js';
import type { Content } from '../../lib/contract/content.js';
import type { CommitOptions, FileOptions, FileOrId, StagedFile } from '../../lib/contract/staged-file.js';
import type {
  CreateOptions,
  ListOptions,
  OpenFile,
  OpenOptions,
  ReplaceOptions,
  StageOptions,
  StagingArea,
  StagingOptions,
} from '../../lib/contract/storage.js';
import { type FileDetails, StoredFile, type StreamOptions } from '../../lib/contract/stored-file.js';
import { DepotError } from '../../lib/errors.js';
import { MemoryStorage } from '../../lib/storages/memory.js';
import { storageConformance } from '../../lib/testing/index.js';

/** Milliseconds after which a broken storage counts as hanging. */
const PATIENCE = 3_000;

interface Failure {
  /** The name of the case. */
  readonly name: string;
  readonly message: string;
}

/** What the first case says that a storage does not pass. */
async function firstFailure(
  Storage: new () => MemoryStorage,
  timeout?: number,
): Promise<Failure | undefined> {
  const openStorage = async () => {
    const storage = new Storage();
    return { storage, ...(storage instanceof WatchedStorage && { leftovers: storage.leftovers }) };
  };
  for (const { name, skip, run } of storageConformance({ openStorage, ...(timeout && { timeout }) })) {
    if (skip !== undefined) continue;
    try {
      await run();
    } catch (error) {
      return { name, message: (error as Error).message };
    }
  }
  return undefined;
}

/** A storage that knows which of its staging areas are still in use. */
class WatchedStorage extends MemoryStorage {
  readonly #areas = new Set<StagingArea>();
  readonly leftovers = async () => [...this.#areas].map(() => 'a staging area');

  protected override openStaging(): StagingArea {
    const area = super.openStaging();
    this.#areas.add(area);
    const leaving = async (ending: Promise<void>) => {
      await ending;
      this.#areas.delete(area);
    };
    return {
      write: (chunks, byteLength) => area.write(chunks, byteLength),
      finish: () => area.finish(),
      commit: (details) => leaving(area.commit(details)),
      replace: (details, old) => leaving(area.replace(details, old)),
      discard: () => leaving(area.discard()),
    };
  }
}

/** A storage whose files are told otherwise than they are. */
function telling(change: (details: FileDetails) => Partial<FileDetails>): new () => MemoryStorage {
  return class extends MemoryStorage {
    protected override async readDetails(id: string): Promise<FileDetails> {
      const details = await super.readDetails(id);
      return { ...details, ...change(details) };
    }

    protected override toStoredFile(details: FileDetails): StoredFile {
      return new StoredFile(details, (options) => this.#streamOf(details.id, options));
    }

    #streamOf(id: string, options: StreamOptions): Readable {
      const find = () => super.readDetails(id);
      const open = (details: FileDetails) => super.openStream(details, options);
      return Readable.from(
        (async function* () {
          yield* open(await find());
        })(),
      );
    }
  };
}

/** A storage whose streams are changed on their way. */
function streaming(change: (content: Buffer, options: StreamOptions) => Buffer): new () => MemoryStorage {
  return class extends MemoryStorage {
    protected override openStream(details: FileDetails, options: StreamOptions): Readable {
      const stream = super.openStream(details, options);
      return Readable.from(
        (async function* () {
          yield change(Buffer.concat(await stream.toArray()), options);
        })(),
      );
    }
  };
}

/** A storage whose staging areas are changed. */
function staging(change: (area: StagingArea) => Partial<StagingArea>): new () => MemoryStorage {
  return class extends MemoryStorage {
    protected override openStaging(): StagingArea {
      const area = super.openStaging();
      const bound: StagingArea = {
        write: (chunks, byteLength) => area.write(chunks, byteLength),
        finish: () => area.finish(),
        commit: (details) => area.commit(details),
        replace: (details, old) => area.replace(details, old),
        discard: () => area.discard(),
      };
      return { ...bound, ...change(area) };
    }
  };
}

/** A storage that stages with other options than it is given. */
function stagingWith(change: (options: StageOptions) => StageOptions): new () => MemoryStorage {
  return class extends MemoryStorage {
    override stage(content: Content, options: StageOptions = {}): Promise<StagedFile> {
      return super.stage(content, change(options));
    }
  };
}

/** A storage that lists in another way. */
function listing(change: (ids: string[], options: ListOptions) => string[]): new () => MemoryStorage {
  return class extends MemoryStorage {
    override async *list(options: ListOptions = {}): AsyncIterable<string> {
      const all = await Readable.from(super.list()).toArray();
      yield* change(all, options);
    }
  };
}

const matching = (ids: string[], { prefix = '', after = '' }: ListOptions) =>
  ids.filter((id) => id.startsWith(prefix) && id > after);

/** One fault each. */
const MUTATIONS: Record<string, new () => MemoryStorage> = {
  'loses the last byte': streaming((content) => content.subarray(0, -1)),
  'adds a byte': streaming((content) => Buffer.concat([content, Buffer.of(0)])),
  'ignores ranges': class extends MemoryStorage {
    protected override openStream(details: FileDetails): Readable {
      return super.openStream(details, {});
    }
  },
  'changes content': streaming((content) => Buffer.from(content.map((byte) => byte ^ 1))),
  'reads one byte too many of a range': class extends MemoryStorage {
    protected override openStream(details: FileDetails, options: StreamOptions): Readable {
      const { end } = options;
      return super.openStream(details, { ...options, ...(end !== undefined && { end: end + 1 }) });
    }
  },
  'begins a range one byte late': class extends MemoryStorage {
    protected override openStream(details: FileDetails, options: StreamOptions): Readable {
      const { start } = options;
      return super.openStream(details, { ...options, ...(start && { start: start + 1 }) });
    }
  },
  'forgets the name': telling(() => ({ filename: 'unnamed' })),
  'forgets the type': telling(() => ({ contentType: 'application/octet-stream' })),
  'forgets the metadata': telling(() => ({ metadata: {} })),
  'tells a wrong size': telling(({ size }) => ({ size: size + 1 })),
  'tells a wrong digest': telling(() => ({ sha256: '0'.repeat(64) })),
  'has one ETag for all': telling(() => ({ etag: '"1"' })),
  'has a weak ETag': telling(({ etag }) => ({ etag: `W/${etag}` })),
  'has an ETag without quotes': telling(({ sha256 }) => ({ etag: String(sha256) })),
  'tells fractions of seconds': telling(() => ({ lastModified: new Date(Date.now() - 1.5) })),
  'tells a date long ago': telling(() => ({ lastModified: new Date(0) })),
  'tells another id': telling(() => ({ id: 'another' })),
  'makes up a public URL': telling(() => ({ publicUrl: 'https://example.org/' })),
  'gives metadata that can be changed': telling(({ metadata }) => ({ metadata: structuredClone(metadata) })),
  'lists backwards': listing((ids, options) => matching(ids, options).reverse()),
  'lists without regard to the prefix': listing((ids, { after }) => matching(ids, { after })),
  'lists without regard to where to go on': listing((ids, { prefix }) => matching(ids, { prefix })),
  'goes on with the id that was last': listing((ids, { prefix = '', after = '' }) =>
    ids.filter((id) => id.startsWith(prefix) && id >= after),
  ),
  'lists one too few': listing((ids, options) => matching(ids, options).slice(1)),
  'lists files that do not exist': listing((ids, options) => [...matching(ids, options), 'zzzz']),
  'ignores the limit of size': stagingWith(({ maxSize: _, ...options }) => options),
  'refuses a file of the very limit': stagingWith((options) => ({
    ...options,
    ...(options.maxSize !== undefined && { maxSize: options.maxSize - 1 }),
  })),
  'ignores the signal': stagingWith(({ signal: _, ...options }) => options),
  'does not ask for the type': stagingWith(({ checkType: _, ...options }) => options),
  'overwrites a file by creating': staging((area) => ({
    commit: (details) =>
      area.commit(details).catch((error: DepotError) => {
        if (error.code === 'FILE_EXISTS') return area.replace(details, { ...details, etag: '' });
        throw error;
      }),
  })),
  'commits where it should only prepare': staging((area) => ({
    prepare: (details) => area.commit(details),
    commit: async () => {},
  })),
  'commits nothing': staging(() => ({ commit: async () => {} })),
  'replaces nothing': staging(() => ({ replace: async () => {} })),
  'makes a file where it should replace one': staging((area) => ({
    replace: (details, old) => area.replace(details, old).catch(() => area.commit(details)),
  })),
  'loses a piece of the content': staging((area) => {
    let pieces = 0;
    return {
      write: (chunks, byteLength) => (pieces++ === 1 ? Promise.resolve() : area.write(chunks, byteLength)),
    };
  }),
  'shows what is staged': class extends MemoryStorage {
    override async stage(content: Content, options: StageOptions = {}): Promise<StagedFile> {
      const staged = await super.stage(content, options);
      await staged.commit();
      return super.stage('what was shown already');
    }
  },
  'says that every file exists': class extends MemoryStorage {
    override async exists(): Promise<boolean> {
      return true;
    }
  },
  'says that no file exists': class extends MemoryStorage {
    override async exists(fileOrId: FileOrId): Promise<boolean> {
      await super.exists(fileOrId);
      return false;
    }
  },
  'fails to delete what is not there': class extends MemoryStorage {
    protected override async remove(id: string): Promise<void> {
      await this.readDetails(id);
      await super.remove(id);
    }
  },
  'deletes nothing': class extends MemoryStorage {
    protected override async remove(): Promise<void> {}
  },
  'takes anything for an id': class extends MemoryStorage {
    override async stat(fileOrId: FileOrId): Promise<FileDetails> {
      return this.readDetails(String(typeof fileOrId === 'string' ? fileOrId : fileOrId.id));
    }
  },
  'gives a missing file': class extends MemoryStorage {
    protected override async readDetails(id: string): Promise<FileDetails> {
      return super.readDetails(id).catch(async () => super.readDetails(await super.create('made up')));
    }
  },
  'fails with an error of no code': class extends MemoryStorage {
    protected override async readDetails(id: string): Promise<FileDetails> {
      return super.readDetails(id).catch(() => Promise.reject(new Error('There is no such thing')));
    }
  },
  'forgets what a replacement leaves out': class extends MemoryStorage {
    override async replace(
      fileOrId: FileOrId,
      content: Content,
      options: ReplaceOptions = {},
    ): Promise<string> {
      const kept: FileOptions = {
        filename: 'unnamed',
        contentType: 'application/octet-stream',
        metadata: {},
      };
      return super.replace(fileOrId, content, { ...kept, ...options });
    }
  },
  'replaces by a new file': class extends MemoryStorage {
    override async replace(
      fileOrId: FileOrId,
      content: Content,
      options: ReplaceOptions = {},
    ): Promise<string> {
      await super.stat(fileOrId);
      return super.create(content, options);
    }
  },
  'deletes before it replaces': class extends MemoryStorage {
    override async replace(
      fileOrId: FileOrId,
      content: Content,
      options: ReplaceOptions = {},
    ): Promise<string> {
      const { id, filename, contentType, metadata } = await super.stat(fileOrId);
      await super.delete(id);
      return super.create(content, { filename, contentType, metadata, ...options, id });
    }
  },
  'gives its own id to each file': class extends MemoryStorage {
    override async create(content: Content, { id: _, ...options }: CreateOptions = {}): Promise<string> {
      return super.create(content, options);
    }
  },
  'has one new id only': class extends MemoryStorage {
    override newId(): string {
      return 'new';
    }
  },
  'makes up ids that no file can have': class extends MemoryStorage {
    override newId(): string {
      return `new/${Math.random()}`;
    }
  },
  'gives the same id to each file': class extends MemoryStorage {
    override async create(content: Content, options: CommitOptions = {}): Promise<string> {
      await super.delete('same');
      return super.create(content, { ...options, id: options.id ?? 'same' });
    }
  },
  'opens a file without regard to its content': class extends MemoryStorage {
    override async open(fileOrId: FileOrId): Promise<OpenFile> {
      const open = await super.open(fileOrId);
      return { ...open, stream: () => Readable.from([Buffer.from('something else')]) };
    }
  },
  'fails to close twice': class extends MemoryStorage {
    override async open(fileOrId: FileOrId): Promise<OpenFile> {
      let closed = false;
      const close = async () => {
        if (closed) throw new DepotError('STORAGE_FAILED');
        closed = true;
      };
      return { ...(await super.open(fileOrId)), close };
    }
  },
  'discards nothing': class extends WatchedStorage {
    protected override openStaging(): StagingArea {
      return { ...super.openStaging(), discard: async () => {} };
    }
  },
  'keeps the buffers that it is given': class extends MemoryStorage {
    protected override openStaging(): StagingArea {
      const kept: Buffer[] = [];
      const area = super.openStaging();
      const passOn = () => area.write(kept, 0);
      return {
        write: async (chunks) => void kept.push(...chunks),
        finish: () => area.finish(),
        commit: (details) => passOn().then(() => area.commit(details)),
        replace: (details, old) => passOn().then(() => area.replace(details, old)),
        discard: () => area.discard(),
      };
    }
  },
  'asks what is expected before the type is known': class extends MemoryStorage {
    protected override openStaging({ expected }: StagingOptions = {}): StagingArea {
      expected?.();
      return super.openStaging();
    }
  },
  'does not give up a look-up': class extends MemoryStorage {
    override stat(fileOrId: FileOrId): Promise<FileDetails> {
      return super.stat(fileOrId);
    }
  },
  'does not give up a stream': class extends MemoryStorage {
    protected override openStream(details: FileDetails, { start, end }: StreamOptions): Readable {
      return super.openStream(details, { start, end });
    }
  },
  'does not give up a list': class extends MemoryStorage {
    override list({ prefix, after }: ListOptions = {}): AsyncIterable<string> {
      return super.list({ prefix, after });
    }
  },
  'goes on with a list that is given up': class extends MemoryStorage {
    override async *list({ signal, ...options }: ListOptions = {}): AsyncIterable<string> {
      signal?.throwIfAborted();
      yield* super.list(options);
    }
  },
  'lists only once': class extends MemoryStorage {
    #all: AsyncIterable<string> | undefined;

    override list(options: ListOptions = {}): AsyncIterable<string> {
      if (Object.keys(options).length > 0) return super.list(options);
      this.#all ??= super.list();
      return this.#all;
    }
  },
  'gives nothing of a file that is gone': class extends MemoryStorage {
    protected override openStream(details: FileDetails, options: StreamOptions): Readable {
      const stream = super.openStream(details, options);
      return Readable.from(
        stream
          .toArray()
          .catch(() => [])
          .then((chunks) => [Buffer.concat(chunks)]) as never,
      );
    }
  },
  'gives new content for an old file': class extends MemoryStorage {
    protected override openStream({ id }: FileDetails, options: StreamOptions): Readable {
      const find = () => super.readDetails(id);
      const open = (details: FileDetails) => super.openStream(details, options);
      return Readable.from(
        (async function* () {
          yield* open(await find());
        })(),
      );
    }
  },
  'has URLs that lead nowhere': class extends MemoryStorage {
    override readonly capabilities: Capabilities = new Set(['anyId', 'url']);

    override async url(fileOrId: FileOrId): Promise<string | undefined> {
      await super.url(fileOrId);
      return 'http://127.0.0.1:9/';
    }
  },
  'has no path where it says so': class extends MemoryStorage {
    override readonly capabilities: Capabilities = new Set(['anyId', 'localPath']);
  },
  'takes ids that it says it does not take': class extends MemoryStorage {
    override readonly capabilities: Capabilities = new Set();
  },
  'reads past the length that is asked for': class extends MemoryStorage {
    override async open(fileOrId: FileOrId): Promise<OpenFile> {
      const open = await super.open(fileOrId);
      const content = await open.file.buffer();
      const read = async (buffer: Buffer, _length: number, position: number) =>
        content.copy(buffer, 0, position);
      return { ...open, read };
    }
  },
  'treats a hint as all there is': class extends MemoryStorage {
    override async open(fileOrId: FileOrId, { range }: OpenOptions = {}): Promise<OpenFile> {
      const open = await super.open(fileOrId);
      return range ? { ...open, stream: () => open.stream({ start: 0, end: 9 }) } : open;
    }
  },
  hangs: class extends MemoryStorage {
    override async exists(): Promise<boolean> {
      return new Promise(() => {});
    }
  },
  'cannot be checked': class extends MemoryStorage {
    override async check(): Promise<void> {
      throw new DepotError('STORAGE_UNAVAILABLE');
    }
  },
};

describe('the conformance suite', () => {
  test.each([MemoryStorage, WatchedStorage])('passes %p', async (Storage) => {
    await expect(firstFailure(Storage)).resolves.toBeUndefined();
  });

  test('names the class, the method and what it must do', async () => {
    class Backwards extends MemoryStorage {
      override async *list(): AsyncIterable<string> {
        yield* (await Readable.from(super.list()).toArray()).reverse();
      }
    }
    const message = 'Backwards.list() must give ids in ascending order of their characters, each once';
    await expect(firstFailure(Backwards)).resolves.toMatchObject({ message });
  });

  test('names the class and the case where something fails that must not', async () => {
    class Closed extends MemoryStorage {
      override async stat(): Promise<FileDetails> {
        throw new DepotError('STORAGE_UNAVAILABLE', 'Come back tomorrow');
      }
    }
    const name = 'create: keeps content, size and digest';
    const message = `Closed, ${name}: DepotError STORAGE_UNAVAILABLE: Come back tomorrow`;
    await expect(firstFailure(Closed)).resolves.toEqual({ name, message });
  });

  test.each(Object.entries(MUTATIONS))('notices a storage that %s', async (_fault, Storage) => {
    await expect(firstFailure(Storage, PATIENCE)).resolves.toBeDefined();
  });
});
