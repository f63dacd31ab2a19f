import { describe } from '@jest/globals';
import { attachmentAdapter } from '../../../lib/attachments/orm/prisma.js';
import { PrismaPostgres } from '../../support/attachments/prisma-postgres.js';
import { PrismaSqlite } from '../../support/attachments/prisma-sqlite.js';
import { prismaProgram } from '../../support/prisma.js';
import { runAttachmentConformance } from '../../support/run-attachment-conformance.js';
import { describeWith, startPostgresServer } from '../../support/servers/index.js';

await describeWith('Prisma on SQLite', [prismaProgram], (_program) => {
  runAttachmentConformance('Prisma on SQLite', { openDatabase: () => PrismaSqlite.create() });
});

await describeWith('Prisma on PostgreSQL', [prismaProgram, startPostgresServer], (_program, server) => {
  runAttachmentConformance('Prisma on PostgreSQL', { openDatabase: () => PrismaPostgres.create(server) });

  describe('with attachmentAdapter', () => {
    const openDatabase = () => PrismaPostgres.create(server, attachmentAdapter);
    runAttachmentConformance('Prisma on PostgreSQL', { openDatabase });
  });
});
