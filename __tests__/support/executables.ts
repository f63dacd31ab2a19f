import { accessSync, constants } from 'node:fs';
import { delimiter, join } from 'node:path';

/** The first program of one of these names, in a folder where it usually is, else on PATH. */
export function findExecutable(names: readonly string[], folder: string): string | undefined {
  const folders = [folder, ...(process.env.PATH ?? '').split(delimiter)];
  return names.flatMap((name) => folders.map((each) => join(each, name))).find(isExecutable);
}

export function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}
