import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { type CodeBlock, readCodeBlocks } from '../support/code-blocks.js';
import { ConsumerProject } from '../support/consumer-project.js';

/** Its code needs a client that Prisma generates: prisma.docs.test.ts. */
const ELSEWHERE = 'docs/prisma.md';

const BLOCKS = (await readCodeBlocks()).filter(({ place }) => !place.startsWith(ELSEWHERE));

/** What a reader has before the eyes, from the blocks above. */
const PRELUDE = `
declare const depot: import('filedepot').DepotManager;
declare const app: import('express').Express;
`;

let project: ConsumerProject;
let complaints: string[];
beforeAll(async () => {
  project = await ConsumerProject.create();
  await project.addOptionalPeers();
  complaints = [
    ...(await check('ts', { strict: true })),
    ...(await check('js', { checkJs: true, strict: false })),
  ];
}, 120_000);
afterAll(() => project.remove());

/** What the compiler says of the blocks in a language. */
async function check(language: CodeBlock['language'], options: object): Promise<string[]> {
  await project.write(`${language}/prelude.d.ts`, PRELUDE);
  for (const block of BLOCKS.filter((one) => one.language === language)) {
    await project.write(`${language}/${fileOf(block)}`, asModule(block));
  }
  // Types of ORMs are of no concern here, and have errors of their own.
  const output = await project.typeErrors({ allowJs: true, skipLibCheck: true, ...options }, [language]);
  return output.split(/\n(?=\S)/).filter(Boolean);
}

function isCommonJs({ code }: CodeBlock): boolean {
  return /^const .* = require\(/m.test(code);
}

/** Names of one block are none of another's. */
function asModule(block: CodeBlock): string {
  return isCommonJs(block) ? block.code : `${block.code}\nexport {};\n`;
}

function fileOf(block: CodeBlock): string {
  return `${block.place.replace(/\W/g, '-')}.${isCommonJs(block) ? 'c' : 'm'}${block.language}`;
}

describe('code in the documents', () => {
  test('begins with an example', () => {
    expect(BLOCKS[0]?.place).toMatch(/^README\.md:/);
  });

  test.each(BLOCKS.map((block) => [block.place, fileOf(block)]))('%s has no errors', (_place, file) => {
    expect(complaints.filter((complaint) => complaint.includes(file))).toEqual([]);
  });

  test('is all that was checked', () => {
    const files = BLOCKS.map(fileOf);
    expect(complaints.filter((complaint) => !files.some((file) => complaint.includes(file)))).toEqual([]);
  });
});
