import { test } from '@jest/globals';
import type { NodePgDatabase } from 'drizzle-orm/node-postgres';
import type pg from 'pg';
import type { WithAttachments } from '../../../lib/attachments/orm/drizzle.js';
import { type DocumentExample, proveExample } from '../../support/attachments/document-example.js';
import { runFirstBlock } from '../../support/code-module.js';
import { describeWith, startPostgresServer } from '../../support/servers/index.js';

type Example = DocumentExample & {
  readonly db: WithAttachments<NodePgDatabase & { $client: pg.Pool }>;
};

await describeWith('the page of Drizzle', [startPostgresServer], (server) => {
  test('has an example that works', async () => {
    await proveExample(async (folder) => {
      process.env.DATABASE_URL = await server.createDatabase();
      const example = await runFirstBlock<Example>('docs/drizzle.md', { './var/files': folder });
      await example.db.execute(
        'CREATE TABLE documents (id serial PRIMARY KEY, name text NOT NULL, content jsonb, photo jsonb)',
      );
      const close = async () => {
        await example.db.$attachments.close();
        await example.db.$client.end();
      };
      return { ...example, close };
    });
  });
});
