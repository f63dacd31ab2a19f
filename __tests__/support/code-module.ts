import { randomUUID } from 'node:crypto';
import { mkdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type CodeBlock, readCodeBlocks } from './code-blocks.js';
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
  const [block] = await blocksOf(document);
  return runCode(block?.code ?? '', document, replacements);
}

/** Runs the piece of code in a document that contains a text, and gives what it exports. */
export async function runBlockWith<Exports>(
  document: string,
  text: string,
  replacements: Readonly<Record<string, string>> = {},
): Promise<Exports> {
  const block = (await blocksOf(document)).find(({ code }) => code.includes(text));
  return runCode(block?.code ?? '', document, replacements);
}

/** Runs all the code in a document as one program, in the order in which people read, and gives what it exports. */
export async function runAllBlocks<Exports>(
  document: string,
  replacements: Readonly<Record<string, string>> = {},
): Promise<Exports> {
  const blocks = await blocksOf(document);
  return runCode(blocks.map(({ code }) => code).join('\n'), document, replacements);
}

async function blocksOf(document: string): Promise<CodeBlock[]> {
  return (await readCodeBlocks()).filter(({ place }) => place.startsWith(`${document}:`));
}

async function runCode<Exports>(
  code: string,
  document: string,
  replacements: Readonly<Record<string, string>>,
): Promise<Exports> {
  let changed = code;
  for (const [text, other] of Object.entries(replacements)) {
    if (!changed.includes(text)) throw new Error(`${document} says nothing of ${text}`);
    changed = changed.replaceAll(text, other);
  }
  const file = join(FOLDER, `${randomUUID()}.ts`);
  await mkdir(FOLDER, { recursive: true });
  await writeFile(file, changed);
  try {
    return await import(file);
  } finally {
    await rm(file);
  }
}
