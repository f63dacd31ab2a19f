import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import { eq, sql } from 'drizzle-orm';
import { drizzle, type NodePgDatabase } from 'drizzle-orm/node-postgres';
import { bigint, integer, pgTable, primaryKey, text, timestamp, uuid } from 'drizzle-orm/pg-core';
import pg from 'pg';
import { attach } from '../../../lib/attachments/attachment.js';
import { pgAttachment, type WithAttachments, withAttachments } from '../../../lib/attachments/orm/drizzle.js';
import { DepotManager } from '../../../lib/depot/manager.js';
import { isDepotError } from '../../../lib/errors.js';
import { MemoryStorage } from '../../../lib/storages/memory.js';
import { describeWith, startPostgresServer } from '../../support/servers/index.js';

const shelves = pgTable('shelves', { id: uuid('id').primaryKey().defaultRandom() });

const books = pgTable(
  'books',
  {
    shelfId: uuid('shelf_id').references(() => shelves.id, { onDelete: 'cascade' }),
    place: bigint('place', { mode: 'bigint' }),
    title: text('title').unique(),
    cover: pgAttachment('cover'),
  },
  (table) => [primaryKey({ columns: [table.shelfId, table.place] })],
);

const TABLES = `
  CREATE TABLE shelves (id uuid PRIMARY KEY DEFAULT gen_random_uuid());
  CREATE TABLE books (
    shelf_id uuid REFERENCES shelves (id) ON DELETE CASCADE, place bigint, title text UNIQUE, cover jsonb,
    PRIMARY KEY (shelf_id, place)
  );
`;

