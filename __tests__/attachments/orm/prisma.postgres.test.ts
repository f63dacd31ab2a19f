import { randomUUID } from 'node:crypto';
import { afterAll, afterEach, beforeAll, describe, expect, test } from '@jest/globals';
import { PrismaPg } from '@prisma/adapter-pg';
import pg from 'pg';
import { type Attachment, attach } from '../../../lib/attachments/attachment.js';
import { attachmentAdapter, attachments } from '../../../lib/attachments/orm/prisma.js';
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
    readonly create: One;
    readonly createMany: Count;
    readonly update: One;
    readonly upsert: One;
    readonly delete: One;
    readonly updateMany: Count;
    readonly deleteMany: Count;
    readonly findMany: (parameters?: object) => Promise<readonly Book[]>;
  };
  $transaction<Result>(body: (inner: Client) => Promise<Result>): Promise<Result>;
  $extends(extension: unknown): Client;
  $executeRawUnsafe(text: string): Promise<number>;
  $attachments(): { idle(): Promise<void>; close(): Promise<void> };
  $disconnect(): Promise<void>;
}

/** A driver adapter that takes note of its statements. */
function watched(factory: PrismaPg, statements: string[]): PrismaPg {
  const connect = factory.connect.bind(factory);
  factory.connect = async () => {
    const adapter = await connect();
    for (const name of ['queryRaw', 'executeRaw'] as const) {
      const method = adapter[name].bind(adapter) as (query: { sql: string }) => Promise<never>;
      adapter[name] = (query: { sql: string }) => {
        statements.push(query.sql);
        return method(query);
      };
    }
    const { startTransaction } = adapter;
    adapter.startTransaction = async (...parameters) => {
      statements.push('BEGIN');
      const transaction = await startTransaction.apply(adapter, parameters);
      const { queryRaw } = transaction;
      transaction.queryRaw = (query) => {
        statements.push(query.sql);
        return queryRaw.call(transaction, query);
      };
      return transaction;
    };
    return adapter;
  };
  return factory;
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
    afterAll(async () => {
      await prisma.$attachments().close();
      await plain.$disconnect();
    });

    afterEach(async () => {
      await prisma.$attachments().idle();
      const ids = (await prisma.book.findMany()).flatMap(({ cover }) => cover?.id ?? []);
      const stored: string[] = [];
      for await (const id of storage.list()) stored.push(id);
      expect(stored.sort()).toEqual(ids.sort());
      await prisma.shelf.deleteMany({});
    });

    /** A client with `attachmentAdapter`. @param extension of books, beneath the attachments */
    async function openCarrying(
      factory: PrismaPg,
      { cover = {}, extension = () => ({}) }: { cover?: object; extension?: (base: Client) => object } = {},
    ) {
      const { PrismaClient } = await import(await generateClient(SCHEMA));
      const base: Client = new PrismaClient({ adapter: attachmentAdapter(factory) });
      const depot = new DepotManager();
      depot.configure('default', storage);
      const client = base
        .$extends({ query: { book: extension(base) } })
        .$extends(attachments({ depot, models: { book: { cover } } }));
      const close = async () => {
        await client.$attachments().close();
        await base.$disconnect();
      };
      return { client, close };
    }

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

    test('a create is one statement with attachmentAdapter, which takes along what the journal has to say', async () => {
      const statements: string[] = [];
      const { client, close } = await openCarrying(watched(new PrismaPg({ connectionString }), statements));
      shelfId = randomUUID();
      await client.shelf.create({ data: { id: shelfId } });
      statements.length = 0;
      await client.book.create({ data: { shelfId, place: 1n, cover: attach("it's 1") } });
      const data = [2n, 3n].map((place) => ({ shelfId, place, cover: attach(`${place}`) }));
      await client.book.createMany({ data });
      const inserted = statements.filter((text) => text.includes('"books"'));
      expect(inserted).toEqual(Array(2).fill(expect.stringMatching(/^WITH depot_journal_0 AS \(INSERT/)));
      expect(statements).not.toContain('BEGIN');
      expect(await covers()).toEqual(["it's 1", '2', '3']);
      // Another table comes first: all of it is one transaction.
      const books = { create: [4n, 5n].map((place) => ({ place, cover: attach(`${place}`) })) };
      const other = randomUUID();
      await client.shelf.create({ data: { id: other, books } });
      expect(statements.filter((text) => text.startsWith('WITH')).at(-1)).toContain('"shelves"');
      await close();
    });

    describe('with attachmentAdapter, a row that is inserted keeps its file', () => {
      const lost = {
        originalCode: '57P01',
        kind: 'postgres',
        code: '57P01',
        severity: 'FATAL',
        message: 'shut down',
      };

      /** @param losing how many answers to insertions are lost */
      async function create(losing: number, extension: (base: Client) => object = () => ({})): Promise<void> {
        let left = losing;
        const factory = new PrismaPg({ connectionString });
        const connect = factory.connect.bind(factory);
        factory.connect = async () => {
          const adapter = await connect();
          const queryRaw = adapter.queryRaw.bind(adapter);
          adapter.queryRaw = async (query) => {
            const result = await queryRaw(query);
            if (!query.sql.startsWith('WITH') || left-- <= 0) return result;
            throw Object.assign(new Error('shut down'), { name: 'DriverAdapterError', cause: lost });
          };
          return adapter;
        };
        const { client, close } = await openCarrying(factory, { extension });
        shelfId = randomUUID();
        await client.shelf.create({ data: { id: shelfId } });
        const data = { shelfId, place: 1n, cover: attach('1') };
        await expect(client.book.create({ data })).rejects.toThrow();
        await close();
        expect(await covers()).toEqual(['1']);
      }

      test('where the answer is lost', async () => {
        await create(1);
      });

      test('where the answer is lost, and another extension tries again', async () => {
        const again = async ({ args, query }: { args: object; query: One }) =>
          query(args).catch(() => query(args));
        await create(1, () => ({ create: again }));
        await create(2, () => ({ create: again }));
      });

      test('where another extension fails after that, by an answer of the database too', async () => {
        await create(0, (base) => ({
          async create({ args, query }: { args: object; query: One }) {
            await query(args);
            await base.shelf.create({ data: { id: shelfId } });
          },
        }));
      });
    });

    test('no row is inserted with attachmentAdapter whose file was given up as abandoned', async () => {
      const claim = `INSERT INTO depot_intents SELECT id || ':mark', 'claimed', '[]', owner, created_at FROM depot_intents
        ON CONFLICT DO NOTHING`;
      const giveUp = { apply: async () => void (await plain.$executeRawUnsafe(claim)) };
      const cover = { filters: [giveUp] };
      const { client, close } = await openCarrying(new PrismaPg({ connectionString }), { cover });
      shelfId = randomUUID();
      await client.shelf.create({ data: { id: shelfId } });
      const data = { shelfId, place: 1n, cover: attach('1') };
      await expect(client.book.create({ data })).rejects.toMatchObject({ code: 'ATTACHMENT_CONFLICT' });
      expect(await covers()).toEqual([]);
      await close();
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
      await small.$attachments().close();
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
      await inSchema.$attachments().close();
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
