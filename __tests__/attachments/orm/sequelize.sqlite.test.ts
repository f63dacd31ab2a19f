import { SequelizeDatabase } from '../../support/attachments/sequelize-orm.js';
import { sqliteFile } from '../../support/attachments/sequelize-targets.js';
import { runAttachmentConformance } from '../../support/run-attachment-conformance.js';
import { describeWith, sqliteDriver } from '../../support/servers/index.js';

await describeWith('Sequelize on SQLite', [sqliteDriver], (driver) => {
  runAttachmentConformance('Sequelize on SQLite', {
    openDatabase: async () => SequelizeDatabase.create(await sqliteFile(driver)),
  });
});
