import type { IncomingHttpHeaders } from 'node:http';
import type { FileDetails } from '../../contract/stored-file.js';
import { DepotError, FileNotFoundError } from '../../errors.js';
import { revisionOf } from '../../object-storage/object-metadata.js';
import { type GCSBucket, generationOf } from './bucket.js';
import { isConditionRefused, toStorageError } from './errors.js';
import { generationIn, userMetadataIn } from './object-format.js';
import type { Condition } from './parameters.js';
import type { Publication } from './publication.js';

/** How often a replacement that somebody else's came before is tried again. */
const MAX_ATTEMPTS = 10;

/** That there is no such object. */
export const ABSENT: Condition = { ifGenerationMatch: '0' };

/**
 * Makes an object that must not exist yet.
 * @param revision that of the new object: where an answer was lost, it tells our object from another one
 * @throws DepotError `FILE_EXISTS`
 */
export async function createObject(
  bucket: GCSBucket,
  id: string,
  revision: string,
  publication: Publication,
): Promise<void> {
  const failure = await attempt(publication, ABSENT);
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
  bucket: GCSBucket,
  old: FileDetails,
  revision: string,
  publication: Publication,
): Promise<void> {
  let generation = generationIn(old);
  for (let turn = 1; turn <= MAX_ATTEMPTS; turn++) {
    const failure = await attempt(publication, { ifGenerationMatch: generation });
    if (!failure) return;
    if (!isConditionRefused(failure.error)) {
      if (await hasRevision(bucket, old.id, revision)) return;
      throw toStorageError(failure.error, bucket.place);
    }
    const current = await lookAfterFailure(bucket, old.id);
    if (!current) throw new FileNotFoundError(old.id, { cause: failure.error });
    if (isOfRevision(current, revision)) return;
    generation = generationOf(current);
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
async function hasRevision(bucket: GCSBucket, id: string, revision: string): Promise<boolean> {
  const head = await lookAfterFailure(bucket, id).catch(() => undefined);
  return head !== undefined && isOfRevision(head, revision);
}

/** A server that has just failed is not asked for long. */
async function lookAfterFailure(bucket: GCSBucket, id: string): Promise<IncomingHttpHeaders | undefined> {
  const signal = AbortSignal.timeout(bucket.settings.idleTimeout);
  try {
    return await bucket.head(bucket.key(id), { signal });
  } catch (cause) {
    throw new DepotError('STORAGE_UNAVAILABLE', `${bucket.place} does not tell what became of a write`, {
      cause,
    });
  }
}

function isOfRevision(head: IncomingHttpHeaders, revision: string): boolean {
  return revisionOf(userMetadataIn(head)) === revision;
}
