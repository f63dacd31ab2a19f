import { mkdtemp, readdir, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from '@jest/globals';
import { removeFolder } from '../folders.js';
import { pngOf } from '../png.js';

/** What the example in the page of an ORM exports. */
export interface DocumentExample {
  publish(name: string, content: string, photo: string): Promise<number>;
  revise(id: number, content: string): Promise<void>;
  show(id: number): Promise<object>;
  withdraw(id: number): Promise<void>;
}

/**
 * Does with an example what its readers would do.
 * @param start runs it, with a folder for its files
 */
export async function proveExample(
  start: (folder: string) => Promise<DocumentExample & { close(): Promise<void> }>,
): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), 'filedepot-example-'));
  const files = join(folder, 'files');
  const filesIn = async () => (await readdir(files)).filter((name) => !name.startsWith('.'));
  const picture = join(folder, 'picture.png');
  await writeFile(picture, pngOf(300, 200, [0, 128, 0]));
  const example = await start(files);
  try {
    const url = expect.stringMatching(/^\/depot\/default\//);
    const id = await example.publish('a', 'text', picture);
    expect(await example.show(id)).toEqual({ name: 'a', url, thumb: url });
    expect(await filesIn()).toHaveLength(3);
    await example.revise(id, 'changed');
    expect(await example.show(id)).toEqual({ name: 'a', url, thumb: undefined });
    expect(await filesIn()).toHaveLength(1);
    await example.withdraw(id);
    expect(await filesIn()).toEqual([]);
  } finally {
    await example.close();
    await removeFolder(folder);
  }
}
