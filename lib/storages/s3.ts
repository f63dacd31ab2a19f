import type { ListOptions, StagingOptions } from '../contract/storage.js';
import { ObjectStorage } from '../object-storage/object-storage.js';
import { ObjectStagingArea, STAGING_FOLDER } from '../object-storage/staging-area.js';
import { adopt } from './s3/adoption.js';
import { S3Bucket } from './s3/bucket.js';
import { listIds } from './s3/id-list.js';
import { S3Objects } from './s3/objects.js';
import {
  type AdoptOptions,
  checkedOptions,
  type DirectUpload,
  type DirectUploadOptions,
  type S3StorageOptions,
} from './s3/options.js';
import { CredentialRefresher, urlSigner } from './s3/signed-urls.js';
import { sweep } from './s3/sweep.js';
import { signForm } from './s3/upload-form.js';
import { S3Writer } from './s3/writer.js';

export type {
  AdoptOptions,
  DirectUpload,
  DirectUploadOptions,
  S3ClientLike,
  S3Credentials,
  S3StorageOptions,
} from './s3/options.js';

/** Bytes that are copied into a part at once. */
const PIECE_BYTES = 512 * 1024;

/**
 * Keeps files as objects of a bucket, of Amazon S3 or of a server that speaks its protocol, in a format shared with
 * Python's filedepot. Needs the package `@aws-sdk/client-s3`; for signed URLs `@aws-sdk/s3-request-presigner`, and for
 * direct uploads `@aws-sdk/s3-presigned-post`.
 */
export class S3Storage extends ObjectStorage {
  readonly #writer: S3Writer;
  readonly #refresher: CredentialRefresher;

  /**
   * Connects to nothing yet: `check()` tells whether the bucket can be used.
   * @throws DepotError `INVALID_OPTION`
   */
  constructor(options: S3StorageOptions) {
    const settings = checkedOptions(options);
    const bucket = new S3Bucket(settings);
    const objects = new S3Objects(bucket);
    const writer = new S3Writer(bucket, objects);
    const refresher = new CredentialRefresher();
    const backend = {
      bucket,
      objects,
      signUrl: urlSigner(bucket, refresher),
      openStaging: (staging: StagingOptions) => new ObjectStagingArea(writer, staging),
      listIds: (list: ListOptions) => listIds(bucket, list),
      sweep: () => sweep(bucket, bucket.key(STAGING_FOLDER)),
    };
    super(backend, PIECE_BYTES);
    this.#writer = writer;
    this.#refresher = refresher;
  }

  /**
   * Signs a form by which a client uploads one file to S3, past the application; S3 refuses what is not as the options
   * say. Nobody sees the file before it is adopted; an upload that is not is removed a day later.
   * @throws DepotError `INVALID_OPTION`, `MISSING_PACKAGE`; `STORAGE_LOGIN_FAILED` where the credentials cannot sign
   */
  directUpload(options: DirectUploadOptions): Promise<DirectUpload> {
    this.sweepAbandoned();
    return signForm(this.#writer.bucket, this.#refresher, options);
  }

  /**
   * Makes a file of a direct upload, and resolves to its id. Size and type are told by the content, whatever the client
   * said; its digest stays unknown. What is refused is removed; after a failure of S3 the upload can be adopted again.
   * @param id of the direct upload, and of the file: an upload becomes one file at most
   * @throws DepotError `FILE_NOT_FOUND`, also for what was adopted before; `INVALID_FILE_ID`, `FILE_TOO_LARGE`,
   *   `CONTENT_TYPE_MISMATCH`, `CONTENT_TYPE_NOT_ACCEPTED`, `INVALID_METADATA`, `INVALID_OPTION`; `FILE_EXISTS` where the
   *   form was posted again after its upload was adopted, `CONFLICT` where meanwhile; what `checkType` throws
   */
  adopt(id: string, options: AdoptOptions = {}): Promise<string> {
    this.sweepAbandoned();
    return adopt(this.#writer, id, options);
  }
}
