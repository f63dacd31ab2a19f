import type { FileDetails } from '../../contract/stored-file.js';
import { DepotError, FileNotFoundError, isDepotError } from '../../errors.js';
import { revisionOf } from '../../object-storage/object-metadata.js';
import type { S3Bucket } from './bucket.js';
import { isConditionRefused, toStorageError } from './errors.js';
import type { ObjectHead } from './object-format.js';
import type { Condition } from './parameters.js';
import type { Publication } from './publication.js';

/** How often a replacement that somebody else's came before is tried again. */
const MAX_ATTEMPTS = 10;

/**
 * Makes an object that must not exist yet.
 * @param revision that of the new object: where an answer was lost, it tells our object from another one
 * @throws DepotError `FILE_EXISTS`
 */
export async function createObject(
  bucket: S3Bucket,
  id: string,
  revision: string,
  publication: Publication,
): Promise<void> {
  const { conditionalWrites } = bucket.settings;
  const isToBeLookedFor = publication.isUnconditional || !conditionalWrites;
  if (isToBeLookedFor && (await bucket.head(bucket.key(id)))) throw new DepotError('FILE_EXISTS');
  const failure = await attempt(publication, conditionalWrites ? { IfNoneMatch: '*' } : {});
  if (!failure || (await hasRevision(bucket, id, revision))) return;
  const { error } = failure;
  throw isConditionRefused(error)
    ? new DepotError('FILE_EXISTS', undefined, { cause: error })
    : toStorageError(error, bucket.place);
}

/**
 * Puts an object in the place of another one.
 * @throws DepotError `FILE_NOT_FOUND`; `CONFLICT` if others keep coming before
 */
export async function replaceObject(
  bucket: S3Bucket,
  old: FileDetails,
  revision: string,
  publication: Publication,
): Promise<void> {
  const { conditionalWrites } = bucket.settings;
  let etag: string | undefined = old.etag;
  for (let turn = 1; turn <= MAX_ATTEMPTS; turn++) {
    const failure = await attempt(publication, conditionalWrites ? { IfMatch: etag } : {});
    if (!failure) return;
    if (isDepotError(failure.error) && !(await hasRevision(bucket, old.id, revision))) throw failure.error;
    const current = await lookAfterFailure(bucket, old.id);
    if (current && revisionOf(current.Metadata ?? {}) === revision) return;
    if (!current) throw new FileNotFoundError(old.id, { cause: failure.error });
    if (!isConditionRefused(failure.error)) throw toStorageError(failure.error, bucket.place);
    etag = current.ETag;
  }
  throw new DepotError('CONFLICT', 'Others keep replacing this file');
}

async function attempt(
  publication: Publication,
  condition: Condition,
): Promise<{ error: unknown } | undefined> {
  try {
    await publication.write(condition);
    return undefined;
  } catch (error) {
    return { error };
  }
}

/** Also where the server does not answer: then nobody knows. */
async function hasRevision(bucket: S3Bucket, id: string, revision: string): Promise<boolean> {
  const head = await lookAfterFailure(bucket, id).catch(() => undefined);
  return head !== undefined && revisionOf(head.Metadata ?? {}) === revision;
}

/** A server that has just failed is not asked for long. */
async function lookAfterFailure(bucket: S3Bucket, id: string): Promise<ObjectHead | undefined> {
  const signal = AbortSignal.timeout(bucket.settings.idleTimeout);
  try {
    return await bucket.head(bucket.key(id), { signal });
  } catch (cause) {
    throw new DepotError('STORAGE_UNAVAILABLE', `${bucket.place} does not tell what became of a write`, {
      cause,
    });
  }
}
