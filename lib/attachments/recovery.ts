import { type Recovery, totalRecovery } from '../contract/recovery.js';
import { FOREIGN_OWNER_PATIENCE, isAbandoned } from '../internal/owner.js';
import type { Intent, IntentJournal } from './journal/journal.js';

/** What the recovery needs of the attachments. */
export interface RecoveryDesk {
  readonly journal: IntentJournal<never>;
  readonly grace: number;
  /** Intents of this process that could not be settled. */
  readonly debts: Map<string, Intent>;
  readonly isReferenced: (path: string) => Promise<boolean>;
  /** Those of the paths at which there is a file, or may be one. */
  findFiles(paths: readonly string[]): Promise<readonly string[]>;
  deleteFiles(paths: readonly string[]): Promise<[string, unknown][]>;
}

/** Intents that are settled together. */
const BATCH = 100;

/**
 * Settles the intents of processes that are no more, and the debts of this one: whatever the journal says, a file that a
 * row refers to is not deleted.
 */
export async function recover(desk: RecoveryDesk): Promise<Recovery> {
  const recoveries: Recovery[] = [];
  for await (const batch of batchesOf(abandoned(desk))) recoveries.push(await settle(desk, batch));
  await desk.journal.purge(new Date(Date.now() - Math.max(desk.grace, FOREIGN_OWNER_PATIENCE)));
  return totalRecovery(recoveries);
}

async function settle(desk: RecoveryDesk, intents: readonly Intent[]): Promise<Recovery> {
  const owed = new Set((await desk.journal.standing(intents)).map(({ id }) => id));
  const paths = intents.filter(({ id }) => owed.has(id)).flatMap((intent) => intent.paths);
  const unreferenced = [];
  // A search through all rows costs more than a look at the file, which was perhaps never stored.
  for (const path of await desk.findFiles(paths))
    if (!(await desk.isReferenced(path))) unreferenced.push(path);
  const failed = new Set((await desk.deleteFiles(unreferenced)).map(([path]) => path));
  const settled = intents.filter((intent) => !intent.paths.some((path) => failed.has(path)));
  await desk.journal.forget(settled);
  for (const { id } of settled) desk.debts.delete(id);
  const deleted = unreferenced.filter((path) => !failed.has(path));
  return { intents: intents.length, deleted, failed: [...failed] };
}

/** Debts are in the journal too, unless that is what has failed. */
async function* abandoned({ journal, grace, debts }: RecoveryDesk): AsyncGenerator<Intent> {
  const own = new Map(debts);
  yield* own.values();
  for await (const intent of journal.entries()) {
    if (own.has(intent.id)) continue;
    if (isAbandoned(intent.owner, intent.createdAt.getTime(), grace)) yield intent;
  }
}

async function* batchesOf(intents: AsyncIterable<Intent>): AsyncGenerator<Intent[]> {
  let batch: Intent[] = [];
  for await (const intent of intents) {
    batch.push(intent);
    if (batch.length < BATCH) continue;
    yield batch;
    batch = [];
  }
  if (batch.length > 0) yield batch;
}
