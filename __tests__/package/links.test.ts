import { existsSync } from 'node:fs';
import { readdir, readFile } from 'node:fs/promises';
import { join, posix } from 'node:path';
import { expect, test } from '@jest/globals';
import { type Manifest, ROOT, readJson } from '../support/consumer-project.js';

/** What is looked at in a checkout, and in no installed package. */
const OF_CHECKOUTS = /^(?:docs\/images|examples|benchmarks)\//;

/** A link of Markdown to a place of this package. */
const LINK = /\]\((?![a-z]+:)([^)#\s]*)(?:#([^)\s]+))?\)/g;

const DOCUMENTS = ['README.md', ...(await documentsIn('docs')), ...(await documentsIn('examples'))];

async function documentsIn(folder: string): Promise<string[]> {
  const names = await readdir(join(ROOT, folder), { recursive: true });
  return names
    .filter((name) => /(?<!node_modules\/.*)\.md$/.test(name))
    .map((name) => posix.join(folder, name));
}

function textOf(document: string): Promise<string> {
  return readFile(join(ROOT, document), 'utf8');
}

/** Where a document leads, as paths from the root. */
async function linksOf(document: string) {
  return [...(await textOf(document)).matchAll(LINK)].map(([link, path = '', heading]) => ({
    link: `${document}: ${link}`,
    target: path === '' ? document : posix.join(posix.dirname(document), path),
    heading,
  }));
}

/** The anchors that headings get where Markdown is shown. */
async function anchorsOf(document: string): Promise<string[]> {
  const headings = [...(await textOf(document)).matchAll(/^#+ (.+)$/gm)].map(([, heading = '']) => heading);
  return headings.map((heading) =>
    heading
      .toLowerCase()
      .replace(/[^\p{L}\p{N} _-]/gu, '')
      .replaceAll(' ', '-'),
  );
}

test.each(DOCUMENTS)('%s leads somewhere', async (document) => {
  for (const { link, target, heading } of await linksOf(document)) {
    expect([link, existsSync(join(ROOT, target))]).toEqual([link, true]);
    if (heading) expect([link, ...(await anchorsOf(target))]).toContain(heading);
  }
});

test.each(DOCUMENTS.filter((name) => !OF_CHECKOUTS.test(name)))(
  'what %s leads to is in the package',
  async (document) => {
    const { files } = await readJson<Manifest>('package.json');
    const isInPackage = (path: string) =>
      [...files, 'README.md'].includes(path.replace(/^docs\/[^/]+\.md$/, 'docs/*.md'));
    const elsewhere = (await linksOf(document)).filter(
      ({ target }) => !isInPackage(target) && !OF_CHECKOUTS.test(target),
    );
    expect(elsewhere.map(({ link }) => link)).toEqual([]);
  },
);
