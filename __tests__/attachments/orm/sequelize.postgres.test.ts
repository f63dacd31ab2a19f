import { SequelizeDatabase } from '../../support/attachments/sequelize-orm.js';
import { postgresDatabase } from '../../support/attachments/sequelize-targets.js';
import { runAttachmentConformance } from '../../support/run-attachment-conformance.js';
import { describeWith, startPostgresServer } from '../../support/servers/index.js';

await describeWith('Sequelize on PostgreSQL', [startPostgresServer], (server) => {
  runAttachmentConformance('Sequelize on PostgreSQL', {
    openDatabase: async () => SequelizeDatabase.create(await postgresDatabase(server)),
  });
});
