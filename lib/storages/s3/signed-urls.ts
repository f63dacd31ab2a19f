import type { S3Client } from '@aws-sdk/client-s3';
import { OptionalPeer } from '../../internal/peer.js';
import { formatDisposition } from '../../object-storage/object-metadata.js';
import type { SignUrl } from '../../object-storage/presigned-urls.js';
import type { S3Bucket } from './bucket.js';
import { toStorageError } from './errors.js';

const presignerPeer = new OptionalPeer(
  '@aws-sdk/s3-request-presigner',
  () => import('@aws-sdk/s3-request-presigner'),
);

/** Milliseconds before the end of credentials from which the SDK asks for others. */
const REFRESHED_BEFORE = 300_000;

/** Presigns URLs of objects. They fail with `MISSING_PACKAGE`, and as credentials do. */
export function urlSigner(bucket: S3Bucket, refresher: CredentialRefresher): SignUrl {
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
      const end = await refresher.endOf(client, signedAt.getTime() + expiresIn * 1000);
      // By the clock of S3, if it has told that ours is wrong.
      const signingDate = new Date(signedAt.getTime() + client.config.systemClockOffset);
      const url = await getSignedUrl(client, command, { expiresIn, signingDate });
      return { url, freshUntil: end && end - REFRESHED_BEFORE, signerEnd: end };
    } catch (error) {
      throw toStorageError(error, bucket.place);
    }
  };
}

/** Sees that URLs and forms are signed with credentials that live as long as they are to work, if there are any. */
export class CredentialRefresher {
  /** The end of credentials than which there are no better ones now. */
  #bestEnd: number | undefined;

  /**
   * When the client's credentials stop to work: not before the time that is needed, where such can be had. Milliseconds
   * since the epoch, by our clock, even if it is wrong; nothing for those without an end.
   */
  async endOf({ config }: S3Client, needed: number): Promise<number | undefined> {
    const endIn = ({ expiration }: { readonly expiration?: Date }) =>
      expiration && expiration.getTime() - config.systemClockOffset;
    const credentials = await config.credentials();
    const end = endIn(credentials);
    if (end === undefined || end >= needed || end === this.#bestEnd) return end;
    const newEnd = endIn(await config.credentials({ forceRefresh: true }).catch(() => credentials));
    if (newEnd !== undefined && newEnd < needed) this.#bestEnd = newEnd;
    return newEnd;
  }
}
