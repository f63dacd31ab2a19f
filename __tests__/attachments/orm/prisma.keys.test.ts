import { mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, expect, test } from '@jest/globals';
import { createClient } from '@libsql/client';
import { PrismaLibSql } from '@prisma/adapter-libsql';
import { PrismaPg } from '@prisma/adapter-pg';
import pg from 'pg';
import { type Attachment, attach } from '../../../lib/attachments/attachment.js';
import { attachments } from '../../../lib/attachments/orm/prisma.js';
import { DepotManager } from '../../../lib/depot/manager.js';
import { MemoryStorage } from '../../../lib/storages/memory.js';
import { removeFolder } from '../../support/folders.js';
import { generateClient, prismaProgram } from '../../support/prisma.js';
import { describeWith, startPostgresServer } from '../../support/servers/index.js';

const MODELS = `
enum Kind {
  BIG @map("big")
  SMALL
}

model Shot {
  camera  Int
  takenAt DateTime @default(now()) @map("taken_at") TIMESTAMP
  scan    Json?
  @@id([camera, takenAt])
  @@map("shots")
}

model Badge {
  kind  Kind
  bytes Bytes
  scan  Json?
  @@id([kind, bytes])
  @@map("badges")
}

model Team {
  id    Int     @id
  slug  String? @unique
  logos Logo[]
  @@map("teams")
}

model Logo {
  code     String? @unique
  number   Int     @unique
  teamSlug String? @map("team_slug")
  team     Team?   @relation(fields: [teamSlug], references: [slug], onDelete: Cascade)
  scan     Json?
  @@map("logos")
}
`;

const schemaOf = (provider: string, timestamp: string) =>
  `datasource db {\n  provider = "${provider}"\n}\n${MODELS.replace('TIMESTAMP', timestamp)}`;

const DECLARATIONS = { shot: { scan: {} }, badge: { scan: {} }, logo: { scan: {} } };

interface Row {
  readonly scan: Attachment | null;
}

interface Model {
  create(parameters: object): Promise<Row>;
  createMany(parameters: object): Promise<{ readonly count: number }>;
  update(parameters: object): Promise<Row>;
  updateMany(parameters: object): Promise<{ readonly count: number }>;
  deleteMany(parameters?: object): Promise<{ readonly count: number }>;
  delete(parameters: object): Promise<Row>;
  findMany(parameters?: object): Promise<readonly Row[]>;
}

interface Client {
  readonly shot: Model;
  readonly badge: Model;
  readonly team: Model;
  readonly logo: Model;
  $extends(extension: unknown): Client;
  $attachments(): { idle(): Promise<void>; close(): Promise<void> };
  $executeRawUnsafe(text: string): Promise<number>;
  $disconnect(): Promise<void>;
}

interface Bench {
  readonly plain: Client;
  readonly prisma: Client;
  close(): Promise<void>;
}

const storage = new MemoryStorage();

async function openClient(schema: string, adapter: object, journal = {}) {
  const { PrismaClient } = await import(await generateClient(schema));
  const plain: Client = new PrismaClient({ adapter });
  const depot = new DepotManager();
  depot.configure('default', storage);
  const prisma = plain.$extends(attachments({ depot, models: DECLARATIONS, journal }));
  const close = async () => {
    await prisma.$attachments().close();
    await plain.$disconnect();
  };
  return { plain, prisma, close };
}

async function openPostgres(url: string): Promise<Bench> {
  const database = new pg.Client(url);
  await database.connect();
  await database.query(`
    CREATE TYPE "Kind" AS ENUM ('big', 'SMALL');
    CREATE TABLE shots (camera integer, taken_at timestamptz DEFAULT now(), scan jsonb, PRIMARY KEY (camera, taken_at));
    CREATE TABLE badges (kind "Kind", bytes bytea, scan jsonb, PRIMARY KEY (kind, bytes));
    CREATE TABLE teams (id integer PRIMARY KEY, slug text UNIQUE);
    CREATE TABLE logos (code text UNIQUE, number integer UNIQUE NOT NULL,
      team_slug text REFERENCES teams (slug) ON DELETE CASCADE, scan jsonb);
  `);
  await database.end();
  const timestamp = '@db.Timestamptz';
  return openClient(schemaOf('postgresql', timestamp), new PrismaPg({ connectionString: url }));
}

async function openSqlite(): Promise<Bench> {
  const folder = await mkdtemp(join(tmpdir(), 'filedepot-prisma-'));
  const url = `file:${join(folder, 'data.db')}`;
  const raw = createClient({ url });
  await raw.executeMultiple(`
    CREATE TABLE shots (camera integer, taken_at datetime, scan jsonb, PRIMARY KEY (camera, taken_at));
    CREATE TABLE badges (kind text, bytes blob, scan jsonb, PRIMARY KEY (kind, bytes));
    CREATE TABLE teams (id integer PRIMARY KEY, slug text UNIQUE);
    CREATE TABLE logos (code text UNIQUE, number integer UNIQUE NOT NULL,
      team_slug text REFERENCES teams (slug) ON DELETE CASCADE, scan jsonb);
  `);
  raw.close();
  const journal = { folder: join(folder, 'intents') };
  const { close, ...clients } = await openClient(schemaOf('sqlite', ''), new PrismaLibSql({ url }), journal);
  return {
    ...clients,
    close: async () => {
      await close();
      await removeFolder(folder);
    },
  };
}

