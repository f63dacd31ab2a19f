import type { MultipartUpload as ListedUpload } from '@aws-sdk/client-s3';
import { isFileId } from '../../contract/file-id.js';
import { settleAll } from '../../internal/parallel.js';
import { ABANDONED_AFTER } from '../../object-storage/staging-area.js';
import type { S3Bucket } from './bucket.js';
import { listObjects } from './id-list.js';

/**
 * Removes what processes that were killed have left below the prefix: parts of files, and objects in the staging folder.
 * What is deeper down, or can be no file, belongs to others. Whoever may not list the one may list the other; what cannot be
 * removed is left to the next sweep.
 * @param stagingPrefix what the keys of staged objects begin with
 * @param now milliseconds since the epoch
 */
export async function sweep(bucket: S3Bucket, stagingPrefix: string, now = Date.now()): Promise<void> {
  const isAbandoned = (date: Date | undefined) =>
    date !== undefined && now - date.getTime() > ABANDONED_AFTER;
  await settleAll([
    sweepUploads(bucket, stagingPrefix, isAbandoned),
    sweepStaged(bucket, stagingPrefix, isAbandoned),
  ]);
}

type IsAbandoned = (date: Date | undefined) => boolean;

async function sweepUploads(
  bucket: S3Bucket,
  stagingPrefix: string,
  isAbandoned: IsAbandoned,
): Promise<void> {
  const { bucket: Bucket, prefix } = bucket.settings;
  for await (const { Key = '', UploadId, Initiated } of listUploads(bucket)) {
    const isOurs = Key.startsWith(stagingPrefix) || isFileId(Key.slice(prefix.length));
    if (!isOurs || !isAbandoned(Initiated)) continue;
    const upload = { Bucket, Key, UploadId };
    await bucket.send((sdk) => new sdk.AbortMultipartUploadCommand(upload)).catch(ignore);
  }
}

/** Pages go on after a key: one that has several uploads may be told of in part, and not after an upload that is gone. */
async function* listUploads(bucket: S3Bucket): AsyncGenerator<ListedUpload> {
  const query = { Bucket: bucket.settings.bucket, Prefix: bucket.settings.prefix };
  let KeyMarker: string | undefined;
  do {
    const from = { ...query, ...(KeyMarker && { KeyMarker }) };
    const page = await bucket.send((sdk) => new sdk.ListMultipartUploadsCommand(from));
    yield* page.Uploads ?? [];
    KeyMarker = page.IsTruncated ? page.NextKeyMarker : undefined;
  } while (KeyMarker);
}

async function sweepStaged(bucket: S3Bucket, Prefix: string, isAbandoned: IsAbandoned): Promise<void> {
  for await (const { Key = '', LastModified } of listObjects(bucket, { Prefix })) {
    if (isAbandoned(LastModified)) await bucket.delete(Key).catch(ignore);
  }
}

function ignore(): void {}
