import { openMongooseDatabase } from '../../support/attachments/mongoose.js';
import { runAttachmentConformance } from '../../support/run-attachment-conformance.js';
import { describeWith, startMongoServer } from '../../support/servers/index.js';

await describeWith('Mongoose on MongoDB', [startMongoServer], (server) => {
  runAttachmentConformance('Mongoose on MongoDB', {
    openDatabase: () => openMongooseDatabase(server),
    nested: false,
    cascades: false,
  });
});
