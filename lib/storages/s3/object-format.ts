import type {
  GetObjectCommandOutput,
  HeadObjectCommandOutput,
  PutObjectCommandInput,
} from '@aws-sdk/client-s3';
import type { FileDetails } from '../../contract/stored-file.js';
import { UNKNOWN_CONTENT_TYPE } from '../../internal/content-type.js';
import {
  formatDisposition,
  formatUserMetadata,
  parseUserMetadata,
  type WrittenFile,
} from '../../object-storage/object-metadata.js';

/** All keys and values together, in bytes: https://docs.aws.amazon.com/AmazonS3/latest/userguide/UsingMetadata.html */
const MAX_USER_METADATA_BYTES = 2048;

/** What is kept of a file beside its content, as parameters of the requests that write objects. */
export type ObjectDescription = Required<
  Pick<PutObjectCommandInput, 'ContentType' | 'ContentDisposition' | 'Metadata'>
>;

export function describeObject(file: WrittenFile, revision: string): ObjectDescription {
  return {
    ContentType: file.contentType,
    ContentDisposition: formatDisposition('inline', file.filename),
    Metadata: formatUserMetadata(file, revision, MAX_USER_METADATA_BYTES),
  };
}

/** What S3 tells of an object. */
export type ObjectHead = Pick<
  HeadObjectCommandOutput & GetObjectCommandOutput,
  | 'ContentType'
  | 'ContentDisposition'
  | 'ContentLength'
  | 'ContentRange'
  | 'ETag'
  | 'LastModified'
  | 'Metadata'
>;

/** The details of a file, whoever wrote its object. */
export function parseObject(id: string, head: ObjectHead, publicUrl: string | undefined): FileDetails {
  const { Metadata = {}, LastModified = new Date(0) } = head;
  return {
    id,
    lastModified: LastModified,
    ...parseUserMetadata(Metadata, head.ContentDisposition),
    contentType: head.ContentType || UNKNOWN_CONTENT_TYPE,
    size: parseSize(head),
    etag: head.ETag ?? '',
    publicUrl,
  };
}

/** The length of all content, also where only a part of it was asked for (RFC 9110 section 14.4). */
function parseSize({ ContentLength = 0, ContentRange }: ObjectHead): number {
  const total = /\/(\d+)$/.exec(ContentRange ?? '')?.[1];
  return total === undefined ? ContentLength : Number(total);
}
