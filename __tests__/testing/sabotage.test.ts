import { Readable } from 'node:stream';
import { describe, expect, test } from '@jest/globals';
import type { Content } from '../../lib/contract/content.js';
import type { CommitOptions, FileOptions, FileOrId, StagedFile } from '../../lib/contract/staged-file.js';
import type {
  CreateOptions,
  ListOptions,
  OpenFile,
  ReplaceOptions,
  StageOptions,
  StagingArea,
} from '../../lib/contract/storage.js';
import { type FileDetails, StoredFile, type StreamOptions } from '../../lib/contract/stored-file.js';
import { DepotError } from '../../lib/errors.js';
import { MemoryStorage } from '../../lib/storages/memory.js';
import { storageConformance } from '../../lib/testing/index.js';

/** Milliseconds after which a broken storage counts as hanging. */
const PATIENCE = 3_000;

/** The names of the cases that a storage does not pass; stops at the first. */
async function firstFailure(Storage: new () => MemoryStorage, timeout?: number): Promise<string | undefined> {
  const openStorage = async () => ({ storage: new Storage() });
  for (const { name, skip, run } of storageConformance({ openStorage, ...(timeout && { timeout }) })) {
    if (skip !== undefined) continue;
    try {
      await run();
    } catch {
      return name;
    }
  }
  return undefined;
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
  'cannot be checked': class extends MemoryStorage {
    override async check(): Promise<void> {
      throw new DepotError('STORAGE_UNAVAILABLE');
    }
  },
};

describe('the conformance suite', () => {
  test('passes a storage that works', async () => {
    await expect(firstFailure(MemoryStorage)).resolves.toBeUndefined();
  }, 60_000);

  test.each(Object.entries(MUTATIONS))('notices a storage that %s', async (_fault, Storage) => {
    await expect(firstFailure(Storage, PATIENCE)).resolves.toBeDefined();
  });
});
