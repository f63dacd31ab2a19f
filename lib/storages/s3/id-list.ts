import type { _Object as ListedObject, ListObjectsV2CommandInput } from '@aws-sdk/client-s3';
import { isFileId } from '../../contract/file-id.js';
import type { ListOptions } from '../../contract/storage.js';
import type { S3Bucket } from './bucket.js';

/** The ids below the prefix, page by page, in the order of the keys; what is deeper down belongs to others. */
export async function* listIds(
  bucket: S3Bucket,
  { prefix = '', after = '', signal }: ListOptions,
): AsyncGenerator<string> {
  const query = { Prefix: bucket.key(prefix), ...(after && { StartAfter: bucket.key(after) }) };
  for await (const { Key = '' } of listObjects(bucket, query, signal)) {
    const id = Key.slice(bucket.settings.prefix.length);
    if (isFileId(id)) yield id;
  }
}

/** Objects of a bucket, but for what is below a further slash. */
export async function* listObjects(
  bucket: S3Bucket,
  given: Pick<ListObjectsV2CommandInput, 'Prefix' | 'StartAfter'>,
  signal?: AbortSignal,
): AsyncGenerator<ListedObject> {
  const query = { ...given, Bucket: bucket.settings.bucket, Delimiter: '/' };
  let ContinuationToken: string | undefined;
  do {
    signal?.throwIfAborted();
    const page = await bucket.send(
      (sdk) => new sdk.ListObjectsV2Command({ ...query, ...(ContinuationToken && { ContinuationToken }) }),
      { signal },
    );
    yield* page.Contents ?? [];
    ContinuationToken = page.IsTruncated ? page.NextContinuationToken : undefined;
  } while (ContinuationToken !== undefined);
}
