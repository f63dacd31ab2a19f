import { randomUUID } from 'node:crypto';
import { mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from '@jest/globals';
import { transform } from '@swc/core';
import type { DataSource } from 'typeorm';
import type { TypeOrmAttachments } from '../../../lib/attachments/orm/typeorm.js';
import { type DocumentExample, proveExample } from '../../support/attachments/document-example.js';
import { ROOT } from '../../support/consumer-project.js';
import { describeWith, startPostgresServer } from '../../support/servers/index.js';

type Example = DocumentExample & {
  readonly dataSource: DataSource;
  readonly attachments: TypeOrmAttachments;
};

/** Runs the first piece of code, compiled with the decorators that TypeORM wants. */
async function runExample(folder: string): Promise<Example> {
  const page = await readFile(join(ROOT, 'docs/typeorm.md'), 'utf8');
  const source = /^```typescript\n(.*?)^```$/ms.exec(page)?.[1]?.replace('./var/files', folder) ?? '';
  const { code } = await transform(source, {
    jsc: {
      parser: { syntax: 'typescript', decorators: true },
      target: 'es2022',
      transform: { legacyDecorator: true },
    },
  });
  const snippets = join(ROOT, '.cache/snippets');
  const file = join(snippets, `${randomUUID()}.ts`);
  await mkdir(snippets, { recursive: true });
  await writeFile(file, code);
  try {
    return await import(file);
  } finally {
    await rm(file);
  }
}

await describeWith('the page of TypeORM', [startPostgresServer], (server) => {
  test('has an example that works', async () => {
    await proveExample(async (folder) => {
      process.env.DATABASE_URL = await server.createDatabase();
      const example = await runExample(folder);
      const close = async () => {
        await example.attachments.close();
        await example.dataSource.destroy();
      };
      return { ...example, close };
    });
  });
});
