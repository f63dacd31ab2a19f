import { stat } from 'node:fs/promises';
import { Readable } from 'node:stream';
import { fileURLToPath } from 'node:url';
import { type Content, toContentSource } from '../contract/content.js';
import { StoredFile } from '../contract/stored-file.js';
import { DepotError } from '../errors.js';
import { type HeldContent, type HoldOptions, holdContent } from './held-content.js';
import type { ImageInput } from './image-processor.js';

/** Content that a decoder can read, and that can still be stored afterwards. Must be released, or handed over. */
export class ReadableImage {
  readonly input: ImageInput;
  readonly #content: Content;
  readonly #held: HeldContent | undefined;

  private constructor(input: ImageInput, content: Content, held?: HeldContent) {
    this.input = input;
    this.#content = content;
    this.#held = held;
  }

  /**
   * What is in memory or in a file stays where it is; everything else is held as a whole.
   * @throws DepotError those of `holdContent`
   */
  static async of(content: Content, options: HoldOptions): Promise<ReadableImage> {
    const input = directInput(content);
    if (input) {
      await assertNotLarger(input, options.maxSize);
      return new ReadableImage(input, content);
    }
    const held = await holdContent(toContentSource(content).open(), options);
    return new ReadableImage(held.input, content, held);
  }

  /** Gives the content on: as it came, or in another form where it came as a stream. */
  async handOver(): Promise<Content> {
    if (this.#held && !canBeReadAgain(this.#content)) return this.#held.handOver();
    await this.release();
    return this.#content;
  }

  /** Removes what was held. Never fails. */
  async release(): Promise<void> {
    await this.#held?.release();
  }
}

/** What is held instead is counted as it comes. */
async function assertNotLarger(input: ImageInput, maxSize = Number.POSITIVE_INFINITY): Promise<void> {
  const size = input instanceof Uint8Array ? input.byteLength : (await stat(input.path)).size;
  if (size > maxSize) throw new DepotError('FILE_TOO_LARGE', `The file is larger than ${maxSize} bytes`);
}

/** Where the bytes already are. */
function directInput(content: Content): ImageInput | undefined {
  if (content instanceof Uint8Array) return content;
  if (content instanceof URL)
    return content.protocol === 'file:' ? { path: fileURLToPath(content) } : undefined;
  if (typeof content !== 'object' || isStream(content)) return undefined;
  if ('buffer' in content && content.buffer instanceof Uint8Array) return content.buffer;
  if ('path' in content && typeof content.path === 'string') return { path: content.path };
  return undefined;
}

/** A stream may have a path as well, and give only a part of what is there. */
function isStream(content: object): boolean {
  return content instanceof Readable || Symbol.asyncIterator in content;
}

function canBeReadAgain(content: Content): boolean {
  return content instanceof StoredFile || content instanceof Blob;
}
