/**
 * Puts content together to parts of one size, as some servers want them, in buffers that are used again: what arrives in
 * small chunks is then free at once, and cheap to collect.
 */
export class PartBuffers {
  readonly #partSize: number;
  readonly #spare: Buffer[] = [];
  #part: Buffer | undefined;
  #filled = 0;

  /** @param partSize bytes */
  constructor(partSize: number) {
    this.#partSize = partSize;
  }

  /** Copies content, and gives each part that is full. */
  *fill(chunks: readonly Buffer[]): Generator<Buffer> {
    for (const chunk of chunks) {
      for (let start = 0; start < chunk.byteLength; ) {
        this.#part ??= this.#spare.pop() ?? Buffer.allocUnsafeSlow(this.#partSize);
        const copied = chunk.copy(this.#part, this.#filled, start);
        start += copied;
        this.#filled += copied;
        const full = this.#filled === this.#partSize && this.#take();
        if (full) yield full;
      }
    }
  }

  /** The last part, which may be smaller; nothing where there is no more. */
  rest(): Buffer | undefined {
    return this.#filled > 0 ? this.#take() : undefined;
  }

  /** Takes back a part that nobody reads any more. */
  give(part: Buffer): void {
    if (part.byteLength === this.#partSize) this.#spare.push(part);
  }

  #take(): Buffer | undefined {
    const part = this.#part?.subarray(0, this.#filled);
    this.#part = undefined;
    this.#filled = 0;
    return part;
  }
}
