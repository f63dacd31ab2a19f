import { MikroOrmDatabase } from '../../support/attachments/mikro-orm.js';
import { postgresDatabase } from '../../support/attachments/mikro-orm-targets.js';
import { runAttachmentConformance } from '../../support/run-attachment-conformance.js';
import { describeWith, startPostgresServer } from '../../support/servers/index.js';

await describeWith('MikroORM', [startPostgresServer], (server) => {
  runAttachmentConformance('MikroORM with PostgreSQL', {
    openDatabase: async () => MikroOrmDatabase.create(await postgresDatabase(server)),
  });
});
