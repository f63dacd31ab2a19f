import { ABANDONED_AFTER } from '../../object-storage/staging-area.js';
import type { S3Bucket } from './bucket.js';

/**
 * Removes what processes that were killed have left below the prefix: parts of uploads, and objects in the staging folder.
 * @param stagingPrefix what the keys of staged objects begin with
 * @param now milliseconds since the epoch
 */
export async function sweep(bucket: S3Bucket, stagingPrefix: string, now = Date.now()): Promise<void> {
  const isAbandoned = (date: Date | undefined) =>
    date !== undefined && now - date.getTime() > ABANDONED_AFTER;
  await sweepUploads(bucket, isAbandoned);
  await sweepStaged(bucket, stagingPrefix, isAbandoned);
}

type IsAbandoned = (date: Date | undefined) => boolean;

async function sweepUploads(bucket: S3Bucket, isAbandoned: IsAbandoned): Promise<void> {
  const query = { Bucket: bucket.settings.bucket, Prefix: bucket.settings.prefix };
  const { Uploads = [] } = await bucket.send((sdk) => new sdk.ListMultipartUploadsCommand(query));
  for (const { Key, UploadId, Initiated } of Uploads) {
    if (!isAbandoned(Initiated)) continue;
    await bucket.send((sdk) => new sdk.AbortMultipartUploadCommand({ Bucket: query.Bucket, Key, UploadId }));
  }
}

async function sweepStaged(bucket: S3Bucket, Prefix: string, isAbandoned: IsAbandoned): Promise<void> {
  const { bucket: Bucket } = bucket.settings;
  const { Contents = [] } = await bucket.send((sdk) => new sdk.ListObjectsV2Command({ Bucket, Prefix }));
  for (const { Key = '', LastModified } of Contents) {
    if (isAbandoned(LastModified)) await bucket.delete(Key);
  }
}
