/** Bytes of a buffer; larger pieces gain nothing. */
export const PIECE_BYTES = 256 * 1024;

/** Downloads at once that have large buffers; further ones get small ones, so that many slow clients cost little. */
const MAX_POOLED_TRANSFERS = 64;

/** Bytes of a buffer of those further ones. */
const SMALL_PIECE_BYTES = 32 * 1024;

/** Buffers that are kept for later downloads. */
const MAX_FREE = 16;

const free: Buffer[] = [];
let transfers = 0;

/**
 * The buffers that one download reads its pieces into. All downloads of this process share them: allocating one for
 * each piece is what makes large downloads slow.
 */
export class PieceBuffers {
  readonly #isPooled = ++transfers <= MAX_POOLED_TRANSFERS;

  take(): Buffer {
    if (!this.#isPooled) return Buffer.allocUnsafeSlow(SMALL_PIECE_BYTES);
    return free.pop() ?? Buffer.allocUnsafeSlow(PIECE_BYTES);
  }

  /** Takes back a buffer that nobody reads or writes any more; one that never comes back is no loss. */
  give(buffer: Buffer): void {
    if (this.#isPooled && free.length < MAX_FREE) free.push(buffer);
  }

  /** Must be called once, at the end of the download. */
  end(): void {
    transfers--;
  }
}
