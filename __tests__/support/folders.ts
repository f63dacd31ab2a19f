import { readdir, rm } from 'node:fs/promises';

/** Removes a folder that a storage may still be opening in the background: it can gain an entry meanwhile. */
export async function removeFolder(path: string): Promise<void> {
  await rm(path, { recursive: true, force: true, maxRetries: 5, retryDelay: 50 });
}

/** The names of all files below a folder. Folders that go while they are read are looked at again. */
export async function fileNamesIn(folder: string): Promise<string[]> {
  try {
    const entries = await readdir(folder, { recursive: true, withFileTypes: true });
    return entries.filter((entry) => entry.isFile()).map((entry) => entry.name);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
    return fileNamesIn(folder);
  }
}
