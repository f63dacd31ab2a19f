import { Readable } from 'node:stream';
import type {
  AddFileOptions,
  AttachmentFilter,
  DerivedFile,
  FilterContext,
} from '../../lib/attachments/filters.js';
import type { Content } from '../../lib/contract/content.js';
import type { Metadata } from '../../lib/contract/metadata.js';
import { MemoryStorage } from '../../lib/storages/memory.js';

/** What filters have made of an attachment. */
export interface Filtered {
  readonly files: Record<string, DerivedFile>;
  readonly contents: Record<string, Buffer>;
  readonly metadata: Metadata;
  /** How often the original was opened as a stream. */
  readonly opened: readonly Readable[];
}

/** Runs filters on content as a save does, without a database. */
export async function applyFilters(filters: readonly AttachmentFilter[], content: Buffer): Promise<Filtered> {
  const run = new FilterRun(filters, content);
  try {
    for (const filter of filters) await filter.apply(run.context);
  } finally {
    for (const release of run.releases) await release();
  }
  return run;
}

class FilterRun implements Filtered {
  readonly storage = new MemoryStorage();
  readonly files: Record<string, DerivedFile> = {};
  readonly contents: Record<string, Buffer> = {};
  readonly opened: Readable[] = [];
  readonly releases: (() => Promise<void> | void)[] = [];
  metadata: Metadata = {};
  readonly context: FilterContext;

  constructor(filters: readonly AttachmentFilter[], content: Buffer) {
    const shared = new Map<unknown, unknown>();
    this.context = {
      original: {
        filename: 'summer photo.jpeg',
        contentType: 'image/jpeg',
        size: content.byteLength,
        sha256: '',
      },
      source: {
        localPath: async () => undefined,
        open: () => this.#open(content),
        buffer: async () => content,
      },
      filters,
      signal: new AbortController().signal,
      share: <Value>(key: symbol | object, create: () => Value) => {
        if (!shared.has(key)) shared.set(key, create());
        return shared.get(key) as Value;
      },
      atEnd: (release) => void this.releases.push(release),
      addFile: (name, file, options) => this.#addFile(name, file, options),
      addMetadata: (metadata) => {
        this.metadata = { ...this.metadata, ...metadata };
      },
    };
  }

  #open(content: Buffer): Readable {
    const stream = Readable.from([content]);
    this.opened.push(stream);
    return stream;
  }

  async #addFile(name: string, content: Content, options: AddFileOptions = {}): Promise<DerivedFile> {
    const { details, ...others } = options;
    const file = await this.storage.get(await this.storage.create(content, others));
    const { id, filename, contentType, size } = file;
    this.contents[name] = await file.buffer();
    const derived = { depot: 'default', id, path: `default/${id}`, filename, contentType, size, ...details };
    this.files[name] = derived;
    return derived;
  }
}
