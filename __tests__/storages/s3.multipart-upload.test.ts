import { beforeEach, describe, expect, test } from '@jest/globals';
import type { PartParameters, S3Bucket } from '../../lib/storages/s3/bucket.js';
import { MultipartUpload } from '../../lib/storages/s3/multipart-upload.js';
import { PartBuffers } from '../../lib/storages/s3/part-buffers.js';

const PART = 10;

function contentOf(size: number): Buffer {
  return Buffer.from(Array.from({ length: size }, (_, index) => index % 251));
}

function cut(content: Buffer, size: number): Buffer[] {
  const count = Math.ceil(content.byteLength / size);
  return Array.from({ length: count }, (_, index) => content.subarray(index * size, (index + 1) * size));
}

describe('buffers of parts', () => {
  test.each([1, 3, 10, 25, 100])('parts are equally large, whatever the chunks are (%i)', (chunkSize) => {
    const content = contentOf(47);
    const buffers = new PartBuffers(PART);
    const parts = [...buffers.fill(cut(content, chunkSize))];
    expect(parts.map((part) => part.byteLength)).toEqual([10, 10, 10, 10]);
    expect(Buffer.concat([...parts, buffers.rest() ?? Buffer.alloc(0)])).toEqual(content);
  });

  test('nothing is left where the last part is full', () => {
    const buffers = new PartBuffers(PART);
    expect([...buffers.fill([contentOf(20)])]).toHaveLength(2);
    expect(buffers.rest()).toBeUndefined();
  });

  test('what was given back is used again, the shorter last part is not', () => {
    const buffers = new PartBuffers(PART);
    const [first] = buffers.fill([contentOf(PART)]);
    buffers.give(first as Buffer);
    const [second] = buffers.fill([contentOf(PART)]);
    expect(second?.buffer).toBe(first?.buffer);
    const [third] = [...buffers.fill([contentOf(PART + 1)])];
    buffers.give(buffers.rest() as Buffer);
    const [fourth] = buffers.fill([contentOf(PART)]);
    expect(fourth?.byteLength).toBe(PART);
    expect(new Set([second, third, fourth].map((part) => part?.buffer)).size).toBe(3);
  });
});

describe('an upload in parts', () => {
  type PutPart = S3Bucket['putPart'];
  let parts: { number: number; content: Buffer }[];
  let putPart: PutPart;

  beforeEach(() => {
    parts = [];
    putPart = async ({ PartNumber }: PartParameters, { chunks }) => {
      parts.push({ number: PartNumber, content: Buffer.concat(chunks) });
      return `etag ${PartNumber}`;
    };
  });

  function begin(queueSize = 2): MultipartUpload {
    const bucket = {
      settings: { bucket: 'bucket', partSize: PART, queueSize },
      send: async () => ({ UploadId: 'upload' }),
      putPart: (...parameters: Parameters<PutPart>) => putPart(...parameters),
    };
    return new MultipartUpload(bucket as unknown as S3Bucket, 'key', {}, undefined);
  }

  test('gives its content in order, in parts that are equally large', async () => {
    const content = contentOf(125);
    const upload = begin();
    for (const chunk of cut(content, 7))
      await upload.write({ chunks: [chunk], byteLength: chunk.byteLength });
    await upload.finish();
    parts.sort((one, other) => one.number - other.number);
    expect(parts.map(({ content }) => content.byteLength)).toEqual([...Array(12).fill(PART), 5]);
    expect(Buffer.concat(parts.map((part) => part.content))).toEqual(content);
  });

  test('fails with what a part failed with, also while an earlier one is under way', async () => {
    const refusal = new Error('refused');
    putPart = async ({ PartNumber }, _body, signal) => {
      if (PartNumber === 2) throw refusal;
      return new Promise((_resolve, reject) => {
        signal.addEventListener('abort', () => reject(signal.reason));
      });
    };
    const upload = begin(3);
    await upload.write({ chunks: [contentOf(20)], byteLength: 20 });
    await expect(upload.finish()).rejects.toBe(refusal);
    await upload.abort();
  });

  test('S3 takes ten thousand parts, and says so before it is sent one more', async () => {
    const upload = begin();
    const content = contentOf(PART * 10_000);
    await upload.write({ chunks: [content], byteLength: content.byteLength });
    const more = upload.write({ chunks: [contentOf(PART)], byteLength: PART });
    await expect(more).rejects.toMatchObject({
      code: 'FILE_TOO_LARGE',
      message: expect.stringContaining('partSize'),
    });
    expect(parts).toHaveLength(10_000);
  });
});
