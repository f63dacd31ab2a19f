import { randomUUID } from 'node:crypto';
import { afterAll, afterEach, beforeAll, expect, test } from '@jest/globals';
import { PrismaPg } from '@prisma/adapter-pg';
import pg from 'pg';
import { type Attachment, attach } from '../../../lib/attachments/attachment.js';
import { attachments } from '../../../lib/attachments/orm/prisma.js';
import { DepotManager } from '../../../lib/depot/manager.js';
import { MemoryStorage } from '../../../lib/storages/memory.js';
import { generateClient, prismaProgram } from '../../support/prisma.js';
import { describeWith, startPostgresServer } from '../../support/servers/index.js';

const SCHEMA = `
datasource db {
  provider = "postgresql"
}

model Shelf {
  id    String @id @default(uuid()) @db.Uuid
  books Book[]
  @@map("shelves")
}

model Book {
  shelfId String @map("shelf_id") @db.Uuid
  place   BigInt
  cover   Json?  @map("cover_json")
  shelf   Shelf  @relation(fields: [shelfId], references: [id], onDelete: Cascade)
  @@id([shelfId, place])
  @@map("books")
}
`;

const TABLES = `
  CREATE TABLE shelves (id uuid PRIMARY KEY);
  CREATE TABLE books (
    shelf_id uuid REFERENCES shelves (id) ON DELETE CASCADE, place bigint, cover_json jsonb, PRIMARY KEY (shelf_id, place)
  );
`;

interface Book {
  readonly place: bigint;
  readonly cover: Attachment | null;
}

type One = (parameters: object) => Promise<Book>;
type Count = (parameters: object) => Promise<{ readonly count: number }>;

interface Client {
  readonly shelf: { readonly create: One; readonly deleteMany: Count };
  readonly book: {
    readonly update: One;
    readonly upsert: One;
    readonly delete: One;
    readonly updateMany: Count;
    readonly deleteMany: Count;
    readonly findMany: (parameters?: object) => Promise<readonly Book[]>;
  };
  $transaction<Result>(body: (inner: Client) => Promise<Result>): Promise<Result>;
  $extends(extension: unknown): Client;
  $attachments(): { idle(): Promise<void> };
  $disconnect(): Promise<void>;
}

