import { Readable } from 'node:stream';
import type { Capabilities } from '../contract/capabilities.js';
import { FileStorage, type ListOptions, type NewFileDetails, type StagingArea } from '../contract/storage.js';
import type { FileDetails, StreamOptions } from '../contract/stored-file.js';
import { DepotError, FileNotFoundError } from '../errors.js';

interface MemoryFile {
  readonly details: FileDetails;
  readonly content: Buffer;
}

type MemoryFiles = Map<string, MemoryFile>;

/** Keeps files in this process's memory, until it ends: for tests and for trying things out. */
export class MemoryStorage extends FileStorage {
  readonly capabilities: Capabilities = new Set(['anyId']);
  readonly #files: MemoryFiles = new Map();

  async check(): Promise<void> {}

  protected openStaging(): StagingArea {
    return new MemoryStaging(this.#files);
  }

  protected async readDetails(id: string): Promise<FileDetails> {
    return this.#find(id).details;
  }

  protected openStream(details: FileDetails, options: StreamOptions): Readable {
    const { start = 0, end = details.size, signal } = options;
    const find = () => this.#find(details.id);
    const read = async function* () {
      const file = find();
      if (file.details !== details)
        throw new DepotError('CONFLICT', 'The file was replaced since it was looked up');
      if (file.content.byteLength > start) yield file.content.subarray(start, end + 1);
    };
    return Readable.from(read(), { signal });
  }

  protected async remove(id: string): Promise<void> {
    this.#files.delete(id);
  }

  protected async *listIds({ prefix = '', after = '' }: ListOptions): AsyncIterable<string> {
    for (const id of [...this.#files.keys()].sort()) {
      if (id > after && id.startsWith(prefix)) yield id;
    }
  }

  #find(id: string): MemoryFile {
    const file = this.#files.get(id);
    if (!file) throw new FileNotFoundError(id);
    return file;
  }
}

class MemoryStaging implements StagingArea {
  readonly #files: MemoryFiles;
  #chunks: Buffer[] = [];

  constructor(files: MemoryFiles) {
    this.#files = files;
  }

  /** Copies: a caller may use its buffers again. */
  async write(chunks: readonly Buffer[]): Promise<void> {
    this.#chunks.push(Buffer.concat(chunks));
  }

  async finish(): Promise<void> {}

  async commit(details: NewFileDetails): Promise<void> {
    if (this.#files.has(details.id)) throw new DepotError('FILE_EXISTS');
    this.#keep(details);
  }

  async replace(details: NewFileDetails): Promise<void> {
    if (!this.#files.has(details.id)) throw new FileNotFoundError(details.id);
    this.#keep(details);
  }

  async discard(): Promise<void> {
    this.#chunks = [];
  }

  #keep(details: NewFileDetails): void {
    const content = Buffer.concat(this.#chunks);
    this.#files.set(details.id, { details: { ...details, etag: `"${details.sha256}"` }, content });
    this.#chunks = [];
  }
}
