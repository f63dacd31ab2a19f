import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { ROOT } from './consumer-project.js';

/** A piece of code in a text for people. */
export interface CodeBlock {
  /** E.g. `README.md:12`. */
  readonly place: string;
  readonly language: 'js' | 'ts';
  readonly code: string;
}

const FENCED_CODE = /^```(js|ts)\b[^\n]*\n(.*?)^```$/gms;

/** The JavaScript and TypeScript in README.md and docs/, in the order in which people read. */
export async function readCodeBlocks(): Promise<CodeBlock[]> {
  const documents = (await readdir(join(ROOT, 'docs'))).filter((name) => name.endsWith('.md')).sort();
  const blocks = ['README.md', ...documents.map((name) => `docs/${name}`)].map(blocksOf);
  return (await Promise.all(blocks)).flat();
}

async function blocksOf(document: string): Promise<CodeBlock[]> {
  const text = await readFile(join(ROOT, document), 'utf8');
  return [...text.matchAll(FENCED_CODE)].map(({ index, 1: language, 2: code = '' }) => {
    const line = text.slice(0, index).split('\n').length + 1;
    return { place: `${document}:${line}`, language: language as 'js' | 'ts', code };
  });
}
