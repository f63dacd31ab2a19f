import { rm } from 'node:fs/promises';

/** Removes a folder that a storage may still be opening in the background: it can gain an entry meanwhile. */
export async function removeFolder(path: string): Promise<void> {
  await rm(path, { recursive: true, force: true, maxRetries: 5, retryDelay: 50 });
}
