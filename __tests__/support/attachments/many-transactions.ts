import { expect } from '@jest/globals';
import type { FileStorage } from '../../../lib/contract/storage.js';
import { DepotManager } from '../../../lib/depot/manager.js';
import { ownerName } from '../../../lib/internal/owner.js';
import { MemoryStorage } from '../../../lib/storages/memory.js';
import { FIELDS } from '../../../lib/testing/attachments/fields.js';
import type {
  AttachmentHarness,
  DocumentOperations,
  HarnessDatabase,
  ProcessOptions,
} from '../../../lib/testing/index.js';

const STORAGES = ['default', 'photos'];

/** Rows that many transactions change. */
const SHARED_ROWS = 8;

const UNDONE = new Error('undone');

/** Rows that transactions find there. */
interface Rows {
  /** Of one transaction each. */
  readonly own: readonly string[];
  readonly shared: readonly string[];
}

/**
 * Runs transactions all at once, a third of which are rolled back, and checks that files and rows are even, that nothing
 * is left in the journal, and that transactions fail only with what their acts throw.
 * @param database gets a process, which is open as long as `watch` runs
 * @param watch runs beside the transactions until its signal is aborted
 */
export async function runAtOnce(
  database: HarnessDatabase,
  count: number,
  watch: (signal: AbortSignal) => Promise<void> = async () => {},
): Promise<void> {
  const [depot, storages] = newDepot();
  const errors: unknown[] = [];
  const orm = await database.open(optionsOf(depot, errors));
  const rows = await makeRows(orm, count);
  const ending = new AbortController();
  const watching = watch(ending.signal);
  const acts = Array.from({ length: count }, (_act, number) =>
    orm.transaction((inner) => act(inner, number, rows)),
  );
  const results = await Promise.allSettled(acts);
  ending.abort();
  await watching;
  const reasons = results.map((result) => (result.status === 'rejected' ? result.reason : undefined));
  expect(reasons).toEqual(results.map((_result, number) => (isUndone(number) ? UNDONE : undefined)));
  await orm.idle();
  expect(errors).toEqual([]);
  const references = (await database.stored()).flatMap(filesOf).sort();
  expect(await filesIn(storages)).toEqual(references);
  expect(references.length).toBeGreaterThan(count);
  expect(await database.intents()).toEqual([]);
  await orm.close();
}

function newDepot(): [DepotManager, Map<string, FileStorage>] {
  const depot = new DepotManager();
  const storages = new Map(STORAGES.map((name) => [name, new MemoryStorage()]));
  for (const [name, storage] of storages) depot.configure(name, storage);
  return [depot, storages];
}

function optionsOf(depot: DepotManager, errors: unknown[]): ProcessOptions {
  return {
    depot,
    owner: ownerName(),
    fields: FIELDS,
    onError: (error) => errors.push(error),
    watch: (journal) => journal,
    step: async () => {},
  };
}

async function makeRows(orm: AttachmentHarness, count: number): Promise<Rows> {
  const values = (name: string) => ({ name, content: contentOf(name) });
  const names = Array.from({ length: count }, (_row, number) => `own ${number}`);
  const shared = Array.from({ length: SHARED_ROWS }, (_row, number) => `shared ${number}`);
  return {
    own: await orm.createMany(names.map(values)),
    shared: await orm.createMany(shared.map(values)),
  };
}

/** What is shared comes last: others wait for it until the transaction is over. */
async function act(orm: DocumentOperations, number: number, { own, shared }: Rows): Promise<void> {
  const id = own[number] ?? '';
  await orm.create({ name: `new ${number}`, content: contentOf(`new ${number}`), photo: contentOf('photo') });
  if (number % 4 === 0) await orm.remove(id);
  else await orm.update(id, { content: contentOf(`changed ${number}`) });
  if (number % 5 === 0)
    await orm.update(shared[number % shared.length] ?? '', { photo: contentOf(`${number}`) });
  if (isUndone(number)) throw UNDONE;
}

function isUndone(number: number): boolean {
  return number % 3 === 0;
}

function contentOf(text: string): Buffer {
  return Buffer.from(`content of ${text}`);
}

async function filesIn(storages: ReadonlyMap<string, FileStorage>): Promise<string[]> {
  const paths = [];
  for (const [name, storage] of storages) for await (const id of storage.list()) paths.push(`${name}/${id}`);
  return paths.sort();
}

function filesOf(stored: unknown): string[] {
  const value = typeof stored === 'string' ? JSON.parse(stored) : stored;
  return Array.isArray(value)
    ? value.flatMap(filesOf)
    : ((value as { files?: string[] } | null)?.files ?? []);
}
