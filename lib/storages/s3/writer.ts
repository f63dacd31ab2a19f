import type { ExpectedFile, NewFileDetails } from '../../contract/storage.js';
import type { Publication } from '../../object-storage/conditional-write.js';
import type { HeldContent, ObjectWriter } from '../../object-storage/staging-area.js';
import type { S3Bucket } from './bucket.js';
import { isConditionRefused, toStorageError } from './errors.js';
import { MultipartUpload } from './multipart-upload.js';
import type { S3Objects } from './objects.js';
import { encryptionParameters, isWriteRefused, writeParameters } from './parameters.js';
import { DirectUpload, SinglePut, StagedUpload, type Target } from './publication.js';

/** Writes objects of S3: the condition comes with the request that completes an upload. */
export class S3Writer implements ObjectWriter<MultipartUpload> {
  readonly bucket: S3Bucket;
  readonly objects: S3Objects;
  readonly maxHeld: number;
  readonly isConditionEarly = false;
  readonly isConditionRefused = isConditionRefused;
  readonly isWriteRefused = isWriteRefused;
  readonly toStorageError = toStorageError;

  constructor(bucket: S3Bucket, objects: S3Objects) {
    this.bucket = bucket;
    this.maxHeld = bucket.settings.partSize;
    this.objects = objects;
  }

  uploadFile(file: ExpectedFile, revision: string, signal: AbortSignal | undefined): MultipartUpload {
    const parameters = writeParameters(this.bucket.settings, file, revision);
    return new MultipartUpload(this.bucket, this.bucket.key(file.id), parameters, signal);
  }

  uploadTo(key: string, signal: AbortSignal | undefined): MultipartUpload {
    return new MultipartUpload(this.bucket, key, encryptionParameters(this.bucket.settings), signal);
  }

  publishHeld(details: NewFileDetails, revision: string, content: HeldContent): Publication {
    return new SinglePut(this.#target(details, revision), content);
  }

  publishFile(details: NewFileDetails, revision: string, upload: MultipartUpload): Publication {
    return new DirectUpload(this.#target(details, revision), upload);
  }

  publishStaged(details: NewFileDetails, revision: string, upload: MultipartUpload): Publication {
    return new StagedUpload(this.#target(details, revision), upload);
  }

  #target(details: NewFileDetails, revision: string): Target {
    const { bucket } = this;
    return { bucket, details, parameters: writeParameters(bucket.settings, details, revision) };
  }
}
