import type { CompleteMultipartUploadCommandInput, PutObjectCommandInput } from '@aws-sdk/client-s3';
import type { WrittenFile } from '../../object-storage/object-metadata.js';
import { isConditionRefused, isObjectMissing, nameOf } from './errors.js';
import { describeObject, type ObjectDescription } from './object-format.js';
import type { S3Settings } from './options.js';

/**
 * What the server must find when an object is written.
 * @see https://docs.aws.amazon.com/AmazonS3/latest/userguide/conditional-writes.html
 */
export type Condition = Pick<CompleteMultipartUploadCommandInput, 'IfMatch' | 'IfNoneMatch'>;

/** @param etag the state that must be there; absent where there must be no object */
export function conditionOf({ conditionalWrites }: S3Settings, etag: string | undefined): Condition {
  if (!conditionalWrites) return {};
  return etag === undefined ? { IfNoneMatch: '*' } : { IfMatch: etag };
}

/** How an object is encrypted where it lies. */
export type EncryptionParameters = Pick<PutObjectCommandInput, 'ServerSideEncryption' | 'SSEKMSKeyId'>;

/** What is said of an object by every request that makes one. */
export type WriteParameters = ObjectDescription &
  EncryptionParameters &
  Pick<PutObjectCommandInput, 'ACL' | 'StorageClass'>;

/** `private` is what S3 does anyway, and buckets that take no access control lists refuse even that one. */
export function writeParameters(settings: S3Settings, file: WrittenFile, revision: string): WriteParameters {
  const { policy, storageClass } = settings;
  return {
    ...describeObject(file, revision),
    ...(policy === 'public-read' && { ACL: policy }),
    ...(storageClass !== undefined && {
      StorageClass: storageClass as NonNullable<WriteParameters['StorageClass']>,
    }),
    ...encryptionParameters(settings),
  };
}

/** Staged objects have them too: buckets may refuse what is not encrypted as they want it. */
export function encryptionParameters({ serverSideEncryption, kmsKeyId }: S3Settings): EncryptionParameters {
  return {
    ...(serverSideEncryption !== undefined && {
      ServerSideEncryption: serverSideEncryption as NonNullable<WriteParameters['ServerSideEncryption']>,
    }),
    ...(kmsKeyId !== undefined && { SSEKMSKeyId: kmsKeyId }),
  };
}

/**
 * Whether a write was refused for its condition. A request that was repeated because its answer was lost is refused
 * too: for what it has done itself, or for an upload that is complete.
 */
export function isWriteRefused(error: unknown): boolean {
  return isConditionRefused(error) || isObjectMissing(error) || nameOf(error) === 'NoSuchUpload';
}
