import { OptionalPeer } from '../../internal/peer.js';
import { formatDisposition } from '../../object-storage/object-metadata.js';
import type { SignUrl } from '../../object-storage/presigned-urls.js';
import type { S3Bucket } from './bucket.js';
import { toStorageError } from './errors.js';

const presignerPeer = new OptionalPeer(
  '@aws-sdk/s3-request-presigner',
  () => import('@aws-sdk/s3-request-presigner'),
);

/** Presigns URLs of objects. They fail with `MISSING_PACKAGE`, and as credentials do. */
export function urlSigner(bucket: S3Bucket): SignUrl {
  return async (file, { disposition, expiresIn, signedAt }) => {
    const { getSignedUrl } = await presignerPeer.load();
    const { sdk, client } = await bucket.connect();
    const command = new sdk.GetObjectCommand({
      Bucket: bucket.settings.bucket,
      Key: bucket.key(file.id),
      ResponseContentType: file.contentType,
      ResponseContentDisposition: formatDisposition(disposition, file.filename),
    });
    try {
      return await getSignedUrl(client, command, { expiresIn, signingDate: signedAt });
    } catch (error) {
      throw toStorageError(error, bucket.place);
    }
  };
}
