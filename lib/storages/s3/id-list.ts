import { isFileId } from '../../contract/file-id.js';
import type { ListOptions } from '../../contract/storage.js';
import type { S3Bucket } from './bucket.js';

/** The ids below the prefix, page by page, in the order of the keys; what is deeper down belongs to others. */
export async function* listIds(
  bucket: S3Bucket,
  { prefix = '', after = '', signal }: ListOptions,
): AsyncGenerator<string> {
  const { settings } = bucket;
  const Prefix = bucket.key(prefix);
  const query = {
    Bucket: settings.bucket,
    Prefix,
    Delimiter: '/',
    ...(after && { StartAfter: bucket.key(after) }),
  };
  let ContinuationToken: string | undefined;
  do {
    signal?.throwIfAborted();
    const page = await bucket.send(
      (sdk) => new sdk.ListObjectsV2Command({ ...query, ...(ContinuationToken && { ContinuationToken }) }),
      { signal },
    );
    for (const { Key = '' } of page.Contents ?? []) {
      const id = Key.slice(settings.prefix.length);
      if (isFileId(id)) yield id;
    }
    ContinuationToken = page.IsTruncated ? page.NextContinuationToken : undefined;
  } while (ContinuationToken !== undefined);
}
