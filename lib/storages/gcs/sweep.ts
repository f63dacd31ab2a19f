import { ABANDONED_AFTER } from '../../object-storage/staging-area.js';
import type { GCSBucket } from './bucket.js';
import { listObjects } from './id-list.js';

interface StagedObject {
  readonly name: string;
  readonly generation: string;
  readonly timeCreated: string;
}

/**
 * Removes what processes that were killed have left in the staging folder. Uploads that were never completed are
 * forgotten by the server after a week. What cannot be removed is left to the next sweep.
 * @param stagingPrefix what the names of staged objects begin with
 * @param now milliseconds since the epoch
 */
export async function sweep(bucket: GCSBucket, stagingPrefix: string, now = Date.now()): Promise<void> {
  const fields = 'name,generation,timeCreated';
  for await (const staged of listObjects<StagedObject>(bucket, { prefix: stagingPrefix }, fields)) {
    if (now - Date.parse(staged.timeCreated) > ABANDONED_AFTER)
      await bucket.remove(staged.name, staged.generation).catch(ignore);
  }
}

function ignore(): void {}
