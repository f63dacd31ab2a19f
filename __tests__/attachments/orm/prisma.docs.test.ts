import { execFile } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { dirname, join, relative } from 'node:path';
import { promisify } from 'node:util';
import { expect, test } from '@jest/globals';
import pg from 'pg';
import { type DocumentExample, proveExample } from '../../support/attachments/document-example.js';
import { readCodeBlocks } from '../../support/code-blocks.js';
import { runFirstBlock } from '../../support/code-module.js';
import { ROOT } from '../../support/consumer-project.js';
import { removeFolder } from '../../support/folders.js';
import { generateClient, prismaProgram } from '../../support/prisma.js';
import { describeWith, startPostgresServer } from '../../support/servers/index.js';

const run = promisify(execFile);

const PAGE = 'docs/prisma.md';
const CLIENT = './generated/prisma/client.js';

type Example = DocumentExample & {
  readonly prisma: { $attachments(): { close(): Promise<void> }; $disconnect(): Promise<void> };
};

/** The client of the schema that the page has. */
async function clientOfPage(): Promise<string> {
  const page = await readFile(join(ROOT, PAGE), 'utf8');
  const [, models = ''] = /^```prisma\n(.*?)^```$/ms.exec(page) ?? [];
  return generateClient(`datasource db {\n  provider = "postgresql"\n}\n${models}`);
}

await describeWith('the page of Prisma', [prismaProgram, startPostgresServer], (_program, server) => {
  test('has an example that works', async () => {
    const client = await clientOfPage();
    await proveExample(async (folder) => {
      const url = await server.createDatabase();
      const database = new pg.Client(url);
      await database.connect();
      await database.query(
        'CREATE TABLE "Document" (id serial PRIMARY KEY, name text NOT NULL, content jsonb, photo jsonb)',
      );
      await database.end();
      process.env.DATABASE_URL = url;
      const example = await runFirstBlock<Example>(PAGE, { './var/files': folder, [CLIENT]: client });
      const close = async () => {
        await example.prisma.$attachments().close();
        await example.prisma.$disconnect();
      };
      return { ...example, close };
    });
  });

  test('has code whose types are right', async () => {
    const folder = join(ROOT, '.cache/snippets', randomUUID());
    const client = relative(folder, dirname(await clientOfPage()));
    await mkdir(folder, { recursive: true });
    try {
      const blocks = (await readCodeBlocks()).filter(({ place }) => place.startsWith(`${PAGE}:`));
      for (const [index, { code }] of blocks.entries())
        await writeFile(join(folder, `block${index}.ts`), code.replace(CLIENT, `${client}/client.js`));
      const config = { extends: relative(folder, join(ROOT, 'tsconfig.json')), include: ['*.ts'] };
      await writeFile(join(folder, 'tsconfig.json'), JSON.stringify(config));
      const compiler = join(ROOT, 'node_modules/typescript/bin/tsc');
      const compiling = run(process.execPath, [compiler, '--pretty', 'false', '-p', folder]);
      const { stdout } = await compiling.catch((failure: { stdout: string }) => failure);
      expect(stdout.split(/\n(?=\S)/).filter((complaint) => /block\d\.ts/.test(complaint))).toEqual([]);
    } finally {
      await removeFolder(folder);
    }
  });
});
