import { MikroOrmDatabase } from '../../support/attachments/mikro-orm.js';
import { postgresDatabase } from '../../support/attachments/mikro-orm-targets.js';
import { runAttachmentConformance } from '../../support/run-attachment-conformance.js';
import { describeWith, startPostgresServer } from '../../support/servers/index.js';

await describeWith('MikroORM on PostgreSQL', [startPostgresServer], (server) => {
  runAttachmentConformance('MikroORM on PostgreSQL', {
    openDatabase: async () => MikroOrmDatabase.create(await postgresDatabase(server)),
  });
});
