import { once } from 'node:events';
import { PassThrough, pipeline, Readable } from 'node:stream';
import { setImmediate } from 'node:timers/promises';
import { describe, expect, test } from '@jest/globals';
import { type OpenBody, ResumingStream } from '../../lib/object-storage/resuming-stream.js';
import { until } from '../support/until.js';

const CONTENT = Buffer.from('0123456789abcdefghij');

/** Gives what is asked for, cut off after some bytes as often as there are numbers. */
function opener(cuts: number[] = []) {
  const asked: [number, number][] = [];
  const open: OpenBody = async (start, end) => {
    asked.push([start, end]);
    const part = CONTENT.subarray(start, end + 1);
    const cut = cuts.shift();
    if (cut === undefined) return Readable.from([part], { objectMode: false });
    return Readable.from(brokenOffAt(part, cut), { objectMode: false }).on('error', () => {});
  };
  return { open, asked };
}

async function* brokenOffAt(part: Buffer, cut: number): AsyncGenerator<Buffer> {
  yield part.subarray(0, cut);
  throw new Error('cut');
}

async function read(stream: Readable): Promise<string> {
  return Buffer.concat(await stream.toArray()).toString();
}

describe('a stream that goes on where it broke off', () => {
  test.each([
    [{}, 0, 19],
    [{ start: 5 }, 5, 19],
    [{ end: 3 }, 0, 3],
    [{ start: 2, end: 100 }, 2, 19],
  ])('%j', async (part, start, end) => {
    const { open, asked } = opener();
    expect(await read(new ResumingStream(open, CONTENT.byteLength, part))).toBe(
      CONTENT.subarray(start, end + 1).toString(),
    );
    expect(asked).toEqual([[start, end]]);
  });

  test('opens nothing before it is read, and nothing past the end', async () => {
    const { open, asked } = opener();
    const stream = new ResumingStream(open, CONTENT.byteLength, { start: 20 });
    expect(asked).toEqual([]);
    expect(await read(stream)).toBe('');
    expect(asked).toEqual([]);
  });

  test('opens what is empty: it may be gone', async () => {
    const gone = new Error('gone');
    await expect(read(new ResumingStream(() => Promise.reject(gone), 0, {}))).rejects.toBe(gone);
  });

  test('asks for the rest after each break', async () => {
    const { open, asked } = opener([4, 3, 5]);
    expect(await read(new ResumingStream(open, CONTENT.byteLength, { start: 1 }))).toBe(
      CONTENT.subarray(1).toString(),
    );
    expect(asked.map(([start]) => start)).toEqual([1, 5, 8, 13]);
  });

  test('a body that ends too early is a break as well', async () => {
    const { open } = opener();
    const short: OpenBody = async (start) => open(start, start + 6, new AbortController().signal);
    expect(await read(new ResumingStream(short, CONTENT.byteLength, {}))).toBe(CONTENT.toString());
  });

  test('gives up where nothing comes any more', async () => {
    const broken: OpenBody = async () => Readable.from([], { objectMode: false });
    await expect(read(new ResumingStream(broken, CONTENT.byteLength, {}))).rejects.toMatchObject({
      code: 'STORAGE_UNAVAILABLE',
    });
  });

  test('a body that breaks off while the reader rests is not opened again before more is wanted', async () => {
    const content = Buffer.alloc(1024 * 1024, 'content ');
    const bodies: PassThrough[] = [];
    const open: OpenBody = async (start, end) => {
      const body = new PassThrough({ highWaterMark: 1 });
      bodies.push(body.on('error', () => {}));
      pipeline(
        [content.subarray(start, start + 300_000), content.subarray(start + 300_000, end + 1)],
        body,
        () => {},
      );
      return body;
    };
    const stream = new ResumingStream(open, content.byteLength, {});
    await once(stream, 'readable');
    await until(() => stream.readableLength >= 300_000);
    bodies[0]?.destroy(new Error('cut'));
    await setImmediate();
    expect(bodies).toHaveLength(1);
    expect(await read(stream)).toBe(content.toString());
    expect(bodies).toHaveLength(2);
  });

  test('takes a body that is open already, and closes it with itself', async () => {
    const { open, asked } = opener();
    const body = Readable.from([CONTENT], { objectMode: false });
    expect(await read(new ResumingStream(open, CONTENT.byteLength, {}, body))).toBe(CONTENT.toString());
    expect(asked).toEqual([]);
    const unread = new PassThrough();
    new ResumingStream(open, CONTENT.byteLength, {}, unread).destroy();
    expect(unread.destroyed).toBe(true);
  });

  test('gives up what it asked for when nobody waits any more', async () => {
    const controller = new AbortController();
    let given: AbortSignal | undefined;
    const silent: OpenBody = (_start, _end, signal) => {
      given = signal;
      return new Promise(() => {});
    };
    const stream = new ResumingStream(silent, CONTENT.byteLength, { signal: controller.signal });
    const reading = read(stream);
    process.nextTick(() => controller.abort());
    await expect(reading).rejects.toMatchObject({ name: 'AbortError' });
    expect(given?.aborted).toBe(true);
  });
});
