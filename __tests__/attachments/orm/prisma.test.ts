import { mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { createClient } from '@libsql/client';
import { type Attachment, attach } from '../../../lib/attachments/attachment.js';
import { attachments, type ModelDeclarations } from '../../../lib/attachments/orm/prisma.js';
import { DepotManager } from '../../../lib/depot/manager.js';
import { MemoryStorage } from '../../../lib/storages/memory.js';
import { SQLITE_TABLES, sqliteClient } from '../../support/attachments/prisma-client.js';
import { removeFolder } from '../../support/folders.js';
import { prismaProgram } from '../../support/prisma.js';
import { describeWith } from '../../support/servers/index.js';

interface Row {
  readonly id: number;
  readonly name: string;
  readonly content: Attachment | null;
  readonly photo: Attachment | null;
  readonly pages: readonly Attachment[];
  readonly documents: readonly Row[];
}

/** What is asked for a row, which can be asked for its folder. */
interface Fluent extends Promise<Row> {
  folder(parameters?: object): Promise<unknown>;
}

type One = (parameters: object) => Fluent;
type Several = (parameters?: object) => Promise<readonly Row[]>;
type Count = (parameters?: object) => Promise<{ readonly count: number }>;

interface Model {
  readonly create: One;
  readonly update: One;
  readonly upsert: One;
  readonly delete: One;
  readonly findUnique: One;
  readonly findMany: Several;
  readonly updateManyAndReturn: Several;
  readonly createMany: Count;
  readonly updateMany: Count;
  readonly deleteMany: Count;
  readonly count: () => Promise<number>;
}

/** The client, as far as these tests use it: what Prisma generates has types of its own. */
interface Client {
  readonly document: Model;
  readonly folder: Model;
  $transaction<Result>(body: (inner: Client) => Promise<Result>, options?: object): Promise<Result>;
  $transaction(operations: readonly Promise<unknown>[]): Promise<unknown[]>;
  $extends(extension: unknown): Client;
  $attachments(): { idle(): Promise<void>; close(): Promise<void> };
  $disconnect(): Promise<void>;
}

const MODELS = { document: { content: {}, photo: {}, pages: [{}] } } as const satisfies ModelDeclarations;

const UNSUPPORTED = { code: 'ATTACHMENT_UNSUPPORTED' };

async function open() {
  const folder = await mkdtemp(join(tmpdir(), 'filedepot-prisma-'));
  const url = `file:${join(folder, 'data.db')}`;
  const raw = createClient({ url });
  for (const statement of SQLITE_TABLES) await raw.execute(statement);
  const storage = new MemoryStorage();
  const depot = new DepotManager();
  depot.configure('default', storage);
  const plain = (await sqliteClient(url)) as never as Client;
  const journal = { folder: join(folder, 'intents') };
  const extend = (models: ModelDeclarations) => plain.$extends(attachments({ depot, models, journal }));
  const close = async () => {
    await plain.$disconnect();
    raw.close();
    await removeFolder(folder);
  };
  const files = async () => {
    const paths: string[] = [];
    for await (const id of storage.list()) paths.push(`default/${id}`);
    return paths.sort();
  };
  return { prisma: extend(MODELS), extend, close, files };
}

await describeWith('Prisma', [prismaProgram], (_program) => {
  let bench: Awaited<ReturnType<typeof open>>;
  let prisma: Client;
  beforeEach(async () => {
    bench = await open();
    prisma = bench.prisma;
  });
  afterEach(async () => {
    await prisma.$attachments().close();
    expect(await bench.files()).toEqual(await referenced());
    await bench.close();
  });

  async function content(name: string): Promise<string | undefined> {
    const row = await prisma.document.findUnique({ where: { name } });
    return (await row?.content?.buffer())?.toString();
  }

  async function referenced(): Promise<string[]> {
    const rows = await prisma.document.findMany();
    const all = rows.flatMap((row) => [row.content, row.photo, ...row.pages]);
    return all.flatMap((one) => one?.files ?? []).sort();
  }

  describe('rows', () => {
    test('are created, and read as attachments', async () => {
      const data = {
        name: 'a',
        content: attach('hello', { filename: 'a.txt' }),
        pages: [attach('1'), attach('2')],
      };
      const row = await prisma.document.create({ data });
      expect(row.content?.filename).toBe('a.txt');
      expect(row.content?.url()).toBe(`/depot/${row.content?.path}`);
      expect(row.pages).toHaveLength(2);
      expect(row.photo).toBe(null);
      expect(JSON.parse(JSON.stringify(row)).content.path).toBe(row.content?.path);
      expect(await bench.files()).toHaveLength(3);
    });

    test('are updated, each with files of its own', async () => {
      const data = [{ name: 'a', content: attach('1') }, { name: 'b' }, { name: 'c' }];
      await prisma.document.createMany({ data });
      expect(await prisma.document.updateMany({ data: { content: attach('all') } })).toEqual({ count: 3 });
      expect(await Promise.all(['a', 'b', 'c'].map(content))).toEqual(['all', 'all', 'all']);
      const where = { name: { in: ['a', 'b'] } };
      const rows = await prisma.document.updateManyAndReturn({ where, data: { photo: attach('p') } });
      expect(new Set(rows.map(({ photo }) => photo?.path)).size).toBe(2);
      const select = { id: true, content: true };
      const row = await prisma.document.update({ where: { name: 'c' }, data: { content: null }, select });
      expect(JSON.parse(JSON.stringify(row))).toEqual({ id: 3, content: null });
    });

    test('lose their files in one statement', async () => {
      const data = ['a', 'b', 'c'].map((name) => ({ name, content: attach(name), pages: [attach('p')] }));
      await prisma.document.createMany({ data });
      let statements = 0;
      const count = ({ args, query }: { args: object; query: (args: object) => unknown }) => {
        statements++;
        return query(args);
      };
      const further = prisma.$extends({ query: { document: { updateMany: count } } });
      const where = { name: { in: ['a', 'b'] } };
      expect(await further.document.updateMany({ where, data: { content: null, pages: [] } })).toEqual({
        count: 2,
      });
      expect(statements).toBe(1);
      expect(await bench.files()).toHaveLength(2);
    });

    test('keep what they have, and get copies of what others have', async () => {
      const { id, photo } = await prisma.document.create({ data: { name: 'a', photo: attach('1') } });
      const row = await prisma.document.update({ where: { id }, data: { photo, content: photo } });
      expect(row.photo?.path).toBe(photo?.path);
      expect(row.content?.path).not.toBe(photo?.path);
    });

    test('that are not there leave nothing', async () => {
      const update = prisma.document.update({ where: { name: 'z' }, data: { content: attach('x') } });
      await expect(update).rejects.toMatchObject({ code: 'P2025' });
    });

    test('are updated or created', async () => {
      const upsert = (name: string, text: string) => {
        const create = { name, content: attach(`created ${text}`) };
        return prisma.document.upsert({
          where: { name },
          create,
          update: { content: attach(`updated ${text}`) },
        });
      };
      await upsert('a', '1');
      expect(await content('a')).toBe('created 1');
      await upsert('a', '2');
      expect(await content('a')).toBe('updated 2');
    });

    test('can be asked for what they are related to', async () => {
      const folder = { create: { name: 'x' } };
      const creating = prisma.document.create({ data: { name: 'a', content: attach('1'), folder } });
      expect(await creating.folder()).toMatchObject({ name: 'x' });
      const updating = prisma.document.update({ where: { name: 'a' }, data: { content: attach('2') } });
      expect(await updating.folder({ select: { name: true } })).toEqual({ name: 'x' });
      expect(await content('a')).toBe('2');
      const removing = prisma.document.delete({ where: { name: 'a' } });
      expect(await prisma.$transaction([removing.folder()])).toMatchObject([{ name: 'x' }]);
      expect(await prisma.document.count()).toBe(0);
    });

    test('may be skipped by nobody', async () => {
      const data = [{ name: 'a', content: attach('1') }];
      await expect(prisma.document.createMany({ data, skipDuplicates: true })).rejects.toMatchObject(
        UNSUPPORTED,
      );
    });
  });

  describe('what is nested', () => {
    const newFolder = () => {
      const documents = { create: [{ name: 'a', content: attach('1') }, { name: 'b' }] };
      const grandchildren = { createMany: { data: [{ name: 'c', content: attach('2') }] } };
      const children = { create: { name: 'child', documents: grandchildren } };
      const data = { name: 'parent', documents, children };
      return prisma.folder.create({ data, include: { documents: true } });
    };

    test('is created, and deleted by the database', async () => {
      const folder = await newFolder();
      expect((await folder.documents[0]?.content?.buffer())?.toString()).toBe('1');
      const documents = {
        create: { name: 'd', content: attach('3') },
        update: { where: { name: 'b' }, data: { name: 'renamed' } },
      };
      await prisma.folder.update({ where: { id: folder.id }, data: { documents } });
      expect(await bench.files()).toHaveLength(3);
      await prisma.folder.delete({ where: { id: folder.id } });
      expect(await bench.files()).toEqual([]);
    });

    test.each([
      ['deleteMany', () => ({})],
      ['update', () => ({ where: { name: 'a' }, data: { content: attach('x') } })],
      ['upsert', () => ({ where: { name: 'a' }, create: { name: 'a', content: attach('x') }, update: {} })],
      ['connectOrCreate', () => ({ where: { name: 'a' }, create: { name: 'a', content: attach('x') } })],
      ['updateMany', () => ({ where: {}, data: { content: null } })],
    ])('is refused where it could not be followed: %s', async (operation, given) => {
      const { id } = await newFolder();
      const update = prisma.folder.update({ where: { id }, data: { documents: { [operation]: given() } } });
      await expect(update).rejects.toMatchObject(UNSUPPORTED);
      expect(await bench.files()).toHaveLength(2);
    });
  });

  describe('transactions', () => {
    test('in transactions are undone alone', async () => {
      await prisma.document.create({ data: { name: 'a', content: attach('1') } });
      await prisma.$transaction(async (outer) => {
        await outer.document.create({ data: { name: 'b', content: attach('2') } });
        const undone = outer.$transaction(async (inner) => {
          await inner.document.create({ data: { name: 'c', content: attach('3') } });
          await inner.document.delete({ where: { name: 'a' } });
          throw new Error('undone');
        });
        await expect(undone).rejects.toThrow('undone');
      });
      expect(await content('a')).toBe('1');
      expect(await bench.files()).toHaveLength(2);
    });

    test('do not commit an operation that has failed in the middle', async () => {
      await prisma.document.createMany({ data: [{ name: 'a' }, { name: 'b' }] });
      const taken = { code: 'P2002' };
      const updating = prisma.$transaction(async (tx) => {
        const updates = tx.document.updateMany({ data: { name: 'c', content: attach('1') } });
        await expect(updates).rejects.toMatchObject(taken);
      });
      await expect(updating).rejects.toMatchObject(taken);
      expect(await prisma.document.count()).toBe(2);
      const creating = prisma.$transaction(async (tx) => {
        const documents = { create: [{ name: 'd', content: attach('1') }, { name: 'a' }] };
        const create = tx.folder.create({ data: { name: 'x', documents } });
        await expect(create).rejects.toMatchObject(taken);
      });
      await creating.catch(() => {});
      expect(await prisma.folder.count()).toBe(0);
    });

    test('of a list are all or nothing', async () => {
      await prisma.document.create({ data: { name: 'a', content: attach('1') } });
      const results = await prisma.$transaction([
        prisma.document.create({ data: { name: 'b', content: attach('2') } }),
        prisma.document.findMany({ where: { name: 'b' } }),
        prisma.document.deleteMany({ where: { name: 'a' } }),
      ]);
      expect(results).toMatchObject([{ name: 'b' }, [{ name: 'b' }], { count: 1 }]);
      const twice = ['c', 'c'].map((name) =>
        prisma.document.create({ data: { name, content: attach('3') } }),
      );
      await expect(prisma.$transaction(twice)).rejects.toMatchObject({ code: 'P2002' });
      expect(await prisma.$transaction([prisma.document.count(), prisma.folder.count()])).toEqual([1, 0]);
    });

    test('are not begun by operations for which nobody waits', async () => {
      prisma.document.create({ data: { name: 'a', content: attach('1') } });
      expect(await prisma.document.count()).toBe(0);
    });
  });

  describe('extensions', () => {
    test('of others find ours, and see what is stored', async () => {
      const seen: string[] = [];
      const rename = {
        rename(this: Model, id: number, name: string) {
          return this.update({ where: { id }, data: { name, content: attach(name) } });
        },
      };
      const see = ({
        args,
        query,
      }: {
        args: { data?: { content?: Attachment } };
        query: (args: object) => unknown;
      }) => {
        if (args.data?.content) seen.push(args.data.content.path);
        return query(args);
      };
      const further = prisma.$extends({
        model: { document: rename },
        query: { document: { $allOperations: see } },
      });
      const { id } = await further.document.create({ data: { name: 'a', content: attach('1') } });
      const renaming = Reflect.get(further.document, 'rename') as typeof rename.rename;
      await renaming.call(further.document, id, 'b');
      expect(await content('b')).toBe('b');
      expect(seen).toHaveLength(2);
    });

    test('may do something else than to delete: rows that stay keep their files', async () => {
      const archive = {
        async delete(this: Model, { where }: { where: object }) {
          return this.update({ where, data: { folderId: null } });
        },
        async deleteMany(this: Model, { where }: { where: object }) {
          return this.updateMany({ where, data: { folderId: null } });
        },
      };
      const further = prisma.$extends({ model: { document: archive, folder: { delete: async () => null } } });
      const documents = { create: ['a', 'b', 'c'].map((name) => ({ name, content: attach(name) })) };
      const { id } = await further.folder.create({ data: { name: 'x', documents } });
      await further.document.delete({ where: { name: 'a' } });
      await further.document.deleteMany({ where: { name: 'b' } });
      await further.folder.delete({ where: { id } });
      expect(await Promise.all(['a', 'b', 'c'].map(content))).toEqual(['a', 'b', 'c']);
    });

    test('may fail after a row is there, by an answer of the database too: it keeps its file', async () => {
      const createTwice = async ({ args, query }: { args: object; query: One }) => {
        const row = await query(args);
        await query({ data: { name: row.name } });
        return row;
      };
      const further = prisma.$extends({ query: { document: { create: createTwice } } });
      const creating = further.document.create({ data: { name: 'a', content: attach('1') } });
      await expect(creating).rejects.toMatchObject({ code: 'P2002' });
      expect(await content('a')).toBe('1');
    });

    test.each<[string, ModelDeclarations]>([
      ['a model that is not there', { letter: { photo: {} } }],
      ['a field that is not there', { document: { picture: {} } }],
      ['a field that is no JSON', { document: { name: {} } }],
    ])('are refused for %s', (_what, models) => {
      expect(() => bench.extend(models)).toThrow(expect.objectContaining({ code: 'INVALID_OPTION' }));
    });

    test('store no attachment that is not saved', async () => {
      const further = bench.extend({ document: { photo: {} } });
      const data = { name: 'a', content: attach('1') };
      await expect(further.document.create({ data })).rejects.toMatchObject(UNSUPPORTED);
    });
  });
});
