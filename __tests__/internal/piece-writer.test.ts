import { once } from 'node:events';
import { PassThrough, Readable } from 'node:stream';
import { describe, expect, jest, test } from '@jest/globals';
import { writeInPieces } from '../../lib/internal/piece-writer.js';
import { until } from '../support/until.js';

const KIB = 1024;
const pieceSize = 64 * KIB;

/** A place to write to that lets each piece pass only when it is told to. */
class Gate {
  readonly pieces: Buffer[] = [];
  #open: (() => void) | undefined;
  #fail: ((error: Error) => void) | undefined;
  mostAtOnce = 0;
  #atOnce = 0;

  readonly write = (chunks: readonly Buffer[], byteLength: number): Promise<void> => {
    const piece = Buffer.concat(chunks);
    expect(piece.byteLength).toBe(byteLength);
    this.pieces.push(piece);
    this.mostAtOnce = Math.max(this.mostAtOnce, ++this.#atOnce);
    return new Promise<void>((resolve, reject) => {
      this.#open = resolve;
      this.#fail = reject;
    }).finally(() => this.#atOnce--);
  };

  get closed(): boolean {
    return this.#atOnce > 0;
  }

  get content(): Buffer {
    return Buffer.concat(this.pieces);
  }

  pass(): void {
    this.#open?.();
  }

  refuse(error: Error): void {
    this.#fail?.(error);
  }
}

/** A source that says how much it was asked for. */
class Source extends Readable {
  given = 0;
  readonly #chunkSize: number;
  readonly #total: number;

  constructor(total: number, chunkSize = 16 * KIB) {
    super({ highWaterMark: chunkSize });
    this.#total = total;
    this.#chunkSize = chunkSize;
  }

  override _read(): void {
    const length = Math.min(this.#chunkSize, this.#total - this.given);
    this.push(length > 0 ? Buffer.alloc(length, (this.given / this.#chunkSize) % 256) : null);
    this.given += length;
  }
}

/** Whether a promise has settled, without waiting for it. */
function watch(promise: Promise<unknown>) {
  const state = { settled: false };
  const settle = () => {
    state.settled = true;
  };
  promise.then(settle, settle);
  return state;
}

const turns = async (count = 20) => {
  for (let turn = 0; turn < count; turn++) await new Promise(setImmediate);
};

async function collect(stream: Readable, size = pieceSize): Promise<Buffer[]> {
  const pieces: Buffer[] = [];
  const write = async (chunks: readonly Buffer[]) => void pieces.push(Buffer.concat(chunks));
  await writeInPieces(stream, write, { pieceSize: size });
  return pieces;
}

describe('pieces', () => {
  test('are at least as large as asked for, but for the last one', async () => {
    const pieces = await collect(new Source(200 * KIB, 10_000));
    expect(Buffer.concat(pieces).byteLength).toBe(200 * KIB);
    for (const piece of pieces.slice(0, -1)) expect(piece.byteLength).toBeGreaterThanOrEqual(pieceSize);
  });

  test('keep the order of the content', async () => {
    const chunks = Array.from({ length: 500 }, (_, index) => Buffer.alloc(1 + (index % 97), index % 256));
    expect(Buffer.concat(await collect(Readable.from(chunks), 1000))).toEqual(Buffer.concat(chunks));
  });

  test('are smaller where several streams are read at once, but not tiny', async () => {
    const sizes = async (streams: number) => {
      const collected = Array.from({ length: streams }, () => collect(new Source(2048 * KIB), 512 * KIB));
      return (await Promise.all(collected)).map(([first]) => (first as Buffer).byteLength / KIB);
    };
    expect(await sizes(1)).toEqual([512]);
    expect(await sizes(2)).toEqual([256, 256]);
    expect(await sizes(8)).toEqual(Array(8).fill(128));
    expect(await sizes(1)).toEqual([512]);
  });

  test('are none for an empty stream', async () => {
    expect(await collect(Readable.from([]))).toEqual([]);
  });

  test('are one for a single chunk, however large', async () => {
    const pieces = await collect(Readable.from([Buffer.alloc(pieceSize * 5)]));
    expect(pieces.map((piece) => piece.byteLength)).toEqual([pieceSize * 5]);
  });

  test('take text and byte arrays that are views of a larger buffer', async () => {
    const middle = new Uint8Array(Buffer.from('<middle>')).subarray(1, 7);
    const pieces = await collect(Readable.from(['żółw ', new Uint8Array(0), middle]));
    expect(Buffer.concat(pieces)).toEqual(Buffer.from('żółw middle'));
  });

  test('of a stream that was paused before', async () => {
    const stream = new Source(100 * KIB);
    stream.pause();
    expect(Buffer.concat(await collect(stream)).byteLength).toBe(100 * KIB);
  });

  test('are written one at a time', async () => {
    const gate = new Gate();
    const written = writeInPieces(new Source(1024 * KIB), gate.write, { pieceSize });
    const state = watch(written);
    while (!state.settled) {
      await turns(3);
      gate.pass();
    }
    await written;
    expect(gate.mostAtOnce).toBe(1);
    expect(gate.content.byteLength).toBe(1024 * KIB);
  });

  test('that wait are bounded: a slow write holds the source back', async () => {
    const gate = new Gate();
    const source = new Source(64 * 1024 * KIB);
    const written = writeInPieces(source, gate.write, { pieceSize });
    await turns(50);
    // One piece is being written and two wait; the stream itself holds one or two chunks.
    expect(source.given).toBeLessThanOrEqual(3 * pieceSize + 3 * 16 * KIB);
    expect(source.isPaused()).toBe(true);
    source.destroy(new Error('enough'));
    await turns();
    gate.pass();
    await expect(written).rejects.toThrow('enough');
  });
});

describe('a failure', () => {
  /** A transfer that has one write under way. */
  async function underWay(options: { signal?: AbortSignal; inspect?: (chunk: Buffer) => void } = {}) {
    const stream = new PassThrough();
    const gate = new Gate();
    const written = writeInPieces(stream, gate.write, { pieceSize, ...options });
    const state = watch(written);
    stream.write(Buffer.alloc(pieceSize));
    await until(() => gate.closed, 'the first write');
    return { stream, gate, written, state };
  }

  /** It must not settle before the write has ended, and then with that error. */
  async function expectLateFailure(
    running: Awaited<ReturnType<typeof underWay>>,
    error: Error,
    end: () => void,
  ) {
    await turns();
    expect(running.state.settled).toBe(false);
    end();
    await expect(running.written).rejects.toBe(error);
    expect(running.gate.pieces).toHaveLength(1);
  }

  const error = new Error('it broke');

  test.each(['passes', 'fails too'])('of the stream waits for the write, which %s', async (outcome) => {
    const running = await underWay();
    running.stream.destroy(error);
    const end = () => (outcome === 'passes' ? running.gate.pass() : running.gate.refuse(new Error('later')));
    await expectLateFailure(running, error, end);
  });

  test('by the signal waits for the write', async () => {
    const controller = new AbortController();
    const running = await underWay({ signal: controller.signal });
    controller.abort(error);
    await expectLateFailure(running, error, () => running.gate.pass());
  });

  test('of inspect waits for the write', async () => {
    let seen = 0;
    const inspect = () => {
      if (++seen > 1) throw error;
    };
    const running = await underWay({ inspect });
    running.stream.write('more');
    await expectLateFailure(running, error, () => running.gate.pass());
    expect(seen).toBe(2);
  });

  test('of the write is the failure of all, and nothing is written after it', async () => {
    const running = await underWay();
    running.stream.write(Buffer.alloc(pieceSize * 2));
    running.gate.refuse(error);
    await expect(running.written).rejects.toBe(error);
    running.stream.end('the end');
    await turns();
    expect(running.gate.pieces).toHaveLength(1);
  });

  test('of the last write, after the end of the stream', async () => {
    const running = await underWay();
    running.stream.end();
    running.gate.refuse(error);
    await expect(running.written).rejects.toBe(error);
  });

  test('of the stream after its end, while the last write is under way', async () => {
    const running = await underWay();
    running.stream.end();
    await once(running.stream, 'end');
    running.stream.emit('error', error);
    await expectLateFailure(running, error, () => running.gate.pass());
  });

  test('by a stream that closes before its end', async () => {
    const running = await underWay();
    running.stream.destroy();
    await turns();
    expect(running.state.settled).toBe(false);
    running.gate.pass();
    await expect(running.written).rejects.toMatchObject({ code: 'UPLOAD_ABORTED' });
  });

  test('only the first one counts', async () => {
    const controller = new AbortController();
    const running = await underWay({ signal: controller.signal });
    running.stream.destroy(error);
    await turns(3);
    controller.abort(new Error('second'));
    await expectLateFailure(running, error, () => running.gate.pass());
  });

  test('leaves no listener on the signal, nor does success', async () => {
    const { signal } = new AbortController();
    const removed = jest.spyOn(signal, 'removeEventListener');
    const write = async () => {};
    await writeInPieces(Readable.from(['x']), write, { pieceSize, signal });
    await writeInPieces(new Readable().destroy(), write, { pieceSize, signal }).catch(() => {});
    expect(removed).toHaveBeenCalledTimes(2);
  });

  test('that the stream reports later does not end the process', async () => {
    const stream = new PassThrough();
    const written = writeInPieces(stream, async () => {}, { pieceSize });
    stream.end('whole');
    await written;
    expect(() => stream.emit('error', new Error('late'))).not.toThrow();
  });
});

describe('a stream that cannot be read', () => {
  const never = jest.fn(async () => {});

  test.each([
    ['was destroyed', 'UPLOAD_ABORTED', async () => new Source(10).destroy()],
    ['was read before', 'INVALID_CONTENT', async () => consumed()],
    ['gives numbers', 'INVALID_CONTENT', async () => Readable.from([1, 2, 3])],
    ['gives objects', 'INVALID_CONTENT', async () => Readable.from([{ buffer: 'no' }])],
  ])('as it %s, fails with %s', async (_what, code, open) => {
    const written = writeInPieces(await open(), never, { pieceSize });
    await expect(written).rejects.toMatchObject({ name: 'DepotError', code });
    expect(never).not.toHaveBeenCalled();
  });

  test('as it failed before, fails with its error', async () => {
    const error = new Error('long ago');
    const stream = new Source(10).on('error', () => {});
    stream.destroy(error);
    await until(() => stream.closed);
    await expect(writeInPieces(stream, never, { pieceSize })).rejects.toBe(error);
  });

  test('as the signal was aborted before, fails with its reason', async () => {
    const reason = new Error('no more');
    const signal = AbortSignal.abort(reason);
    await expect(writeInPieces(new Source(10), never, { pieceSize, signal })).rejects.toBe(reason);
    expect(never).not.toHaveBeenCalled();
  });

  async function consumed(): Promise<Readable> {
    const stream = Readable.from(['x']);
    for await (const _ of stream);
    return stream;
  }
});

test('many small chunks are handed on as few', async () => {
  const counts: number[] = [];
  const pieces: Buffer[] = [];
  const write = async (chunks: readonly Buffer[]) => {
    counts.push(chunks.length);
    pieces.push(Buffer.concat(chunks));
  };
  const content = Buffer.from(Array.from({ length: 10_000 }, (_, index) => index % 251));
  const chunks = Array.from(content, (byte) => Buffer.from([byte]));
  await writeInPieces(Readable.from(chunks), write, { pieceSize });
  expect(Buffer.concat(pieces)).toEqual(content);
  expect(Math.max(...counts)).toBeLessThan(1100);
});
