import { DepotError } from '../../errors.js';

/** Content in order of which the server has not confirmed yet that it has it. */
export class Backlog {
  #chunks: Buffer[] = [];
  #start = 0;
  #byteLength = 0;

  /** Position of the first byte that is not confirmed. */
  get start(): number {
    return this.#start;
  }

  /** Position after the last byte that there is. */
  get end(): number {
    return this.#start + this.#byteLength;
  }

  add(chunks: readonly Buffer[], byteLength: number): void {
    this.#chunks.push(...chunks);
    this.#byteLength += byteLength;
  }

  /** What comes before a position, from the start on. */
  before(end: number): Buffer[] {
    const taken: Buffer[] = [];
    let left = end - this.#start;
    for (const chunk of this.#chunks) {
      if (left <= 0) break;
      taken.push(chunk.subarray(0, left));
      left -= chunk.byteLength;
    }
    return taken;
  }

  /**
   * Forgets what comes before a position.
   * @throws DepotError `STORAGE_FAILED` where the server has lost what it had confirmed, or has what was never sent
   */
  confirm(position: number): void {
    if (!(position >= this.#start && position <= this.end))
      throw new DepotError(
        'STORAGE_FAILED',
        `The server is at byte ${position} of an upload, not at ${this.#start}`,
      );
    let toDrop = position - this.#start;
    while (toDrop > 0) {
      const [first = Buffer.alloc(0), ...rest] = this.#chunks;
      const dropped = Math.min(toDrop, first.byteLength);
      this.#chunks = dropped < first.byteLength ? [first.subarray(dropped), ...rest] : rest;
      toDrop -= dropped;
    }
    this.#byteLength = this.end - position;
    this.#start = position;
  }

  /** Copies what there is: the buffers that it came in are not used any more. */
  own(): void {
    this.#chunks = [Buffer.concat(this.#chunks)];
  }
}
