import { opendir } from 'node:fs/promises';
import { isFileId } from '../../contract/file-id.js';
import type { ListOptions } from '../../contract/storage.js';

/** Ids that are in memory at once, about 100 bytes each; every so many ids the folder is read once more. */
const IDS_PER_PASS = 100_000;

/**
 * The ids in a folder in ascending order, in flat memory: each pass over the folder picks the next ones.
 * @param idsPerPass how many are picked in one pass
 */
export async function* listIds(
  root: string,
  { prefix = '', after = '', signal }: ListOptions,
  idsPerPass: number = IDS_PER_PASS,
): AsyncGenerator<string> {
  let last = after;
  for (;;) {
    const ids = await lowestIds(root, prefix, last, idsPerPass, signal);
    yield* ids;
    if (ids.length < idsPerPass) return;
    last = ids.at(-1) ?? last;
  }
}

/** The lowest ids after one, sorted; what cannot be among them is dropped as soon as twice as many are there. */
async function lowestIds(root: string, prefix: string, after: string, limit: number, signal?: AbortSignal) {
  let ids: string[] = [];
  let highest: string | undefined;
  for await (const entry of await opendir(root, { bufferSize: 1024 })) {
    const { name } = entry;
    signal?.throwIfAborted();
    if (name <= after || (highest !== undefined && name > highest)) continue;
    // Each of our files is a folder; what lies beside them belongs to others.
    if (!name.startsWith(prefix) || !isFileId(name) || entry.isFile()) continue;
    ids.push(name);
    if (ids.length < limit * 2) continue;
    ids = ids.sort().slice(0, limit);
    highest = ids.at(-1);
  }
  return ids.sort().slice(0, limit);
}
