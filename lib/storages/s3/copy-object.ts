import { encodePath } from '../../object-storage/object-bucket.js';
import type { S3Bucket } from './bucket.js';
import { MultipartUpload } from './multipart-upload.js';
import { type Condition, isWriteRefused, type WriteParameters } from './parameters.js';

/** Bytes that S3 copies by one request: https://docs.aws.amazon.com/AmazonS3/latest/API/API_CopyObject.html */
const MAX_COPY_BYTES = 5 * 1024 ** 3;

/** Bytes of a part of larger copies. */
const COPY_PART_BYTES = 512 * 1024 ** 2;

export interface CopySource {
  readonly key: string;
  /** Bytes. */
  readonly size: number;
  /** Copies only the object that has this entity tag. */
  readonly etag?: string | undefined;
}

/**
 * Has the server copy an object, also onto itself, and keep other things with it. Nobody sees it before it is whole.
 * @throws S3's own error where it refuses the condition: see `isWriteRefused`
 */
export async function copyObject(
  bucket: S3Bucket,
  source: CopySource,
  key: string,
  parameters: WriteParameters,
  condition: Condition,
): Promise<void> {
  if (source.size > MAX_COPY_BYTES) return copyInParts(bucket, source, key, parameters, condition);
  const object = { Bucket: bucket.settings.bucket, Key: key, ...sourceParameters(bucket, source) };
  await bucket.send(
    (sdk) =>
      new sdk.CopyObjectCommand({
        ...object,
        ...parameters,
        ...condition,
        MetadataDirective: 'REPLACE',
      }),
    {},
    isWriteRefused,
  );
}

async function copyInParts(
  bucket: S3Bucket,
  source: CopySource,
  key: string,
  parameters: WriteParameters,
  condition: Condition,
): Promise<void> {
  const upload = new MultipartUpload(bucket, key, parameters, undefined);
  const from = sourceParameters(bucket, source);
  try {
    for (let first = 0; first < source.size; first += COPY_PART_BYTES) {
      await upload.copy(from, first, Math.min(first + COPY_PART_BYTES, source.size) - 1);
    }
    await upload.finish();
    await upload.complete(condition);
  } catch (error) {
    await upload.abort();
    throw error;
  }
}

function sourceParameters({ settings }: S3Bucket, { key, etag }: CopySource) {
  const CopySource = `${encodeURIComponent(settings.bucket)}/${encodePath(key)}`;
  return { CopySource, ...(etag !== undefined && { CopySourceIfMatch: etag }) };
}
