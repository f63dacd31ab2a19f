import { randomUUID } from 'node:crypto';
import { mkdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { readCodeBlocks } from './code-blocks.js';
import { ROOT } from './consumer-project.js';

/** Where packages are found as the tests find them. */
const FOLDER = join(ROOT, '.cache/snippets');

/**
 * Runs the first piece of code in a document, and gives what it exports.
 * @param document e.g. `docs/sequelize.md`
 * @param replacements what is another here than there, e.g. the path of a folder
 */
export async function runFirstBlock<Exports>(
  document: string,
  replacements: Readonly<Record<string, string>> = {},
): Promise<Exports> {
  const block = (await readCodeBlocks()).find(({ place }) => place.startsWith(`${document}:`));
  let code = block?.code ?? '';
  for (const [text, other] of Object.entries(replacements)) {
    if (!code.includes(text)) throw new Error(`${document} says nothing of ${text}`);
    code = code.replaceAll(text, other);
  }
  const file = join(FOLDER, `${randomUUID()}.ts`);
  await mkdir(FOLDER, { recursive: true });
  await writeFile(file, code);
  try {
    return await import(file);
  } finally {
    await rm(file);
  }
}
