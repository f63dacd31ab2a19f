import { randomUUID } from 'node:crypto';
import { lstat, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const PREFIX = 'filedepot-image-';

/** Milliseconds; no image is held for so long by a process that lives. */
const ABANDONED_AFTER = 24 * 60 * 60 * 1000;

let isSwept = false;

/** A path for a file that holds an image for a while. The first one has what crashes have left removed, in the background. */
export function newHeldPath(folder = tmpdir()): string {
  if (!isSwept) void removeAbandoned(folder);
  isSwept = true;
  return join(folder, `${PREFIX}${process.pid}-${randomUUID()}`);
}

/** Never fails: what belongs to others stays. */
async function removeAbandoned(folder: string): Promise<void> {
  const names = await readdir(folder).catch(() => []);
  for (const name of names.filter((one) => one.startsWith(PREFIX)))
    await removeIfAbandoned(join(folder, name)).catch(() => {});
}

async function removeIfAbandoned(path: string): Promise<void> {
  const { mtimeMs } = await lstat(path);
  if (Date.now() - mtimeMs > ABANDONED_AFTER) await rm(path);
}
