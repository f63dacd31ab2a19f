import { openMongooseDatabase } from '../../support/attachments/mongoose.js';
import { runAttachmentConformance } from '../../support/run-attachment-conformance.js';
import { describeWith, startMongoServer } from '../../support/servers/index.js';

await describeWith('mongoose', [startMongoServer], (server) => {
  runAttachmentConformance('mongoose', {
    openDatabase: () => openMongooseDatabase(server),
    nested: false,
    cascades: false,
  });
});
