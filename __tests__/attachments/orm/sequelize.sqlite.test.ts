import { SequelizeDatabase } from '../../support/attachments/sequelize-orm.js';
import { sqliteFile } from '../../support/attachments/sequelize-targets.js';
import { runAttachmentConformance } from '../../support/run-attachment-conformance.js';
import { describeWith, sqliteDriver } from '../../support/servers/index.js';

await describeWith('Sequelize', [sqliteDriver], (driver) => {
  runAttachmentConformance('Sequelize with SQLite', {
    openDatabase: async () => SequelizeDatabase.create(await sqliteFile(driver)),
  });
});
