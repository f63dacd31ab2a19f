import { Readable } from 'node:stream';
import type { Capabilities, Capability } from '../../lib/contract/capabilities.js';
import type { FileOrId } from '../../lib/contract/staged-file.js';
import type { OpenFile, UrlOptions } from '../../lib/contract/storage.js';
import type { StoredFile, StreamOptions } from '../../lib/contract/stored-file.js';
import { MemoryStorage } from '../../lib/storages/memory.js';

export type ReadContent = (
  content: Buffer,
  ...range: Parameters<NonNullable<OpenFile['read']>>
) => Promise<number>;

/** How an opened file behaves, in place of what Memory does. */
export interface Behaviour {
  /** Reads a piece into a buffer; without it, files are streamed. */
  read?: ReadContent;
  /** Streams a part. */
  stream?: (content: Buffer, options: StreamOptions) => Readable;
  url?: (options: UrlOptions) => string | undefined;
  localPath?: (id: string) => string;
}

/** Reads as `fs.read` does. */
export async function readWell(
  content: Buffer,
  buffer: Buffer,
  length: number,
  position: number,
): Promise<number> {
  await new Promise(setImmediate);
  return content.copy(buffer, 0, position, Math.min(position + length, content.byteLength));
}

/** A storage whose opened files can be made to misbehave, and that counts them. */
export class OpenFilesStorage extends MemoryStorage {
  override readonly capabilities: Capabilities;
  readonly #behaviour: Behaviour;
  readonly #contents = new Map<string, Promise<Buffer>>();
  opened = 0;
  closed = 0;
  streams: Readable[] = [];

  constructor(behaviour: Behaviour = {}) {
    super();
    this.#behaviour = behaviour;
    const capabilities: Capability[] = ['anyId'];
    if (behaviour.url) capabilities.push('url');
    if (behaviour.localPath) capabilities.push('localPath');
    this.capabilities = new Set(capabilities);
  }

  override async open(fileOrId: FileOrId): Promise<OpenFile> {
    const file = await this.get(fileOrId);
    const content = await this.#contentOf(file);
    const { read, localPath, stream = streamWell } = this.#behaviour;
    let isOpen = true;
    this.opened++;
    return {
      file,
      localPath: localPath?.(file.id),
      read: read && ((...range) => read(content, ...range)),
      stream: (options = {}) => this.#keep(stream(content, options)),
      close: async () => {
        if (isOpen) this.closed++;
        isOpen = false;
      },
    };
  }

  override async url(_fileOrId: FileOrId, options: UrlOptions = {}): Promise<string | undefined> {
    return this.#behaviour.url?.(options);
  }

  /** Read once: the tests are not about Memory. */
  #contentOf(file: StoredFile): Promise<Buffer> {
    const content = this.#contents.get(file.etag) ?? file.buffer();
    this.#contents.set(file.etag, content);
    return content;
  }

  #keep(stream: Readable): Readable {
    this.streams.push(stream);
    return stream;
  }
}

function streamWell(content: Buffer, { start = 0, end = content.byteLength }: StreamOptions): Readable {
  return Readable.from([content.subarray(start, end + 1)]);
}
