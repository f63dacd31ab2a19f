import { DrizzlePostgres } from '../../support/attachments/drizzle-postgres.js';
import { DrizzleSqlite } from '../../support/attachments/drizzle-sqlite.js';
import { runAttachmentConformance } from '../../support/run-attachment-conformance.js';
import { describeWith, startPostgresServer } from '../../support/servers/index.js';

runAttachmentConformance('Drizzle on SQLite', {
  openDatabase: () => DrizzleSqlite.create(),
  skip: {
    'transaction: two that replace the same attachment':
      '@libsql/client loses writes after it has failed to get the lock that another connection has',
  },
});

await describeWith('Drizzle on PostgreSQL', [startPostgresServer], (server) => {
  runAttachmentConformance('Drizzle on PostgreSQL', { openDatabase: () => DrizzlePostgres.create(server) });
});