await describeWith('Drizzle on PostgreSQL, with keys of several columns', [startPostgresServer], (server) => {
  const storage = new MemoryStorage();
  let pool: pg.Pool;
  let db: WithAttachments<NodePgDatabase>;
  let shelfId: string;

  beforeAll(async () => {
    pool = new pg.Pool({ connectionString: await server.createDatabase() });
    // The server may be stopped first.
    pool.on('error', () => {});
    await pool.query(TABLES);
    const depot = new DepotManager();
    depot.configure('default', storage);
    db = withAttachments(drizzle(pool), { depot, tables: { books } });
  });
  afterAll(() => pool.end());

  beforeEach(async () => {
    const [shelf] = await db.insert(shelves).values({}).returning();
    shelfId = shelf?.id ?? '';
    const rows = [1n, 2n, 3n].map((place) => ({
      shelfId,
      place,
      title: `${place}`,
      cover: attach(`${place}`),
    }));
    await db.insert(books).values(rows);
  });

  afterEach(async () => {
    await db.$attachments.idle();
    const ids = (await db.select().from(books)).flatMap(({ cover }) => cover?.id ?? []);
    expect(await filesStored()).toEqual(ids.sort());
    await db.delete(shelves);
    expect(await filesStored()).toEqual([]);
  });

  async function filesStored(): Promise<string[]> {
    const ids: string[] = [];
    for await (const id of storage.list()) ids.push(id);
    return ids.sort();
  }

  async function covers(): Promise<(string | undefined)[]> {
    const rows = await db.select().from(books).orderBy(books.title);
    return Promise.all(rows.map(async ({ cover }) => (await cover?.buffer())?.toString()));
  }

  test('inserts in one statement, which takes along what the journal has to say', async () => {
    const statements: string[] = [];
    const logged = drizzle(pool, { logger: { logQuery: (query) => statements.push(query) } });
    const depot = new DepotManager();
    depot.configure('default', storage);
    const own = withAttachments(logged, { depot, tables: { books } });
    const extra = own.$with('extra').as(own.select({ one: sql`1`.as('one') }).from(shelves));
    const [row] = await own
      .with(extra)
      .insert(books)
      .values({ shelfId, place: 4n, title: '4', cover: attach('4') })
      .returning();
    await Promise.all([own.$attachments.idle(), db.$attachments.idle()]);
    expect((await row?.cover?.buffer())?.toString()).toBe('4');
    const heads = statements.map((statement) => statement.split(/[ (]/, 2).join(' ').toLowerCase());
    expect(heads.filter((head) => head !== 'create table')).toEqual([
      'insert into',
      'with "depot_journal_0"',
      'delete from',
    ]);
    expect((await pool.query('SELECT * FROM depot_intents')).rows).toEqual([]);
  });

  test('inserts no row whose file was given up as abandoned', async () => {
    const claim = `INSERT INTO depot_intents SELECT id || ':mark', 'claimed', '[]', owner, created_at FROM depot_intents`;
    const giveUp = { apply: async () => void (await pool.query(claim)) };
    const notes = pgTable('notes', { scan: pgAttachment('scan', { filters: [giveUp] }) });
    await pool.query('CREATE TABLE notes (scan jsonb)');
    const depot = new DepotManager();
    depot.configure('default', storage);
    const own = withAttachments(drizzle(pool), { depot, tables: { notes } });
    const inserting = own.insert(notes).values({ scan: attach('scan') });
    await expect(inserting).rejects.toMatchObject({ code: 'ATTACHMENT_CONFLICT' });
    expect(await own.select().from(notes)).toEqual([]);
  });

  test('gives each row a file of its own', async () => {
    const updated = await db
      .update(books)
      .set({ cover: attach('new') })
      .where(sql`${books.place} > 1`)
      .returning({ cover: books.cover });
    expect(new Set(updated.map(({ cover }) => cover?.path)).size).toBe(2);
    expect(await covers()).toEqual(['1', 'new', 'new']);
  });

  test('changes and deletes more rows than there may be parameters', async () => {
    const letters = pgTable('letters', { id: uuid('id').primaryKey(), scan: pgAttachment('scan') });
    const depot = new DepotManager();
    depot.configure('default', storage);
    const own = withAttachments(drizzle(pool), { depot, tables: { letters } });
    await pool.query('CREATE TABLE letters (id uuid PRIMARY KEY, scan jsonb)');
    await pool.query('INSERT INTO letters SELECT gen_random_uuid() FROM generate_series(1, 70000)');
    expect((await own.update(letters).set({ scan: null })).rowCount).toBe(70_000);
    expect((await own.delete(letters)).rowCount).toBe(70_000);
  });

  describe('with keys that JavaScript has not exactly', () => {
    const days = pgTable('Days', { at: timestamp('at', { withTimezone: true }).primaryKey().defaultNow() });
    const shots = pgTable(
      'Shots',
      {
        camera: integer(),
        takenAt: timestamp({ withTimezone: true }).defaultNow(),
        scan: pgAttachment('scan'),
        day: timestamp('day_at', { withTimezone: true }).references(() => days.at, { onDelete: 'cascade' }),
      },
      (table) => [primaryKey({ columns: [table.camera, table.takenAt] })],
    );
    let own: WithAttachments<NodePgDatabase>;

    beforeAll(async () => {
      await pool.query(`
        CREATE TABLE "Days" (at timestamptz PRIMARY KEY DEFAULT now());
        CREATE TABLE "Shots" (
          camera integer, taken_at timestamptz DEFAULT now(), scan jsonb,
          day_at timestamptz REFERENCES "Days" ON DELETE CASCADE, PRIMARY KEY (camera, taken_at)
        );
      `);
      const depot = new DepotManager();
      depot.configure('default', storage);
      own = withAttachments(drizzle(pool, { casing: 'snake_case' }), { depot, tables: { shots } });
    });
    beforeEach(async () => {
      await pool.query(
        `INSERT INTO "Days" VALUES ('2026-01-01 00:00:00.123456'), ('2026-01-01 00:00:00.123457')`,
      );
      await own.insert(shots).values([1, 2, 3].map((camera) => ({ camera, scan: attach(`${camera}`) })));
    });
    afterEach(async () => {
      await own.delete(shots);
      await own.delete(days);
      await own.$attachments.idle();
    });

    async function scans(): Promise<(string | undefined)[]> {
      const rows = await own.select().from(shots).orderBy(shots.camera);
      return Promise.all(rows.map(async ({ scan }) => (await scan?.buffer())?.toString()));
    }

    test('changes and deletes rows', async () => {
      const change = own.update(shots).set({ scan: attach('new') });
      expect((await change.where(sql`${shots.camera} < 3`)).rowCount).toBe(2);
      expect(await scans()).toEqual(['new', 'new', '3']);
      expect((await own.delete(shots).where(eq(shots.camera, 2))).rowCount).toBe(1);
      expect(await scans()).toEqual(['new', '3']);
      expect(await filesStored()).toHaveLength(2 + 3);
    });

    test('finds the rows that go with others', async () => {
      await pool.query(`UPDATE "Shots" SET day_at = '2026-01-01 00:00:00.123456' WHERE camera < 3`);
      await own.delete(days);
      expect(await scans()).toEqual(['3']);
      expect(await filesStored()).toHaveLength(1 + 3);
    });

    test('keeps the files of rows that a trigger leaves as they are', async () => {
      await pool.query(`
        CREATE FUNCTION leave() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END';
        CREATE TRIGGER leave BEFORE UPDATE OR DELETE ON "Shots" FOR EACH ROW WHEN (OLD.camera = 1) EXECUTE FUNCTION leave()
      `);
      await own.update(shots).set({ scan: attach('new') });
      expect(await scans()).toEqual(['1', 'new', 'new']);
      await own.delete(shots);
      expect(await scans()).toEqual(['1']);
      await pool.query('DROP TRIGGER leave ON "Shots"');
    });
  });

  test('changes and deletes more rows with a key of two columns than there may be parameters', async () => {
    await pool.query(`INSERT INTO books SELECT $1, n FROM generate_series(10, 40000) AS n`, [shelfId]);
    expect((await db.update(books).set({ cover: null })).rowCount).toBe(39_994);
    expect((await db.delete(shelves)).rowCount).toBe(1);
  });

  test('deletes no files of rows that a rule keeps', async () => {
    await pool.query(`CREATE RULE keep AS ON DELETE TO books WHERE OLD.title = '1' DO INSTEAD NOTHING`);
    await db.delete(books);
    await pool.query('DROP RULE keep ON books');
    expect(await covers()).toEqual(['1']);
  });

  test('lets those who update a row at once wait for each other', async () => {
    const texts = Array.from({ length: 20 }, (_text, index) => `text ${index}`);
    await Promise.all(
      texts.map((one) =>
        db
          .update(books)
          .set({ cover: attach(one) })
          .where(eq(books.title, '1')),
      ),
    );
    expect(texts).toContain((await covers())[0]);
  });

  test('loses sight of no row that others add at the same moment', async () => {
    const values = (one: string) => ({ shelfId, place: 9n, title: 'new', cover: attach(one) });
    const insert = (one: string) => {
      const set = { cover: sql`excluded.cover` };
      return db.insert(books).values(values(one)).onConflictDoUpdate({ target: books.title, set });
    };
    const texts = Array.from({ length: 20 }, (_text, index) => `text ${index}`);
    const results = await Promise.allSettled(texts.map(insert));
    const errors = results.flatMap((result) => (result.status === 'rejected' ? [result.reason] : []));
    expect(errors.filter((error) => !isDepotError(error, 'ATTACHMENT_CONFLICT'))).toEqual([]);
    expect(errors.length).toBeLessThan(texts.length);
    expect(texts).toContain((await covers())[3]);
  });

  describe('when a transaction ends while a statement of it runs', () => {
    const failure = new Error('no mail');

    /** A database that takes note of its statements, and fails with one of them. */
    function openFailing(failingAt: number) {
      const statements: string[] = [];
      let fail = () => {};
      const failing = new Promise<never>((_resolve, reject) => {
        fail = () => reject(failure);
      });
      failing.catch(() => {});
      const logQuery = (query: string, parameters: readonly unknown[]) => {
        // What is announced, and forgotten, is so on another connection.
        const isOutside = query.includes('depot_intents') && !parameters.includes('kept');
        if (!isOutside) statements.push(query);
        if (statements.length === failingAt) fail();
      };
      const depot = new DepotManager();
      depot.configure('default', storage);
      const own = withAttachments(drizzle(pool, { logger: { logQuery } }), { depot, tables: { books } });
      return { own, statements, failing };
    }

    type Transaction = Parameters<Parameters<typeof db.transaction>[0]>[0];

    const acts: [string, (tx: Transaction) => PromiseLike<unknown>][] = [
      ['an insert', (tx) => tx.insert(books).values({ shelfId, place: 4n, cover: attach('4') })],
      ['an update', (tx) => tx.update(books).set({ cover: attach('new') })],
      ['a delete', (tx) => tx.delete(shelves)],
      [
        'an upsert',
        (tx) =>
          tx
            .insert(books)
            .values({ shelfId, place: 9n, title: '1', cover: attach('new') })
            .onConflictDoUpdate({ target: books.title, set: { cover: sql`excluded.cover` } }),
      ],
    ];

    test.each(acts)('nothing of %s comes after the rollback', async (_what, act) => {
      let failures = 0;
      for (let failingAt = 1; failures === failingAt - 1; failingAt++) {
        const { own, statements, failing } = openFailing(failingAt);
        const ending = own.transaction((tx) => Promise.race([failing, act(tx).then(() => tx.rollback())]));
        const error = await ending.catch((reason: unknown) => reason);
        if (error === failure) failures += 1;
        await own.$attachments.close();
        expect(statements.at(-1)).toBe('rollback');
        expect(await covers()).toEqual(['1', '2', '3']);
      }
      expect(failures).toBeGreaterThan(2);
    });

    test.each(acts)('nothing of %s comes after the savepoint', async (_what, act) => {
      let failures = 0;
      for (let failingAt = 1; failures === failingAt - 1; failingAt++) {
        const { own, failing } = openFailing(failingAt);
        await own.transaction(async (tx) => {
          const nested = tx.transaction((inner) =>
            Promise.race([failing, act(inner).then(() => inner.rollback())]),
          );
          const error = await nested.catch((reason: unknown) => reason);
          if (error === failure) failures += 1;
        });
        await own.$attachments.close();
        expect(await covers()).toEqual(['1', '2', '3']);
      }
      expect(failures).toBeGreaterThan(2);
    });

    test('what nobody has waited for is done before the commit', async () => {
      let late: Promise<unknown> | undefined;
      await db.transaction(async (tx) => {
        const updating = tx
          .update(books)
          .set({ cover: attach('new') })
          .where(eq(books.title, '1'))
          .execute();
        void tx.transaction((inner) => inner.delete(books).where(eq(books.title, '2')));
        late = updating.then(() => tx.delete(books).where(eq(books.title, '3')));
      });
      await late;
      expect(await covers()).toEqual(['new']);
      const { own, statements } = openFailing(0);
      let kept: Transaction | undefined;
      await own.transaction(async (tx) => {
        kept = tx;
      });
      await expect(kept?.delete(books)).rejects.toMatchObject({ code: 'CONFLICT' });
      expect(statements.at(-1)).toBe('commit');
    });
  });

  test('commits no row whose old file nobody has seen', async () => {
    const add = (tx: Pick<typeof db, 'insert'>, text: string) =>
      tx
        .insert(books)
        .values({ shelfId, place: 9n, title: 'new', cover: attach(text) })
        .onConflictDoUpdate({ target: books.title, set: { cover: sql`excluded.cover` } });
    let added = () => {};
    const adding = new Promise<void>((resolve) => {
      added = resolve;
    });
    let committed = () => {};
    const first = db.transaction(async (tx) => {
      await add(tx, 'first');
      added();
      await new Promise<void>((resolve) => {
        committed = resolve;
      });
    });
    await adding;
    const conflict = { code: 'ATTACHMENT_CONFLICT' };
    const second = db.transaction(async (tx) => {
      setTimeout(committed, 200);
      await expect(add(tx, 'second')).rejects.toMatchObject(conflict);
    });
    await expect(second).rejects.toMatchObject(conflict);
    await first;
    expect((await covers())[3]).toBe('first');
  });

  test('deletes nothing where a transaction came to nothing without a word', async () => {
    await db.transaction(async (tx) => {
      await tx.delete(books).where(eq(books.title, '1'));
      await expect(tx.insert(shelves).values({ id: shelfId })).rejects.toThrow('insert into');
    });
    expect(await covers()).toEqual(['1', '2', '3']);
  });
});
