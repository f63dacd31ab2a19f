import { randomUUID } from 'node:crypto';
import type { Intent, IntentJournal } from '../../../lib/attachments/journal/journal.js';
import { ownerName } from '../../../lib/internal/owner.js';

/** An intent as a process writes it. */
export function intent(state: Intent['state'], ...paths: string[]): Intent {
  return { id: randomUUID(), state, paths, owner: ownerName(), createdAt: new Date() };
}

/** All that stand, by their ids. */
export async function standingIds(journal: IntentJournal<never>): Promise<string[]> {
  const ids = [];
  for await (const { id } of journal.entries()) ids.push(id);
  return ids.sort();
}

export function idsOf(...intents: readonly Intent[]): string[] {
  return intents.map(({ id }) => id).sort();
}
