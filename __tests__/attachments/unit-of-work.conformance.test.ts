import { MemoryDatabase } from '../support/attachments/memory-orm.js';
import { runAttachmentConformance } from '../support/run-attachment-conformance.js';

runAttachmentConformance('a database in memory', {
  openDatabase: async () => new MemoryDatabase('transactions'),
});

runAttachmentConformance('a database in memory, statements without transactions', {
  openDatabase: async () => new MemoryDatabase('plain'),
});
