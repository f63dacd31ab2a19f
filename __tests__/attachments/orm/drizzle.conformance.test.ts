import { DrizzlePostgres } from '../../support/attachments/drizzle-postgres.js';
import { DrizzleSqlite } from '../../support/attachments/drizzle-sqlite.js';
import { runAttachmentConformance } from '../../support/run-attachment-conformance.js';
import { describeWith, startPostgresServer } from '../../support/servers/index.js';

runAttachmentConformance('Drizzle on SQLite', { openDatabase: () => DrizzleSqlite.create() });

await describeWith('Drizzle on PostgreSQL', [startPostgresServer], (server) => {
  runAttachmentConformance('Drizzle on PostgreSQL', { openDatabase: () => DrizzlePostgres.create(server) });
});
