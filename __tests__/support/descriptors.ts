import { readdir, readlink } from 'node:fs/promises';

/** What this process has open (Linux), each descriptor by what it leads to. */
export async function openDescriptors(): Promise<string[]> {
  const names = await readdir('/proc/self/fd');
  const targets = await Promise.all(names.map((name) => readlink(`/proc/self/fd/${name}`).catch(() => '')));
  return targets.filter((target) => target !== '');
}
