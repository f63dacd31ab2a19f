import type { ExpectedFile, NewFileDetails } from '../../contract/storage.js';
import type { Publication } from '../../object-storage/conditional-write.js';
import type { HeldContent, ObjectWriter } from '../../object-storage/staging-area.js';
import type { GCSBucket } from './bucket.js';
import { isConditionRefused, toStorageError } from './errors.js';
import type { GCSObjects } from './objects.js';
import { ABSENT } from './parameters.js';
import { DirectUpload, SingleInsert, StagedUpload, targetOf } from './publication.js';
import { ResumableUpload } from './resumable-upload.js';

/** Deleted at once, other classes cost as much as a month. */
const STAGING_CLASS = 'STANDARD';

/** Writes objects of Google's: the condition comes with the request that begins an upload. */
export class GCSWriter implements ObjectWriter<ResumableUpload> {
  readonly bucket: GCSBucket;
  readonly objects: GCSObjects;
  readonly maxHeld: number;
  readonly isConditionEarly = true;
  readonly isConditionRefused = isConditionRefused;
  readonly isWriteRefused = isConditionRefused;
  readonly toStorageError = toStorageError;

  constructor(bucket: GCSBucket, objects: GCSObjects) {
    this.bucket = bucket;
    this.maxHeld = bucket.settings.chunkSize;
    this.objects = objects;
  }

  uploadFile(file: ExpectedFile, revision: string, signal: AbortSignal | undefined): ResumableUpload {
    const { resource } = targetOf(this.bucket, file, revision);
    return new ResumableUpload(this.bucket, resource, ABSENT, signal);
  }

  uploadTo(name: string, signal: AbortSignal | undefined): ResumableUpload {
    return new ResumableUpload(this.bucket, { name, storageClass: STAGING_CLASS }, {}, signal);
  }

  publishHeld(details: NewFileDetails, revision: string, { chunks }: HeldContent): Publication {
    return new SingleInsert(targetOf(this.bucket, details, revision), chunks);
  }

  publishFile(details: NewFileDetails, revision: string, upload: ResumableUpload): Publication {
    return new DirectUpload(targetOf(this.bucket, details, revision), upload);
  }

  publishStaged(details: NewFileDetails, revision: string, upload: ResumableUpload): Publication {
    return new StagedUpload(targetOf(this.bucket, details, revision), upload);
  }
}