function keyTests(open: () => Promise<Bench>, insertShots: string): void {
  let bench: Bench;
  let prisma: Client;

  beforeAll(async () => {
    bench = await open();
    prisma = bench.prisma;
  });
  afterAll(() => bench.close());

  afterEach(async () => {
    const { shot, badge, logo, team } = prisma;
    const rows = (await Promise.all([shot, badge, logo].map((model) => model.findMany()))).flat();
    await prisma.$attachments().idle();
    expect(await filesStored()).toEqual(rows.flatMap(({ scan }) => scan?.id ?? []).sort());
    for (const model of [shot, badge, team, logo]) await model.deleteMany();
    expect(await filesStored()).toEqual([]);
  });

  async function filesStored(): Promise<string[]> {
    const ids: string[] = [];
    for await (const id of storage.list()) ids.push(id);
    return ids.sort();
  }

  async function scans(model: Model): Promise<(string | undefined)[]> {
    const rows = await model.findMany();
    const texts = await Promise.all(rows.map(async ({ scan }) => (await scan?.buffer())?.toString()));
    return texts.sort();
  }

  test('of times', async () => {
    const data = [1, 2, 3].map((camera) => ({ camera, scan: attach(`${camera}`) }));
    await prisma.shot.createMany({ data });
    const change = { where: { camera: { lt: 3 } }, data: { scan: attach('new') } };
    expect(await prisma.shot.updateMany(change)).toEqual({ count: 2 });
    expect(await scans(prisma.shot)).toEqual(['3', 'new', 'new']);
    expect(await prisma.shot.deleteMany({ where: { camera: 2 } })).toEqual({ count: 1 });
    expect(await scans(prisma.shot)).toEqual(['3', 'new']);
  });

  test('of enumerations, and of bytes', async () => {
    const [first, second] = [Uint8Array.of(0, 255), Uint8Array.of(0, 254)];
    const data = [
      { kind: 'BIG', bytes: first, scan: attach('1') },
      { kind: 'BIG', bytes: second, scan: attach('2') },
      { kind: 'SMALL', bytes: second, scan: attach('3') },
    ];
    await prisma.badge.createMany({ data });
    await prisma.badge.updateMany({ where: { kind: 'BIG' }, data: { scan: attach('big') } });
    expect(await scans(prisma.badge)).toEqual(['3', 'big', 'big']);
    const where = { kind_bytes: { kind: 'BIG', bytes: first } };
    await prisma.badge.update({ where, data: { scan: attach('first') } });
    expect(await scans(prisma.badge)).toEqual(['3', 'big', 'first']);
    await prisma.badge.delete({ where });
    expect(await prisma.badge.deleteMany({ where: { kind: 'BIG' } })).toEqual({ count: 1 });
    expect(await scans(prisma.badge)).toEqual(['3']);
  });

  test('of rows that another extension keeps', async () => {
    const keep = { delete: async () => null, deleteMany: async () => ({ count: 0 }) };
    const keeping = prisma.$extends({ model: { shot: keep, badge: keep } });
    await prisma.shot.create({ data: { camera: 1, scan: attach('1') } });
    await prisma.badge.create({ data: { kind: 'BIG', bytes: Uint8Array.of(1), scan: attach('2') } });
    await keeping.shot.deleteMany();
    await keeping.badge.deleteMany();
    expect([await scans(prisma.shot), await scans(prisma.badge)]).toEqual([['1'], ['2']]);
  });

  test('that may be null', async () => {
    for (const [id, slug] of [
      [1, null],
      [2, 'two'],
    ])
      await prisma.team.create({ data: { id, slug } });
    const data = [1, 2, 3].map((number) => ({
      number,
      teamSlug: number > 1 ? 'two' : null,
      scan: attach('x'),
    }));
    await prisma.logo.createMany({ data });
    expect(await prisma.logo.updateMany({ where: { number: 3 }, data: { scan: attach('3') } })).toEqual({
      count: 1,
    });
    await prisma.team.delete({ where: { id: 1 } });
    expect(await scans(prisma.logo)).toEqual(['3', 'x', 'x']);
    await prisma.team.deleteMany();
    expect(await scans(prisma.logo)).toEqual(['x']);
  });

  test('of two columns, more than there may be parameters', async () => {
    await bench.plain.$executeRawUnsafe(insertShots);
    const where = { camera: 9 };
    expect(await prisma.shot.updateMany({ where, data: { scan: null } })).toEqual({ count: 5000 });
    expect(await prisma.shot.deleteMany({ where })).toEqual({ count: 5000 });
  });
}

await describeWith('Keys: Prisma on SQLite', [prismaProgram], (_program) => {
  keyTests(
    openSqlite,
    `INSERT INTO shots (camera, taken_at) WITH RECURSIVE numbers (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers WHERE n < 5000)
      SELECT 9, strftime('%Y-%m-%dT%H:%M:%f+00:00', n, 'unixepoch') FROM numbers`,
  );
});

await describeWith('Keys: Prisma on PostgreSQL', [prismaProgram, startPostgresServer], (_program, server) => {
  keyTests(
    async () => openPostgres(await server.createDatabase()),
    `INSERT INTO shots SELECT 9, now() + n * interval '1 second' FROM generate_series(1, 5000) AS n`,
  );
});
