import { expect, test } from '@jest/globals';
import pg from 'pg';
import { attachmentAdapter } from '../../lib/attachments/orm/prisma.js';
import type { FileStorage } from '../../lib/contract/storage.js';
import { DepotManager } from '../../lib/depot/manager.js';
import { ownerName } from '../../lib/internal/owner.js';
import { MemoryStorage } from '../../lib/storages/memory.js';
import { FIELDS } from '../../lib/testing/attachments/fields.js';
import type { HarnessDatabase, ProcessOptions } from '../../lib/testing/index.js';
import { DrizzlePostgres } from '../support/attachments/drizzle-postgres.js';
import { MikroOrmDatabase } from '../support/attachments/mikro-orm.js';
import { postgresDatabase as mikroOrmTarget } from '../support/attachments/mikro-orm-targets.js';
import { PrismaPostgres } from '../support/attachments/prisma-postgres.js';
import { SequelizeDatabase } from '../support/attachments/sequelize-orm.js';
import { postgresDatabase as sequelizeTarget } from '../support/attachments/sequelize-targets.js';
import { prismaProgram } from '../support/prisma.js';
import { describeWith, type PostgresServer, startPostgresServer } from '../support/servers/index.js';
import { until } from '../support/until.js';

type OpenDatabase = (server: PostgresServer) => Promise<HarnessDatabase>;

/** A process id that no system gives: who has it is dead. */
const NO_PROCESS = 4_194_305;

const NAME = 'taken';

function optionsOf(depot: DepotManager, owner: string): ProcessOptions {
  const [watch, step] = [<Journal>(journal: Journal) => journal, async () => {}];
  return { depot, owner, fields: FIELDS, onError: () => {}, watch, step };
}

interface Blocked {
  isWaitedFor(): Promise<boolean>;
  /** For the transaction that waits. */
  isRecoveryWaiting(): Promise<boolean>;
  end(): Promise<void>;
}

/** Holds a row with that name, not committed, and knows of those who wait for it. */
async function block(url: string): Promise<Blocked> {
  const [blocker, observer] = [
    new pg.Client({ connectionString: url }),
    new pg.Client({ connectionString: url }),
  ];
  await Promise.all([blocker.connect(), observer.connect()]);
  await blocker.query('BEGIN');
  await blocker.query('INSERT INTO documents (name) VALUES ($1)', [NAME]);
  const isWaiting = async (table: string) => {
    const text = `SELECT 1 FROM pg_stat_activity
      WHERE datname = current_database() AND wait_event_type = 'Lock' AND query ILIKE '%insert into%' || $1 || '%'`;
    return (await observer.query(text, [table])).rows.length > 0;
  };
  return {
    isWaitedFor: () => isWaiting('documents'),
    isRecoveryWaiting: () => isWaiting('depot_intents'),
    async end() {
      await blocker.query('ROLLBACK');
      await until(async () => !(await isWaiting('documents')));
      await Promise.all([blocker.end(), observer.end()]);
    },
  };
}

/** The server does not notice that the process is gone as long as its statement waits, and does the statement then. */
async function dieInStatement(server: PostgresServer, open: OpenDatabase): Promise<void> {
  let url = '';
  const createDatabase = async () => {
    url = await server.createDatabase();
    return url;
  };
  const database = await open({ ...server, createDatabase });
  const storages: FileStorage[] = ['default', 'photos'].map(() => new MemoryStorage());
  const depot = new DepotManager();
  depot.configure('default', storages[0] as FileStorage);
  depot.configure('photos', storages[1] as FileStorage);
  const blocked = await block(url);
  const dying = await database.open(optionsOf(depot, ownerName(NO_PROCESS)));
  dying.create({ name: NAME, content: Buffer.from('content') }).catch(() => {});
  await until(blocked.isWaitedFor, 'the statement to wait');
  await dying.kill();
  const other = await database.open(optionsOf(depot, ownerName()));
  let isRecovered = false;
  const recovering = other.recover().finally(() => {
    isRecovered = true;
  });
  await until(
    async () => isRecovered || (await blocked.isRecoveryWaiting()),
    'the recovery to end or to wait',
  );
  await blocked.end();
  await recovering;
  await other.recover();
  const stored = (await database.stored()).filter((value) => value !== null && value !== undefined);
  const paths = stored.flatMap((value) => {
    const data = typeof value === 'string' ? JSON.parse(value) : value;
    return Array.isArray(data) ? [] : (data.files as string[]);
  });
  const files = await Promise.all(paths.map((path) => depot.getFile(path)));
  expect(files.length).toBe(paths.length);
  let count = 0;
  for (const storage of storages) for await (const _id of storage.list()) count += 1;
  expect(count).toBe(paths.length);
  await other.close();
  await database.close();
}

const TITLE =
  'a statement that the server does after the death of its process keeps its files, or is not done';

await describeWith(TITLE, [startPostgresServer], (server) => {
  const databases: Readonly<Record<string, OpenDatabase>> = {
    Drizzle: (own) => DrizzlePostgres.create(own),
    MikroORM: async (own) => MikroOrmDatabase.create(await mikroOrmTarget(own)),
    Sequelize: async (own) => SequelizeDatabase.create(await sequelizeTarget(own)),
  };
  test.each(Object.entries(databases))('%s', (_name, open) => dieInStatement(server, open));
});

await describeWith(TITLE, [prismaProgram, startPostgresServer], (_program, server) => {
  test('Prisma', () => dieInStatement(server, (own) => PrismaPostgres.create(own)));
  test('Prisma, with attachmentAdapter', () =>
    dieInStatement(server, (own) => PrismaPostgres.create(own, attachmentAdapter)));
});
