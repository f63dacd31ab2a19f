import { randomBytes } from 'node:crypto';
import { readdir, readFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { Readable } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import { describe, expect, test } from '@jest/globals';
import { type HeldContent, holdContent, MAX_IN_MEMORY } from '../../lib/images/held-content.js';
import { until } from '../support/until.js';

/** What looks like a JPEG by its first bytes. */
function likeJpeg(size: number): Buffer {
  const content = randomBytes(size);
  content.set([0xff, 0xd8, 0xff, 0xe0]);
  return content;
}

function inChunks(content: Buffer, size = 64 * 1024): Readable {
  const chunks = Array.from({ length: Math.ceil(content.length / size) }, (_, index) =>
    content.subarray(index * size, (index + 1) * size),
  );
  return Readable.from(chunks);
}

async function contentOf({ input }: HeldContent): Promise<Buffer> {
  return input instanceof Uint8Array ? Buffer.from(input) : readFile(input.path);
}

function pathOf({ input }: HeldContent): string {
  if (input instanceof Uint8Array) throw new Error('It is held in memory');
  return input.path;
}

async function ourFiles(): Promise<string[]> {
  return (await readdir(tmpdir()))
    .filter((name) => name.startsWith(`filedepot-image-${process.pid}-`))
    .sort();
}

describe('content is held', () => {
  test.each([
    ['in memory, if it is small', MAX_IN_MEMORY, true],
    ['in a file, if it is large', MAX_IN_MEMORY + 1, false],
    ['in a file, if it is larger', MAX_IN_MEMORY * 3 + 7, false],
  ])('%s', async (_where, size, isInMemory) => {
    const content = likeJpeg(size);
    const held = await holdContent(inChunks(content));
    expect(held.input instanceof Uint8Array).toBe(isInMemory);
    expect((await contentOf(held)).equals(content)).toBe(true);
    await held.release();
  });

  test('and gone when it is released, more than once as well', async () => {
    const held = await holdContent(inChunks(likeJpeg(MAX_IN_MEMORY * 2)));
    const path = pathOf(held);
    await held.release();
    await held.release();
    await expect(readFile(path)).rejects.toMatchObject({ code: 'ENOENT' });
  });

  test('and handed over', async () => {
    for (const size of [1000, MAX_IN_MEMORY * 2]) {
      const content = likeJpeg(size);
      const held = await holdContent(inChunks(content));
      const given = held.handOver();
      expect((given instanceof Readable ? await buffer(given) : given).equals(content)).toBe(true);
    }
  });

  test.each([
    ['was read', async (stream: Readable) => void (await buffer(stream))],
    ['was given up before it was read', async (stream: Readable) => void stream.destroy()],
    [
      'was given up in the middle',
      async (stream: Readable) => {
        for await (const _chunk of stream) break;
      },
    ],
  ])('what was handed over is gone when it %s', async (_when, act) => {
    const held = await holdContent(inChunks(likeJpeg(MAX_IN_MEMORY * 2)));
    const path = pathOf(held);
    await act(held.handOver() as Readable);
    await until(async () => {
      const found = await readFile(path).catch(() => undefined);
      return found === undefined;
    }, 'the file to go');
  });
});

describe('nothing stays', () => {
  async function expectFailure(stream: Readable, code: string, options = {}): Promise<void> {
    const before = await ourFiles();
    await expect(holdContent(stream, options)).rejects.toMatchObject({ code });
    expect(stream.destroyed).toBe(true);
    expect(await ourFiles()).toEqual(before);
  }

  test('of what is no image: the rest is not read', async () => {
    let read = 0;
    const endless = Readable.from(
      (async function* () {
        for (;;) {
          read += 64 * 1024;
          yield Buffer.alloc(64 * 1024, 'text');
        }
      })(),
    );
    await expectFailure(endless, 'IMAGE_NOT_ACCEPTED');
    expect(read).toBeLessThan(4 * MAX_IN_MEMORY);
  });

  test('of a short text', () => expectFailure(Readable.from([Buffer.from('text')]), 'IMAGE_NOT_ACCEPTED'));

  test('of nothing', () => expectFailure(Readable.from([]), 'IMAGE_NOT_ACCEPTED'));

  test('of what is too large', () =>
    expectFailure(inChunks(likeJpeg(MAX_IN_MEMORY * 3)), 'FILE_TOO_LARGE', { maxSize: MAX_IN_MEMORY * 2 }));

  test('of a stream that fails', async () => {
    const failing = Readable.from(
      (async function* () {
        yield likeJpeg(MAX_IN_MEMORY * 2);
        throw Object.assign(new Error('lost'), { code: 'ECONNRESET' });
      })(),
    );
    await expectFailure(failing, 'ECONNRESET');
  });

  test('of what is given up', async () => {
    const controller = new AbortController();
    const reason = Object.assign(new Error('gone'), { code: 'GONE' });
    const stream = Readable.from(
      (async function* () {
        yield likeJpeg(MAX_IN_MEMORY * 2);
        controller.abort(reason);
        yield likeJpeg(MAX_IN_MEMORY * 2);
      })(),
    );
    await expectFailure(stream, 'GONE', { signal: controller.signal });
  });
});
