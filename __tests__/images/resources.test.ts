import { execFile } from 'node:child_process';
import { mkdtemp, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { removeFolder } from '../support/folders.js';
import { hostileFiles, photo } from '../support/images.js';

const run = promisify(execFile);
const CHILD = join(import.meta.dirname, '../support/children/process-images.js');

interface Outcome {
  readonly outcome: string;
  readonly milliseconds: number;
  /** The most that the process has had until then, Node included. */
  readonly megabytes: number;
}

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'filedepot-resources-'));
});
afterAll(() => removeFolder(folder));

/** Processes files in a process of their own. */
async function processAll(contents: readonly Buffer[], width: number): Promise<Outcome[]> {
  const paths = contents.map((_, index) => join(folder, `${index}.jpg`));
  await Promise.all(contents.map((content, index) => writeFile(paths[index] ?? '', content)));
  const { stdout } = await run(process.execPath, [CHILD, String(width), ...paths]);
  return stdout
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line));
}

test('what is refused costs less than a second and 200 MB', async () => {
  const files = Object.values(await hostileFiles());
  const contents = files.map(({ content }) => content);
  const outcomes = await processAll(contents, 1600);
  expect(outcomes.map(({ outcome }) => outcome)).toEqual(files.map(({ code }) => code));
  for (const { milliseconds, megabytes } of outcomes) {
    expect(milliseconds).toBeLessThan(1000);
    expect(megabytes).toBeLessThan(200);
  }
});

test('a photo of 12 megapixels takes less than 200 MB', async () => {
  const content = await photo(1000, 750).resize(4000, 3000).jpeg().toBuffer();
  const [outcome] = await processAll([content], 1600);
  expect(outcome?.outcome).toBe('processed');
  expect(outcome?.megabytes).toBeLessThan(200);
});
