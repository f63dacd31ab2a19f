import { FIELDS } from '../../../lib/testing/attachments/fields.js';
import { createSchema, TypeOrmDatabase } from '../../support/attachments/typeorm.js';
import { runAttachmentConformance } from '../../support/run-attachment-conformance.js';
import { describeWith, startPostgresServer } from '../../support/servers/index.js';

runAttachmentConformance('TypeORM on SQLite', {
  openDatabase: () => TypeOrmDatabase.sqlite(),
  skip: {
    'transaction: many at once, some of them undone':
      'TypeORM has one connection to SQLite, and begins a transaction within the other',
    'transaction: two that replace the same attachment':
      'the driver libsql goes on reading the old state after it has failed to get the lock',
  },
});

await describeWith('TypeORM on PostgreSQL', [startPostgresServer], (server) => {
  const schema = `typeorm_${process.pid}`;
  let created: Promise<void> | undefined;
  runAttachmentConformance('TypeORM on PostgreSQL', {
    openDatabase: async () => {
      created ??= createSchema(server.url, schema, FIELDS);
      await created;
      return TypeOrmDatabase.postgres(server.url, schema);
    },
  });
});
