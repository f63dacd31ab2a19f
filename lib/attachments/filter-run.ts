import type { Readable } from 'node:stream';
import type { Content } from '../contract/content.js';
import { type JsonValue, type Metadata, parseFrozen } from '../contract/metadata.js';
import type { ByteRange, StoredFile } from '../contract/stored-file.js';
import { DepotError } from '../errors.js';
import type {
  AddFileOptions,
  AttachmentFilter,
  DerivedFile,
  FilterContext,
  FilterSource,
  OriginalFile,
} from './filters.js';
import { localPathOf, reopen } from './incoming.js';
import { lateStream } from './late-stream.js';

/** Stores a file that belongs to the attachment; gives what is known of it. */
export type StoreDerived = (content: Content, options: AddFileOptions) => Promise<DerivedFile>;

/** What filters have added to an attachment. */
export interface Additions {
  readonly files: Readonly<Record<string, DerivedFile>>;
  readonly metadata: Metadata;
}

/** Keys of the attachment's own. */
const TAKEN_NAMES = new Set([
  ...['depot', 'id', 'path', 'filename', 'contentType', 'size', 'sha256', 'uploadedAt', 'files', 'metadata'],
  ...['toJSON', 'constructor', '__proto__', 'key', 'data'],
]);

/** A key that is as good in JSON as in code, and a part of a file's name. */
const NAME = /^[A-Za-z][A-Za-z0-9_]{0,63}$/;

/** Runs the filters of one attachment; what one of them throws ends it. */
export class FilterRun implements FilterContext {
  readonly original: OriginalFile;
  readonly source: FilterSource;
  readonly filters: readonly AttachmentFilter[];
  readonly signal: AbortSignal;
  readonly #store: StoreDerived;
  readonly #shared = new Map<symbol | object, unknown>();
  readonly #releases: (() => Promise<void> | void)[] = [];
  readonly #files = new Map<string, Promise<DerivedFile>>();
  #metadata: Metadata = {};

  constructor(
    original: OriginalFile,
    source: FilterSource,
    filters: readonly AttachmentFilter[],
    signal: AbortSignal,
    store: StoreDerived,
  ) {
    this.original = original;
    this.source = source;
    this.filters = filters;
    this.signal = signal;
    this.#store = store;
  }

  async run(): Promise<Additions> {
    try {
      for (const filter of this.filters) {
        this.signal.throwIfAborted();
        await filter.apply(this);
      }
      const files = await Promise.all(
        [...this.#files].map(async ([name, file]) => [name, await file] as const),
      );
      return { files: Object.fromEntries(files), metadata: this.#metadata };
    } finally {
      await Promise.allSettled(this.#files.values());
      await Promise.allSettled(this.#releases.map(async (release) => release()));
      this.#shared.clear();
    }
  }

  // Bound, since filters take apart what they are given.
  readonly share = <Value>(key: symbol | object, create: () => Value): Value => {
    if (!this.#shared.has(key)) this.#shared.set(key, create());
    return this.#shared.get(key) as Value;
  };

  readonly atEnd = (release: () => Promise<void> | void): void => {
    this.#releases.push(release);
  };

  readonly addFile = (name: string, content: Content, options: AddFileOptions = {}): Promise<DerivedFile> => {
    if (!NAME.test(name) || TAKEN_NAMES.has(name) || this.#files.has(name))
      return Promise.reject(taken(name));
    const { filename = `${name}-${this.original.filename}` } = options;
    const stored = this.#store(content, { ...options, filename });
    this.#files.set(name, stored);
    return stored;
  };

  readonly addMetadata = (metadata: Metadata): void => {
    this.#metadata = { ...this.#metadata, ...jsonOf(metadata) };
  };
}

/** Where filters find a file that is stored. */
export interface FileFinder {
  find(): Promise<StoredFile>;
  /** Where the storage has it on this machine, if it does. */
  locate(): Promise<string | undefined>;
}

/** Content for filters: read again from where it came, else from the storage. */
export function filterSource(content: Content, { find, locate }: FileFinder): FilterSource {
  const again = reopen(content);
  let whole: Promise<Buffer> | undefined;
  const read = async () => {
    if (content instanceof Uint8Array) return asBuffer(content);
    return again ? Buffer.concat(await again().toArray()) : (await find()).buffer();
  };
  return {
    localPath: async () => (await locate()) ?? localPathOf(content),
    open: (range?: ByteRange): Readable => (again && !range ? again() : lateStream(find, range)),
    buffer: () => {
      whole ??= read();
      return whole;
    },
  };
}

function asBuffer(bytes: Uint8Array): Buffer {
  return Buffer.isBuffer(bytes) ? bytes : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

function jsonOf(metadata: Metadata): { readonly [key: string]: JsonValue } {
  try {
    return parseFrozen(JSON.stringify(metadata));
  } catch (cause) {
    throw new DepotError('INVALID_METADATA', 'What a filter has added cannot be written as JSON', { cause });
  }
}

function taken(name: string): DepotError {
  return new DepotError(
    'INVALID_OPTION',
    `A filter cannot add a file under the name ${JSON.stringify(name)}`,
  );
}
