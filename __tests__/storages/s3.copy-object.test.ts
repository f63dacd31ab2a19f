import * as sdk from '@aws-sdk/client-s3';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { S3Bucket } from '../../lib/storages/s3/bucket.js';
import { copyObject } from '../../lib/storages/s3/copy-object.js';
import { checkedOptions } from '../../lib/storages/s3/options.js';
import { writeParameters } from '../../lib/storages/s3/parameters.js';

const GiB = 1024 ** 3;

/** What S3 copies by one request. */
const LIMIT = 5 * GiB;

const SETTINGS = checkedOptions({
  bucket: 'a bucket',
  policy: 'public-read',
  storageClass: 'STANDARD_IA',
  serverSideEncryption: 'aws:kms',
  kmsKeyId: 'key',
});

const FILE = { id: 'id', filename: 'ž.txt', contentType: 'text/plain', metadata: { a: 1 } };

interface Request {
  readonly name: string;
  readonly input: Record<string, unknown>;
}

describe('a copy within S3', () => {
  const parameters = writeParameters(SETTINGS, FILE, 'revision');
  let requests: Request[];
  let failing: string | undefined;
  let client: sdk.S3Client;
  let bucket: S3Bucket;

  beforeEach(() => {
    requests = [];
    failing = undefined;
    client = new sdk.S3Client({ region: 'us-east-1' });
    client.middlewareStack.add(
      (_next, { commandName: name = '' }) =>
        async ({ input }) => {
          requests.push({ name, input: input as Record<string, unknown> });
          if (name === failing) throw new Error('enough');
          const CopyPartResult = { ETag: `etag ${requests.length}` };
          return { response: {}, output: { $metadata: {}, UploadId: 'upload', CopyPartResult } };
        },
      { step: 'initialize' },
    );
    bucket = new S3Bucket({ ...SETTINGS, client });
  });

  afterEach(() => client.destroy());

  const copy = (size: number) =>
    copyObject(bucket, { key: 'a/ž', size, etag: '"old"' }, 'id', parameters, { IfMatch: '"old"' });

  const inputsOf = (command: string) =>
    requests.filter(({ name }) => name === command).map(({ input }) => input);

  test('of as much as one request can is one', async () => {
    await copy(LIMIT);
    expect(requests).toEqual([
      {
        name: 'CopyObjectCommand',
        input: {
          ...parameters,
          Bucket: 'a bucket',
          Key: 'id',
          CopySource: 'a%20bucket/a/%C5%BE',
          MetadataDirective: 'REPLACE',
          CopySourceIfMatch: '"old"',
          IfMatch: '"old"',
        },
      },
    ]);
    expect(parameters).toMatchObject({
      ACL: 'public-read',
      StorageClass: 'STANDARD_IA',
      ServerSideEncryption: 'aws:kms',
      SSEKMSKeyId: 'key',
    });
  });

  test('of more is done in parts, without a gap, and kept as the rest is', async () => {
    const size = LIMIT + 1;
    await copy(size);
    expect(inputsOf('CreateMultipartUploadCommand')).toEqual([
      { ...parameters, Bucket: 'a bucket', Key: 'id' },
    ]);
    const parts = inputsOf('UploadPartCopyCommand');
    let next = 0;
    for (const { CopySource, CopySourceRange } of parts) {
      const [, first, last] = /^bytes=(\d+)-(\d+)$/.exec(String(CopySourceRange)) ?? [];
      expect([CopySource, Number(first)]).toEqual(['a%20bucket/a/%C5%BE', next]);
      next = Number(last) + 1;
      expect(next - Number(first)).toBeLessThanOrEqual(LIMIT);
    }
    expect(next).toBe(size);
    const [completion] = inputsOf('CompleteMultipartUploadCommand');
    const numbers = parts.map(({ PartNumber }) => ({ PartNumber, ETag: expect.stringMatching(/^etag/) }));
    expect(completion).toMatchObject({ IfMatch: '"old"', MultipartUpload: { Parts: numbers } });
  });

  test.each(['UploadPartCopyCommand', 'CompleteMultipartUploadCommand'])(
    'that fails in parts leaves none: %s',
    async (name) => {
      failing = name;
      await expect(copy(LIMIT + 1)).rejects.toThrow('enough');
      expect(inputsOf('AbortMultipartUploadCommand')).toEqual([
        { Bucket: 'a bucket', Key: 'id', UploadId: 'upload' },
      ]);
    },
  );
});
