/** Bytes that the buffers of all downloads of this process take together, about: many slow clients must cost little. */
const SHARED_BYTES = 16 * 1024 * 1024;

/** A download reads into one buffer while another one is being written. */
const BUFFERS_EACH = 2;

/** Bytes of a buffer where few download; larger pieces gain nothing. */
export const PIECE_BYTES = 2 * 1024 * 1024;

/** Bytes of a buffer where very many download. */
const MIN_PIECE_BYTES = 32 * 1024;

/** By their size. */
const free = new Map<number, Buffer[]>();
let freeBytes = 0;
let transfers = 0;

/**
 * The buffers that one download reads its pieces into. All downloads of this process share them: allocating one for
 * each piece is what makes large downloads slow.
 */
export class PieceBuffers {
  constructor() {
    transfers++;
  }

  /** @param needed bytes that are still to be read: no larger buffer is given than they need */
  take(needed: number): Buffer {
    const size = pieceSize(needed);
    const buffer = free.get(size)?.pop();
    if (!buffer) return Buffer.allocUnsafeSlow(size);
    freeBytes -= size;
    return buffer;
  }

  /** Takes back a buffer that nobody reads or writes any more; one that never comes back is no loss. */
  give(buffer: Buffer): void {
    const size = buffer.byteLength;
    if (freeBytes + size > SHARED_BYTES) forgetAll();
    const others = free.get(size);
    if (others) others.push(buffer);
    else free.set(size, [buffer]);
    freeBytes += size;
  }

  /** Must be called once, at the end of the download. */
  end(): void {
    transfers--;
  }
}

/** A power of two: buffers of few sizes are likely to be used again. */
function pieceSize(needed: number): number {
  const share = 2 ** Math.floor(Math.log2(SHARED_BYTES / BUFFERS_EACH / transfers));
  const enough = 2 ** Math.ceil(Math.log2(needed));
  return Math.max(Math.min(share, enough, PIECE_BYTES), MIN_PIECE_BYTES);
}

/** Most of them have a size that is not asked for any more. */
function forgetAll(): void {
  free.clear();
  freeBytes = 0;
}
