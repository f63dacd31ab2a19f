import type { ListOptions, StagingOptions } from '../contract/storage.js';
import { ObjectStorage } from '../object-storage/object-storage.js';
import { ObjectStagingArea, STAGING_FOLDER } from '../object-storage/staging-area.js';
import { S3Bucket } from './s3/bucket.js';
import { listIds } from './s3/id-list.js';
import { S3Objects } from './s3/objects.js';
import { checkedOptions, type S3StorageOptions } from './s3/options.js';
import { urlSigner } from './s3/signed-urls.js';
import { sweep } from './s3/sweep.js';
import { S3Writer } from './s3/writer.js';

export type { S3ClientLike, S3Credentials, S3StorageOptions } from './s3/options.js';

/** Bytes that are copied into a part at once. */
const PIECE_BYTES = 512 * 1024;

/**
 * Keeps files as objects of a bucket, of Amazon S3 or of a server that speaks its protocol, in a format shared with
 * Python's filedepot. Needs the package `@aws-sdk/client-s3`, and for signed URLs `@aws-sdk/s3-request-presigner`.
 */
export class S3Storage extends ObjectStorage {
  /**
   * Connects to nothing yet: `check()` tells whether the bucket can be used.
   * @throws DepotError `INVALID_OPTION`
   */
  constructor(options: S3StorageOptions) {
    const settings = checkedOptions(options);
    const bucket = new S3Bucket(settings);
    const objects = new S3Objects(bucket);
    const writer = new S3Writer(bucket, objects);
    const backend = {
      bucket,
      objects,
      signUrl: urlSigner(bucket),
      openStaging: (staging: StagingOptions) => new ObjectStagingArea(writer, staging),
      listIds: (list: ListOptions) => listIds(bucket, list),
      sweep: () => sweep(bucket, bucket.key(STAGING_FOLDER)),
    };
    super(backend, PIECE_BYTES);
  }
}