await describeWith(
  'Prisma on PostgreSQL, with keys of several columns',
  [prismaProgram, startPostgresServer],
  (_program, server) => {
    const storage = new MemoryStorage();
    let plain: Client;
    let prisma: Client;
    let shelfId: string;
    let connectionString: string;

    beforeAll(async () => {
      connectionString = await server.createDatabase();
      const database = new pg.Client(connectionString);
      await database.connect();
      await database.query(TABLES);
      await database.end();
      const { PrismaClient } = await import(await generateClient(SCHEMA));
      const depot = new DepotManager();
      depot.configure('default', storage);
      plain = new PrismaClient({ adapter: new PrismaPg({ connectionString }) });
      prisma = plain.$extends(attachments({ depot, models: { book: { cover: {} } } }));
    });
    afterAll(() => plain.$disconnect());

    afterEach(async () => {
      await prisma.$attachments().idle();
      const ids = (await prisma.book.findMany()).flatMap(({ cover }) => cover?.id ?? []);
      const stored: string[] = [];
      for await (const id of storage.list()) stored.push(id);
      expect(stored.sort()).toEqual(ids.sort());
      await prisma.shelf.deleteMany({});
    });

    async function fill(): Promise<void> {
      shelfId = randomUUID();
      const books = [1n, 2n, 3n].map((place) => ({ place, cover: attach(`${place}`) }));
      await prisma.shelf.create({ data: { id: shelfId, books: { create: books } } });
    }

    const keyOf = (place: bigint) => ({ shelfId_place: { shelfId, place } });

    async function covers(): Promise<(string | undefined)[]> {
      const books = await prisma.book.findMany({ where: { shelfId }, orderBy: { place: 'asc' } });
      return Promise.all(books.map(async ({ cover }) => (await cover?.buffer())?.toString()));
    }

    test('finds the row that is updated, or deleted', async () => {
      await fill();
      await prisma.book.update({ where: keyOf(1n), data: { cover: attach('new') } });
      const create = { shelfId, place: 4n, cover: attach('4') };
      await prisma.book.upsert({ where: keyOf(4n), create, update: {} });
      await prisma.book.upsert({
        where: keyOf(2n),
        create: { ...create, place: 2n },
        update: { cover: attach('two') },
      });
      await prisma.book.delete({ where: keyOf(3n) });
      expect(await covers()).toEqual(['new', 'two', '4']);
    });

    test('finds rows by criteria', async () => {
      await fill();
      const where = { place: { gte: 2n } };
      expect(await prisma.book.updateMany({ where, data: { cover: attach('late') } })).toEqual({ count: 2 });
      expect(await covers()).toEqual(['1', 'late', 'late']);
      expect(await prisma.book.deleteMany({ where, limit: 1 })).toEqual({ count: 1 });
      expect(await covers()).toHaveLength(2);
    });

    test('lets those who update a row at once wait for each other', async () => {
      await fill();
      const texts = Array.from({ length: 12 }, (_text, index) => `text ${index}`);
      await Promise.all(
        texts.map((text) => prisma.book.update({ where: keyOf(1n), data: { cover: attach(text) } })),
      );
      expect(texts).toContain((await covers())[0]);
    });

    test('has no more transactions at once than the pool of the adapter has room for', async () => {
      const depot = new DepotManager();
      depot.configure('default', storage);
      const { PrismaClient } = await import(await generateClient(SCHEMA));
      const adapter = new PrismaPg({ connectionString, max: 2 });
      const small: Client = new PrismaClient({ adapter }).$extends(
        attachments({ depot, models: { book: { cover: {} } } }),
      );
      const add = () =>
        small.$transaction(async (inner) => {
          const books = { create: [{ place: 1n, cover: attach('1') }] };
          await inner.shelf.create({ data: { id: randomUUID(), books } });
        });
      await Promise.all(Array.from({ length: 8 }, add));
      expect(await small.book.findMany()).toHaveLength(8);
      await small.$attachments().idle();
      await small.$disconnect();
    });

    test('finds tables in the schema that the driver adapter was given', async () => {
      const other = await server.createDatabase();
      const database = new pg.Client(other);
      await database.connect();
      await database.query(`CREATE SCHEMA app; SET search_path TO app; ${TABLES}`);
      await database.end();
      const { PrismaClient } = await import(await generateClient(SCHEMA));
      const depot = new DepotManager();
      const files = new MemoryStorage();
      depot.configure('default', files);
      const adapter = new PrismaPg({ connectionString: other }, { schema: 'app' });
      const inSchema: Client = new PrismaClient({ adapter }).$extends(
        attachments({ depot, models: { book: { cover: {} } } }),
      );
      const books = { create: [{ place: 1n, cover: attach('1') }] };
      shelfId = randomUUID();
      await inSchema.shelf.create({ data: { id: shelfId, books } });
      const { cover } = await inSchema.book.update({ where: keyOf(1n), data: { cover: attach('2') } });
      expect((await cover?.buffer())?.toString()).toBe('2');
      await inSchema.shelf.deleteMany({});
      for await (const id of files.list()) throw new Error(`${id} is left`);
      await inSchema.$disconnect();
    });

    test('deletes nothing where a transaction came to nothing without a word', async () => {
      await fill();
      await prisma.$transaction(async (inner) => {
        await inner.book.delete({ where: keyOf(1n) });
        const twice = inner.shelf.create({ data: { id: shelfId } });
        await expect(twice).rejects.toMatchObject({ code: 'P2002' });
      });
      expect(await covers()).toEqual(['1', '2', '3']);
    });
  },
);
