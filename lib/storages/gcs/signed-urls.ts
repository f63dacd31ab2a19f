import { formatDisposition } from '../../object-storage/object-metadata.js';
import type { SignUrl } from '../../object-storage/presigned-urls.js';
import type { GCSBucket } from './bucket.js';
import { withinTime } from './connection.js';
import { toSigningError } from './errors.js';

/** Signs URLs of objects (version 4). Without a key of its own, the SDK asks Google to sign. */
export function urlSigner(bucket: GCSBucket): SignUrl {
  return async (file, { disposition, expiresIn, signedAt }) => {
    const { bucket: name, connectTimeout, idleTimeout } = bucket.settings;
    const { client } = await bucket.connect();
    const signing = client
      .bucket(name)
      .file(bucket.key(file.id))
      .getSignedUrl({
        version: 'v4',
        action: 'read',
        accessibleAt: signedAt,
        expires: signedAt.getTime() + expiresIn * 1000,
        responseType: file.contentType,
        responseDisposition: formatDisposition(disposition, file.filename),
      });
    try {
      const [url] = await withinTime(signing, connectTimeout + idleTimeout);
      return { url };
    } catch (error) {
      throw toSigningError(error, bucket.place);
    }
  };
}
