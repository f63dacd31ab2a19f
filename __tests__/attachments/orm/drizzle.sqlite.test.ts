import { mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { createClient } from '@libsql/client';
import { eq, inArray, relations, sql } from 'drizzle-orm';
import { drizzle } from 'drizzle-orm/libsql';
import { drizzle as drizzlePg } from 'drizzle-orm/node-postgres';
import { type AnySQLiteColumn, blob, integer, primaryKey, sqliteTable, text } from 'drizzle-orm/sqlite-core';
import pg from 'pg';
import { attach } from '../../../lib/attachments/attachment.js';
import {
  sqliteAttachment,
  sqliteAttachmentList,
  withAttachments,
} from '../../../lib/attachments/orm/drizzle.js';
import { DepotManager } from '../../../lib/depot/manager.js';
import { MemoryStorage } from '../../../lib/storages/memory.js';
import { removeFolder } from '../../support/folders.js';

const folders = sqliteTable('folders', {
  id: integer('id').primaryKey(),
  name: text('name').notNull(),
  parentId: integer('parent_id').references((): AnySQLiteColumn => folders.id, { onDelete: 'cascade' }),
});

const documents = sqliteTable('documents', {
  id: integer('id').primaryKey(),
  name: text('name').notNull().unique(),
  content: sqliteAttachment('content'),
  photo: sqliteAttachment('photo'),
  pages: sqliteAttachmentList('pages'),
  folderId: integer('folder_id').references(() => folders.id, { onDelete: 'cascade' }),
});

const folderRelations = relations(folders, ({ many }) => ({ documents: many(documents) }));
const documentRelations = relations(documents, ({ one }) => ({
  folder: one(folders, { fields: [documents.folderId], references: [folders.id] }),
}));

const TABLES = [
  'CREATE TABLE folders (id integer PRIMARY KEY, name text NOT NULL, parent_id integer REFERENCES folders (id) ON DELETE CASCADE)',
  `CREATE TABLE documents (id integer PRIMARY KEY, name text NOT NULL UNIQUE, content text, photo text, pages text,
    folder_id integer REFERENCES folders (id) ON DELETE CASCADE)`,
];

async function open() {
  const folder = await mkdtemp(join(tmpdir(), 'filedepot-drizzle-'));
  const client = createClient({ url: `file:${join(folder, 'data.db')}` });
  for (const statement of TABLES) await client.execute(statement);
  const depot = new DepotManager();
  const storage = new MemoryStorage();
  depot.configure('default', storage);
  const plain = drizzle(client, { schema: { folders, documents, folderRelations, documentRelations } });
  const db = withAttachments(plain, {
    depot,
    tables: { documents, folders },
    journal: { folder: join(folder, 'intents') },
  });
  const close = async () => {
    await db.$attachments.close();
    client.close();
    await removeFolder(folder);
  };
  const files = async () => {
    const ids: string[] = [];
    for await (const id of storage.list()) ids.push(`default/${id}`);
    return ids.sort();
  };
  return { db, plain, close, files, client, storage, folder };
}

let bench: Awaited<ReturnType<typeof open>>;
beforeEach(async () => {
  bench = await open();
});
afterEach(() => bench.close());

async function content(name: string): Promise<string | undefined> {
  const [row] = await bench.db.select().from(documents).where(eq(documents.name, name));
  return (await row?.content?.buffer())?.toString();
}

async function referenced(): Promise<string[]> {
  const rows = await bench.db.select().from(documents);
  return rows
    .flatMap((row) => [row.content, row.photo, ...(row.pages ?? [])].flatMap((one) => one?.files ?? []))
    .sort();
}

async function expectEquality(): Promise<void> {
  await bench.db.$attachments.idle();
  expect(await bench.files()).toEqual(await referenced());
}

describe('Drizzle on SQLite', () => {
  afterEach(expectEquality);

  test('inserts, and gives what it has stored', async () => {
    const { db } = bench;
    const [row] = await db
      .insert(documents)
      .values({
        name: 'a',
        content: attach('hello', { filename: 'a.txt' }),
        pages: [attach('1'), attach('2')],
      })
      .returning();
    expect(row?.content?.filename).toBe('a.txt');
    expect(row?.pages).toHaveLength(2);
    expect(await content('a')).toBe('hello');
  });

  test('updates several rows, each with its own file', async () => {
    const { db } = bench;
    await db.insert(documents).values([{ name: 'a', content: attach('1') }, { name: 'b' }, { name: 'c' }]);
    await db.update(documents).set({ content: attach('all') });
    expect(await Promise.all(['a', 'b', 'c'].map(content))).toEqual(['all', 'all', 'all']);
    expect(await bench.files()).toHaveLength(3);
    await db.update(documents).set({ content: null }).where(eq(documents.name, 'b'));
    expect(await bench.files()).toHaveLength(2);
    await db
      .update(documents)
      .set({ content: attach('x') })
      .where(eq(documents.name, 'nobody'));
    expect(await bench.files()).toHaveLength(2);
  });

  test('keeps an attachment that is assigned again, and copies one of another row', async () => {
    const { db } = bench;
    const [a] = await db
      .insert(documents)
      .values({ name: 'a', content: attach('1'), pages: [attach('p'), attach('q')] })
      .returning();
    await db
      .update(documents)
      .set({ content: a?.content ?? null })
      .where(eq(documents.name, 'a'));
    expect(await content('a')).toBe('1');
    await db.insert(documents).values({ name: 'b', content: a?.content ?? null });
    const second = a?.pages?.slice(1) ?? [];
    await db
      .update(documents)
      .set({ pages: [...second, attach('r')] })
      .where(eq(documents.name, 'a'));
    expect(await bench.files()).toHaveLength(4);
  });

  test('deletes, with what the database deletes', async () => {
    const { db } = bench;
    await db.insert(folders).values([
      { id: 1, name: 'x' },
      { id: 2, name: 'y', parentId: 1 },
    ]);
    await db.insert(documents).values([
      { name: 'a', content: attach('1'), folderId: 1 },
      { name: 'b', content: attach('2'), folderId: 2 },
      { name: 'c', content: attach('3') },
    ]);
    await db.delete(folders).where(eq(folders.id, 1));
    expect(await referenced()).toHaveLength(1);
    const gone = await db.delete(documents).returning();
    expect(gone).toHaveLength(1);
  });

  test('follows the transaction', async () => {
    const { db } = bench;
    await db.insert(documents).values({ name: 'a', content: attach('1') });
    await expect(
      db.transaction(async (tx) => {
        await tx.insert(documents).values({ name: 'b', content: attach('2') });
        await tx
          .update(documents)
          .set({ content: attach('3') })
          .where(eq(documents.name, 'a'));
        tx.rollback();
      }),
    ).rejects.toThrow('Rollback');
    expect(await content('a')).toBe('1');
    await db.transaction(async (tx) => {
      await tx.insert(documents).values({ name: 'b', content: attach('2') });
      await tx
        .transaction(async (inner) => {
          await inner.insert(documents).values({ name: 'c', content: attach('4') });
          await inner.delete(documents).where(eq(documents.name, 'a'));
          inner.rollback();
        })
        .catch(() => {});
      await tx
        .insert(documents)
        .values({ name: 'b', content: attach('again') })
        .catch(() => {});
      await tx
        .update(documents)
        .set({ content: attach('5') })
        .where(eq(documents.name, 'a'));
    });
    expect(await content('a')).toBe('5');
    expect(await bench.files()).toHaveLength(2);
  });

  test('meets rows that are there already', async () => {
    const { db } = bench;
    await db.insert(documents).values({ id: 1, name: 'a', content: attach('1'), photo: attach('p') });
    await db
      .insert(documents)
      .values({ id: 1, name: 'a', content: attach('2') })
      .onConflictDoUpdate({ target: documents.id, set: { content: sql`excluded.content` } });
    expect(await content('a')).toBe('2');
    await db
      .insert(documents)
      .values({ name: 'a', content: attach('3') })
      .onConflictDoUpdate({ target: documents.name, set: { content: attach('4') } });
    expect(await content('a')).toBe('4');
    await db
      .insert(documents)
      .values({ id: 1, name: 'z', content: attach('5') })
      .onConflictDoNothing();
    await db
      .insert(documents)
      .values([
        { name: 'a', content: attach('5') },
        { name: 'y', content: attach('y') },
      ])
      .onConflictDoNothing({ target: documents.name });
    expect(await content('a')).toBe('4');
    expect(await bench.files()).toHaveLength(3);
  });

  test('meets rows that are there already with nothing to store', async () => {
    const { db } = bench;
    await db.insert(documents).values({ name: 'a', content: attach('1') });
    await db.insert(documents).values({ name: 'a', photo: null }).onConflictDoNothing();
    const set = { folderId: null };
    await db.insert(documents).values({ name: 'a' }).onConflictDoUpdate({ target: documents.name, set });
    expect(await content('a')).toBe('1');
  });

  test('finds rows whose conflict changes what they were found by', async () => {
    const { db } = bench;
    const values = { id: 1, name: 'a', content: attach('1'), photo: attach('p') };
    await db.insert(documents).values(values);
    await db
      .insert(documents)
      .values({ name: 'a', content: attach('2') })
      .onConflictDoUpdate({ target: documents.name, set: { name: 'b', content: sql`excluded.content` } });
    expect(await content('b')).toBe('2');
    const lost = db
      .insert(documents)
      .values({ id: 1, name: 'c', content: attach('3') })
      .onConflictDoUpdate({ target: documents.id, set: { id: 2 } });
    await expect(lost).rejects.toMatchObject({ code: 'ATTACHMENT_UNSUPPORTED' });
    expect(await bench.files()).toHaveLength(2);
  });

  test('commits no statement that was refused when it had written already', async () => {
    const { db } = bench;
    await db.insert(documents).values({ id: 1, name: 'a', content: attach('1') });
    const move = (tx: Pick<typeof db, 'insert'>) =>
      tx
        .insert(documents)
        .values({ id: 1, name: 'b', content: attach('2') })
        .onConflictDoUpdate({ target: documents.id, set: { id: 2, content: sql`excluded.content` } });
    const refusal = { code: 'ATTACHMENT_UNSUPPORTED' };
    const transaction = db.transaction(async (tx) => {
      await tx.insert(folders).values({ id: 1, name: 'x' });
      await expect(move(tx)).rejects.toMatchObject(refusal);
    });
    await expect(transaction).rejects.toMatchObject(refusal);
    expect(await db.$count(folders)).toBe(0);
    await db.transaction(async (tx) => {
      await tx.insert(folders).values({ id: 1, name: 'x' });
      const nested = tx.transaction(async (inner) => {
        await expect(move(inner)).rejects.toMatchObject(refusal);
      });
      await expect(nested).rejects.toMatchObject(refusal);
    });
    expect(await db.$count(folders)).toBe(1);
    expect(await content('a')).toBe('1');
  });

  test('keeps the files of rows that the database does not delete with others', async () => {
    const { db } = bench;
    await db.insert(folders).values({ id: 1, name: 'x' });
    await db.insert(documents).values({ name: 'a', content: attach('1'), folderId: 1 });
    await db.run(sql`PRAGMA foreign_keys = OFF`);
    await db.delete(folders);
    await db.run(sql`PRAGMA foreign_keys = ON`);
    expect(await content('a')).toBe('1');
  });

  test('changes and deletes more rows than there may be parameters', async () => {
    const { db } = bench;
    await db.run(sql`
      with recursive numbers (n) as (select 1 union all select n + 1 from numbers where n < 40000)
      insert into documents (name) select 'n' || n from numbers
    `);
    await db.update(documents).set({ content: null });
    await db.delete(documents);
    expect(await db.$count(documents)).toBe(0);
  });

  test('changes and deletes many rows with keys of two columns, of bytes too', async () => {
    const stamps = sqliteTable(
      'stamps',
      {
        album: blob('album', { mode: 'buffer' }).references(() => albums.id, { onDelete: 'cascade' }),
        place: integer('place'),
        scan: sqliteAttachment('scan'),
      },
      (table) => [primaryKey({ columns: [table.album, table.place] })],
    );
    const albums = sqliteTable('albums', { id: blob('id', { mode: 'buffer' }).primaryKey() });
    await bench.client.execute('CREATE TABLE albums (id blob PRIMARY KEY)');
    await bench.client.execute(`CREATE TABLE stamps (
      album blob REFERENCES albums (id) ON DELETE CASCADE, place integer, scan text, PRIMARY KEY (album, place)
    )`);
    const { storage, folder } = bench;
    const depot = new DepotManager();
    depot.configure('default', storage);
    const journal = { folder: join(folder, 'others') };
    const db = withAttachments(bench.plain, { depot, tables: { albums, stamps }, journal });
    const [first, second] = [Buffer.from([0, 255]), Buffer.from([0, 254])];
    await db.insert(albums).values([{ id: first }, { id: second }]);
    await db.insert(stamps).values([first, second].map((album) => ({ album, place: 0, scan: attach('1') })));
    await db.run(sql`
      with recursive numbers (n) as (select 1 union all select n + 1 from numbers where n < 3000)
      insert into stamps (album, place) select id, n from albums, numbers
    `);
    expect((await db.update(stamps).set({ scan: null }).where(sql`${stamps.place} > 0`)).rowsAffected).toBe(
      6000,
    );
    await db
      .update(stamps)
      .set({ scan: attach('2') })
      .where(eq(stamps.place, 0));
    expect(await bench.files()).toHaveLength(2);
    await db.delete(albums).where(eq(albums.id, first));
    expect(await bench.files()).toHaveLength(1);
    expect((await db.delete(stamps)).rowsAffected).toBe(3001);
    expect(await bench.files()).toEqual([]);
    await db.$attachments.close();
  });

  test('many at once', async () => {
    const { db } = bench;
    await Promise.all(
      Array.from({ length: 30 }, async (_, index) => {
        if (index % 3 === 0)
          await db.insert(documents).values({ name: `n${index}`, content: attach(`${index}`) });
        else
          await db
            .transaction(async (tx) => {
              await tx.insert(documents).values({ name: `n${index}`, content: attach(`${index}`) });
              if (index % 3 === 1) throw new Error('no');
            })
            .catch(() => {});
      }),
    );
    expect(await bench.files()).toHaveLength(20);
  });

  test('prepared', async () => {
    const { db } = bench;
    const insert = db
      .insert(documents)
      .values({ name: sql.placeholder('name'), content: sql.placeholder('content') })
      .prepare();
    await insert.execute({ name: 'a', content: attach('1') });
    await insert.run({ name: 'b', content: attach('2') });
    const remove = db
      .delete(documents)
      .where(eq(documents.name, sql.placeholder('name')))
      .prepare();
    await remove.run({ name: 'a' });
    expect(await content('b')).toBe('2');
  });

  test('reads attachments of rows that belong to others', async () => {
    const { db } = bench;
    await db.insert(folders).values({ id: 1, name: 'x' });
    const pages = [attach('1'), attach('2')];
    await db.insert(documents).values({ name: 'a', content: attach('text'), pages, folderId: 1 });
    const [folder] = await db.query.folders.findMany({ with: { documents: true } });
    const [document] = folder?.documents ?? [];
    expect((await document?.content?.buffer())?.toString()).toBe('text');
    expect(document?.pages?.map((page) => page.size)).toEqual([1, 1]);
    expect(document?.photo).toBe(null);
  });

  test('sees what a query that grows becomes', async () => {
    const { db } = bench;
    await db.insert(documents).values([
      { name: 'a', content: attach('1') },
      { name: 'b', content: attach('2') },
    ]);
    const removal = db.delete(documents).$dynamic();
    removal.where(eq(documents.name, 'a'));
    await removal;
    expect(await content('b')).toBe('2');
    const names = db.$with('names').as(db.select({ name: documents.name }).from(documents));
    const named = sql`(select name from names)`;
    await db
      .with(names)
      .update(documents)
      .set({ content: attach('3') })
      .where(inArray(documents.name, named));
    expect(await content('b')).toBe('3');
  });

  test.each<[string, () => PromiseLike<unknown>]>([
    ['SQL as a value', () => bench.db.insert(documents).values({ name: 'a', content: sql`'{}'` })],
    ['SQL in an update', () => bench.db.update(documents).set({ content: sql`photo` })],
    ['rows that are selected', () => bench.db.insert(documents).select(bench.db.select().from(documents))],
    [
      'an update with another table',
      () =>
        bench.db
          .update(documents)
          .set({ content: attach('1') })
          .from(folders)
          .where(eq(folders.id, 1)),
    ],
    [
      'a conflict on columns that nobody has named',
      () =>
        bench.db
          .insert(documents)
          .values({ name: 'a', content: attach('1') })
          .onConflictDoNothing(),
    ],
    [
      'one file for several conflicts',
      () =>
        bench.db
          .insert(documents)
          .values([{ name: 'a' }, { name: 'b' }])
          .onConflictDoUpdate({ target: documents.name, set: { content: attach('1') } }),
    ],
    ['a batch', async () => bench.db.batch([bench.db.delete(documents)])],
    [
      'a part of another statement',
      () => bench.db.run(sql`with gone as (${bench.db.delete(documents).returning()}) select 1`),
    ],
  ])('refuses %s', async (_what, act) => {
    await expect((async () => act())()).rejects.toMatchObject({ code: 'ATTACHMENT_UNSUPPORTED' });
  });

  test('refuses attachments that nobody would store', async () => {
    const statement = bench.plain.insert(documents).values({ name: 'a', content: attach('1') });
    await expect(statement).rejects.toMatchObject({ code: 'ATTACHMENT_PENDING' });
  });

  test('refuses tables that it does not know', () => {
    const letters = sqliteTable('letters', {
      id: integer('id').primaryKey(),
      scan: sqliteAttachment('scan'),
    });
    const insert = () => bench.db.insert(letters);
    expect(insert).toThrow(expect.objectContaining({ code: 'INVALID_OPTION' }));
  });

  test.each<[string, object, object, string]>([
    ['no attachments', { folders }, { folder: 'x' }, 'INVALID_OPTION'],
    ['no folder', { documents }, {}, 'INVALID_OPTION'],
  ])('refuses options with %s', (_what, tables, journal, code) => {
    const options = { depot: new DepotManager(), tables: { ...tables }, journal };
    expect(() => withAttachments(bench.plain, options)).toThrow(expect.objectContaining({ code }));
  });

  test.each<[string, object, string]>([
    ['what is no database', {}, 'UNSUPPORTED'],
    ['PostgreSQL without a pool', drizzlePg(new pg.Client()), 'INVALID_OPTION'],
    ['a pool of one connection', drizzlePg(new pg.Pool({ max: 1 })), 'INVALID_OPTION'],
  ])('refuses %s', (_what, db, code) => {
    const options = { depot: new DepotManager(), tables: { documents } };
    expect(() => withAttachments(db, options)).toThrow(expect.objectContaining({ code }));
  });
});
