import { MikroOrmDatabase } from '../../support/attachments/mikro-orm.js';
import { sqliteFile } from '../../support/attachments/mikro-orm-targets.js';
import { runAttachmentConformance } from '../../support/run-attachment-conformance.js';

runAttachmentConformance('MikroORM on SQLite', {
  openDatabase: async () => MikroOrmDatabase.create(await sqliteFile()),
});
