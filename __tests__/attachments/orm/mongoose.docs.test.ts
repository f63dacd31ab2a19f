import { randomUUID } from 'node:crypto';
import { test } from '@jest/globals';
import mongoose from 'mongoose';
import type { MongooseAttachments } from '../../../lib/attachments/orm/mongoose.js';
import { type DocumentExample, proveExample } from '../../support/attachments/document-example.js';
import { runFirstBlock } from '../../support/code-module.js';
import { describeWith, startMongoServer } from '../../support/servers/index.js';

type Example = DocumentExample & { readonly attachments: MongooseAttachments };

await describeWith('the page of Mongoose', [startMongoServer], (server) => {
  test('has an example that works', async () => {
    await proveExample(async (folder) => {
      const url = new URL(server.url);
      url.pathname = `/example-${randomUUID()}`;
      process.env.MONGO_URL = url.href;
      const example = await runFirstBlock<Example>('docs/mongoose.md', { './var/files': folder });
      const close = async () => {
        await example.attachments.close();
        await mongoose.connection.dropDatabase();
        await mongoose.disconnect();
      };
      return { ...example, close };
    });
  });
});
