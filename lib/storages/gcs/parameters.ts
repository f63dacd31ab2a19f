import type { Query } from './bucket.js';
import { generationIn } from './object-format.js';
import type { GCSSettings } from './options.js';

/**
 * The generation that the server must find when an object is written, `0` where there must be none.
 * @see https://cloud.google.com/storage/docs/request-preconditions
 */
export type Condition = { readonly ifGenerationMatch?: string };

/** That there is no such object. */
export const ABSENT: Condition = { ifGenerationMatch: '0' };

/** @param etag the state that must be there; absent where there must be no object */
export function conditionOf(etag: string | undefined): Condition {
  return etag === undefined ? ABSENT : { ifGenerationMatch: generationIn({ etag }) };
}

/** Access that is given to each object. Buckets that give it themselves refuse lists of any object. */
export function accessQuery(
  settings: GCSSettings,
  name: 'predefinedAcl' | 'destinationPredefinedAcl',
): Query {
  const isListed = settings.policy === 'public-read' && !settings.uniformBucketLevelAccess;
  return isListed ? { [name]: 'publicRead' } : {};
}
