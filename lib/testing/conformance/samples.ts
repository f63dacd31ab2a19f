import { createCipheriv, createHash } from 'node:crypto';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PassThrough, Readable } from 'node:stream';
import type { Subject } from './subject.js';

/** More than storages write or read at once, and no multiple of anything. */
export const LARGE = 3 * 1024 * 1024 + 577;

/** The beginning of a PNG image, as far as magic bytes go. */
export const PNG_HEAD = Buffer.from(
  '89504e470d0a1a0a0000000d4948445200000001000000010804000000b51c0c02000080004944415478da',
  'hex',
);

/** Bytes without a pattern, the same for the same seed. */
export function sampleBytes(length: number, seed = 1): Buffer {
  const key = createHash('sha256').update(String(seed)).digest();
  return createCipheriv('aes-256-ctr', key, Buffer.alloc(16)).update(Buffer.alloc(length));
}

export function sha256(content: Uint8Array): string {
  return createHash('sha256').update(content).digest('hex');
}

/** Content in chunks of odd sizes, single bytes and more than 64 KiB among them. */
export function* oddChunks(content: Buffer): Generator<Buffer> {
  const sizes = [1, 65_537, 7, 4_099, 150_001, 3, 32_768, 999];
  let position = 0;
  for (let turn = 0; position < content.byteLength; turn++) {
    const size = sizes[turn % sizes.length] ?? 1;
    yield content.subarray(position, position + size);
    position += size;
  }
}

/** A stream that gives some bytes and then fails. */
export function failingStream(error: Error, first = sampleBytes(100_000)): Readable {
  return Readable.from(
    (async function* () {
      yield first;
      throw error;
    })(),
  );
}

/** A stream that gives some bytes and then nothing, and does not end. */
export function stalledStream(first = sampleBytes(100_000)): PassThrough {
  const stream = new PassThrough();
  stream.write(first);
  return stream;
}

/** A stream without an end, in chunks of 64 KiB. */
export function endlessStream(first: Buffer = Buffer.alloc(0)): Readable {
  const chunk = Buffer.alloc(65_536, 'endless ');
  return Readable.from(
    (async function* () {
      yield first;
      for (;;) {
        yield chunk;
        await new Promise(setImmediate);
      }
    })(),
  );
}

/** The path of a file on this machine, removed after the case. */
export async function localFile(subject: Subject, name: string, content: Buffer): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'filedepot-conformance-'));
  subject.atEnd(() => rm(folder, { recursive: true, force: true }));
  const path = join(folder, name);
  await writeFile(path, content);
  return path;
}
