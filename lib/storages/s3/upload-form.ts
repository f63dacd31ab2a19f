import type { PresignedPostOptions } from '@aws-sdk/s3-presigned-post';
import { createFileId } from '../../contract/file-id.js';
import { DepotError } from '../../errors.js';
import { parsedContentType } from '../../internal/content-type.js';
import { toLimit } from '../../internal/limit.js';
import { assertOptionNames } from '../../internal/option-names.js';
import { OptionalPeer } from '../../internal/peer.js';
import { require } from '../../object-storage/options.js';
import { wholeSeconds } from '../../object-storage/presigned-urls.js';
import { STAGING_FOLDER } from '../../object-storage/staging-area.js';
import type { S3Bucket } from './bucket.js';
import { toStorageError } from './errors.js';
import type { DirectUpload, DirectUploadOptions } from './options.js';
import { encryptionParameters } from './parameters.js';
import type { CredentialRefresher } from './signed-urls.js';

const postPeer = new OptionalPeer('@aws-sdk/s3-presigned-post', () => import('@aws-sdk/s3-presigned-post'));

/** Bytes of an object that one request makes: https://docs.aws.amazon.com/AmazonS3/latest/userguide/upload-objects.html */
const MAX_FORM_BYTES = 5 * 1024 ** 3;

const OPTION_NAMES: readonly (keyof DirectUploadOptions)[] = ['maxSize', 'contentType', 'expiresIn'];

/** In the type itself; parameters may have one. */
const WILDCARD = /^[^;]*\*/;

type Policy = Required<Pick<PresignedPostOptions, 'Conditions' | 'Fields'>>;

/**
 * Signs a form that uploads to the staging folder.
 * @see https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-HTTPPOSTConstructPolicy.html
 */
export async function signForm(
  bucket: S3Bucket,
  refresher: CredentialRefresher,
  options: DirectUploadOptions,
): Promise<DirectUpload> {
  assertOptionNames(options, OPTION_NAMES, 'directUpload');
  const { Conditions, Fields } = policyOf(options);
  const Expires = wholeSeconds(options.expiresIn);
  const id = createFileId();
  const { createPresignedPost } = await postPeer.load();
  const { client } = await bucket.connect();
  try {
    await refresher.endOf(client, Date.now() + Expires * 1000);
    const { url, fields } = await createPresignedPost(client, {
      Bucket: bucket.settings.bucket,
      Key: bucket.key(STAGING_FOLDER + id),
      Conditions,
      Fields: { ...Fields, ...encryptionFields(bucket) },
      Expires,
    });
    return { id, url, fields };
  } catch (error) {
    throw toStorageError(error, bucket.place);
  }
}

/** A field that no condition speaks of is refused. */
function policyOf({ maxSize, contentType }: DirectUploadOptions): Policy {
  const maxBytes = toLimit('maxSize', maxSize);
  require(maxBytes <= MAX_FORM_BYTES, 'maxSize must be at most 5 GiB');
  const size: Policy['Conditions'][number] = ['content-length-range', 0, maxBytes];
  if (contentType === undefined) return { Conditions: [size], Fields: {} };
  const type = parsedContentType(contentType);
  const isKnown = type !== undefined && (isRange(type) || !WILDCARD.test(type));
  if (!isKnown) throw new DepotError('INVALID_OPTION', `contentType is no media type: ${contentType}`);
  if (!isRange(type)) return { Conditions: [size], Fields: { 'Content-Type': type } };
  const beginning = type === '*/*' ? '' : type.slice(0, -1);
  return { Conditions: [size, ['starts-with', '$Content-Type', beginning]], Fields: {} };
}

function isRange(type: string): boolean {
  return /^(?:[^*]+|\*)\/\*$/.test(type);
}

function encryptionFields({ settings }: S3Bucket): Record<string, string> {
  const { ServerSideEncryption: encryption, SSEKMSKeyId: keyId } = encryptionParameters(settings);
  return {
    ...(encryption !== undefined && { 'x-amz-server-side-encryption': encryption }),
    ...(keyId !== undefined && { 'x-amz-server-side-encryption-aws-kms-key-id': keyId }),
  };
}
