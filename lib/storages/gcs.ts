import type { ListOptions, StagingOptions } from '../contract/storage.js';
import { ObjectStorage } from '../object-storage/object-storage.js';
import { ObjectStagingArea, STAGING_FOLDER } from '../object-storage/staging-area.js';
import { GCSBucket } from './gcs/bucket.js';
import { listIds } from './gcs/id-list.js';
import { GCSObjects } from './gcs/objects.js';
import { checkedOptions, type GCSStorageOptions } from './gcs/options.js';
import { urlSigner } from './gcs/signed-urls.js';
import { sweep } from './gcs/sweep.js';
import { GCSWriter } from './gcs/writer.js';

export type { GCSClientLike, GCSCredentials, GCSStorageOptions } from './gcs/options.js';

/**
 * Keeps files as objects of a bucket of Google Cloud Storage, in a format shared with Python's filedepot. Needs the
 * package `@google-cloud/storage`.
 */
export class GCSStorage extends ObjectStorage {
  /**
   * Connects to nothing yet: `check()` tells whether the bucket can be used.
   * @throws DepotError `INVALID_OPTION`
   */
  constructor(options: GCSStorageOptions) {
    const settings = checkedOptions(options);
    const bucket = new GCSBucket(settings);
    const objects = new GCSObjects(bucket);
    const writer = new GCSWriter(bucket, objects);
    const backend = {
      bucket,
      objects,
      signUrl: urlSigner(bucket),
      openStaging: (staging: StagingOptions) => new ObjectStagingArea(writer, staging),
      listIds: (list: ListOptions) => listIds(bucket, list),
      sweep: () => sweep(bucket, bucket.key(STAGING_FOLDER)),
    };
    super(backend, settings.chunkSize);
  }
}
