import { mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import {
  ChildEntity,
  Column,
  DataSource,
  type DataSourceOptions,
  DeleteDateColumn,
  Entity,
  EntitySchema,
  type EntityTarget,
  PrimaryGeneratedColumn,
  TableInheritance,
} from 'typeorm';
import { attach } from '../../../lib/attachments/attachment.js';
import { uploadedFile } from '../../../lib/attachments/field.js';
import {
  type Attachment,
  AttachmentColumn,
  attachmentColumn,
  type TypeOrmAttachmentOptions,
  type TypeOrmAttachments,
  useAttachments,
} from '../../../lib/attachments/orm/typeorm.js';
import { DepotManager } from '../../../lib/depot/manager.js';
import { MemoryStorage } from '../../../lib/storages/memory.js';
import { libsql } from '../../support/attachments/typeorm.js';
import { removeFolder } from '../../support/folders.js';
import { describeWith, startPostgresServer } from '../../support/servers/index.js';

class Document {
  id!: number;
  name!: string;
  content!: Attachment | null;
  photo!: Attachment | null;
  pages!: Attachment[];
  deletedAt!: Date | null;
}

// As the decorators of a class that is compiled with `experimentalDecorators`.
Entity()(Document);
PrimaryGeneratedColumn()(Document.prototype, 'id');
Column({ type: 'text', default: '' })(Document.prototype, 'name');
AttachmentColumn()(Document.prototype, 'content');
AttachmentColumn({ field: uploadedFile({ storage: 'photos', accept: ['text/*'] }) })(
  Document.prototype,
  'photo',
);
AttachmentColumn({ list: true })(Document.prototype, 'pages');
DeleteDateColumn({ type: 'datetime' })(Document.prototype, 'deletedAt');

/** Rows of three tables, of which the database deletes the lower ones with the upper ones. */
const SHELF = new EntitySchema<Record<string, unknown>>({
  name: 'shelf',
  columns: { id: { type: 'integer', primary: true } },
});
const BOX = new EntitySchema<Record<string, unknown>>({
  name: 'box',
  columns: { row: { type: 'integer', primary: true }, column: { type: 'integer', primary: true } },
  relations: { shelf: { type: 'many-to-one', target: 'shelf', onDelete: 'CASCADE' } },
});
const THING = new EntitySchema<Record<string, unknown>>({
  name: 'thing',
  columns: { id: { type: 'integer', primary: true }, photo: attachmentColumn() },
  relations: { box: { type: 'many-to-one', target: 'box', onDelete: 'CASCADE' } },
});

/** An entity, and one that extends it with a table of its own. */
class Page {
  id!: number;
  scan!: Attachment | null;
}
class Cover extends Page {}
for (const entity of [Page, Cover]) Entity()(entity);
PrimaryGeneratedColumn()(Page.prototype, 'id');
AttachmentColumn()(Page.prototype, 'scan');

/** An entity, and a kind of it in the same table. */
class Vehicle {
  id!: number;
  photo!: Attachment | null;
}
class Truck extends Vehicle {
  load!: Attachment | null;
}
Entity()(Vehicle);
TableInheritance({ column: { type: 'text', name: 'kind' } })(Vehicle);
ChildEntity()(Truck);
PrimaryGeneratedColumn()(Vehicle.prototype, 'id');
AttachmentColumn()(Vehicle.prototype, 'photo');
AttachmentColumn()(Truck.prototype, 'load');

/** More of them: `DEPOT_TEST_TRANSACTIONS=1000`. */
const TRANSACTIONS = Number(process.env.DEPOT_TEST_TRANSACTIONS ?? 150);

let root: string;
let depot: DepotManager;
let opened: { dataSource: DataSource; attachments: TypeOrmAttachments }[];

beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'filedepot-typeorm-'));
  opened = [];
  depot = new DepotManager();
  depot.configure('default', new MemoryStorage());
  depot.configure('photos', new MemoryStorage());
});

afterEach(async () => {
  for (const { dataSource, attachments } of opened) {
    await attachments.close();
    await dataSource.destroy();
  }
  await removeFolder(root);
});

function inMemory(...entities: EntityTarget<object>[]): DataSourceOptions {
  return {
    type: 'better-sqlite3',
    driver: libsql,
    database: ':memory:',
    entities,
    synchronize: true,
  } as DataSourceOptions;
}

async function open(
  entities: EntityTarget<object>[],
  options: Partial<DataSourceOptions> = {},
  attachmentOptions: Partial<TypeOrmAttachmentOptions> = {},
): Promise<DataSource> {
  const sqlite = { ...inMemory(), database: join(root, 'test.sqlite') };
  const chosen = options.type === 'postgres' ? options : sqlite;
  const all = { ...chosen, ...options, entities, synchronize: true } as DataSourceOptions;
  const dataSource = await new DataSource(all).initialize();
  opened.push({ dataSource, attachments: await useAttachments(dataSource, { depot, ...attachmentOptions }) });
  return dataSource;
}

const openDocuments = async () => (await open([Document])).getRepository(Document);

async function files(): Promise<string[]> {
  const paths = [];
  for (const name of depot.names())
    for await (const id of depot.get(name).list()) paths.push(`${name}/${id}`);
  return paths.sort();
}

const unsupported = expect.objectContaining({ code: 'ATTACHMENT_UNSUPPORTED' });

describe('AttachmentColumn', () => {
  test('is an attachment after save, and after it was found', async () => {
    const documents = await openDocuments();
    const document = documents.create({ name: 'one' });
    document.content = attach('text', { filename: 'a.txt' });
    document.pages = [attach('1'), attach('2')];
    await documents.save(document);
    expect(document.content.path).toMatch(/^default\//);
    expect(document.pages.map(({ isStored }) => isStored)).toEqual([true, true]);
    const found = await documents.findOneByOrFail({ id: document.id });
    expect(found.content?.url()).toBe(`/depot/${document.content.path}`);
    expect(JSON.stringify(found)).toBe(JSON.stringify({ ...document, photo: null }));
    expect((await found.pages[1]?.buffer())?.toString()).toBe('2');
  });

  test('has the options of its field', async () => {
    const documents = await openDocuments();
    const photo = attach(Buffer.from('x'), { filename: 'a.txt' });
    expect((await documents.save(documents.create({ photo }))).photo?.depot).toBe('photos');
    const refused = documents.create({ photo: attach(Buffer.from('%PDF-1.7')) });
    await expect(documents.save(refused)).rejects.toMatchObject({ code: 'CONTENT_TYPE_NOT_ACCEPTED' });
    expect((await files()).length).toBe(1);
  });

  test('reads what Python wrote, and does not touch it', async () => {
    const documents = await openDocuments();
    const python = {
      depot_name: 'default',
      file_id: 'a',
      path: 'default/a',
      files: ['default/a'],
      filename: 'a.txt',
    };
    await documents.query("INSERT INTO document (name, content, pages) VALUES ('py', ?, '[]')", [
      JSON.stringify(python),
    ]);
    const [found] = await documents.find();
    expect(found?.content?.filename).toBe('a.txt');
    expect(found?.pages).toEqual([]);
    await documents.save({ ...found, name: 'renamed' });
    const [row] = await documents.query('SELECT name, content FROM document');
    expect(row).toEqual({ name: 'renamed', content: JSON.stringify(python) });
  });

  test('can be part of an embedded entity', async () => {
    const Cover = new EntitySchema<Record<string, unknown>>({
      name: 'cover',
      columns: { photo: attachmentColumn() },
    });
    const Book = new EntitySchema<Record<string, unknown>>({
      name: 'book',
      columns: { id: { type: 'integer', primary: true } },
      embeddeds: { cover: { schema: Cover, prefix: 'cover_' } },
    });
    const books = (await open([Book])).getRepository(Book);
    await books.save({ id: 1, cover: { photo: attach('one') } });
    await books.save({ id: 1, cover: { photo: attach('two') } });
    const [book] = await books.find();
    const { photo } = (book as { cover: { photo: Attachment } }).cover;
    expect((await photo.buffer()).toString()).toBe('two');
    expect(await files()).toEqual([photo.path]);
  });

  test('needs useAttachments', async () => {
    const dataSource = await new DataSource(inMemory(Document)).initialize();
    await dataSource.query("INSERT INTO document (content) VALUES ('{}')");
    const documents = dataSource.getRepository(Document);
    const acts = [
      () => documents.find(),
      () => documents.save({ content: attach('x') }),
      () => documents.insert({ pages: [attach('x')] }),
      () => documents.update(1, { content: attach('x') }),
    ];
    for (const act of acts)
      await expect(act()).rejects.toMatchObject({
        code: 'INVALID_OPTION',
        message: expect.stringContaining('useAttachments'),
      });
    expect(await dataSource.query('SELECT content FROM document')).toEqual([{ content: '{}' }]);
    await dataSource.destroy();
  });
});

describe('what TypeORM writes', () => {
  test('insert() stores attachments', async () => {
    const documents = await openDocuments();
    await documents.insert(['a', 'b'].map((name) => ({ name, content: attach(name) })));
    await documents
      .createQueryBuilder()
      .insert()
      .values({ content: attach('c') })
      .callListeners(false)
      .execute();
    const contents = await Promise.all((await documents.find()).map(({ content }) => content?.buffer()));
    expect(contents.join()).toBe('a,b,c');
  });

  test('save() without listeners stores attachments', async () => {
    const documents = await openDocuments();
    const { id } = await documents.save({ content: attach('a') }, { listeners: false });
    await documents.save({ id, content: attach('b') }, { listeners: false });
    expect((await documents.findOneByOrFail({ id })).content?.size).toBe(1);
    expect((await files()).length).toBe(1);
  });

  test('save() without a transaction is refused', async () => {
    const documents = await openDocuments();
    const act = documents.save({ content: attach('a') }, { transaction: false });
    await expect(act).rejects.toEqual(unsupported);
    expect(await files()).toEqual([]);
  });

  test.each(['upsert', 'orIgnore', 'insert from select'])(
    '%s is refused, and stores nothing',
    async (kind) => {
      const documents = await openDocuments();
      const values = { id: 1, content: attach('a') };
      const insert = documents.createQueryBuilder().insert();
      const acts: Record<string, () => Promise<unknown>> = {
        upsert: () => documents.upsert(values, ['id']),
        orIgnore: () => insert.values(values).orIgnore().execute(),
        'insert from select': () =>
          insert
            .into(Document, ['content'])
            .valuesFromSelect(documents.createQueryBuilder('d').select('d.content'))
            .execute(),
      };
      await expect(acts[kind]?.()).rejects.toEqual(unsupported);
      expect(await files()).toEqual([]);
    },
  );

  test('upsert of other columns is let through', async () => {
    const documents = await openDocuments();
    await documents.save({ id: 1, content: attach('a') });
    await documents.upsert({ id: 1, name: 'renamed' }, ['id']);
    const [document] = await documents.find();
    expect([document?.name, document?.content?.size]).toEqual(['renamed', 1]);
  });
});

describe('an entity that extends another', () => {
  test('in a table of its own, has its files once', async () => {
    const covers = (await open([Page, Cover])).getRepository(Cover);
    const cover = await covers.save({ scan: attach('old') });
    expect(await files()).toEqual([cover.scan?.path]);
    cover.scan = attach('new');
    await covers.save(cover);
    expect(await files()).toEqual([cover.scan.path]);
    await covers.delete(cover.id);
    expect(await files()).toEqual([]);
  });

  test('in the same table, has its files once, and they go with the row, whatever it is taken for', async () => {
    const dataSource = await open([Vehicle, Truck]);
    const trucks = dataSource.getRepository(Truck);
    const truck = await trucks.save({ photo: attach('old'), load: attach('sand') });
    truck.photo = attach('new');
    await trucks.save(truck);
    expect(await files()).toEqual([truck.photo.path, truck.load?.path].sort());
    await dataSource.getRepository(Vehicle).delete(truck.id);
    expect(await files()).toEqual([]);
  });
});

describe('a read', () => {
  test('does not disturb a save that is under way on the same connection', async () => {
    const documents = await openDocuments();
    const slow = async function* () {
      yield Buffer.from('one, ');
      await documents.find();
      yield Buffer.from('two');
    };
    const { content } = await documents.save({ content: attach(Readable.from(slow())) });
    expect((await content.buffer()).toString()).toBe('one, two');
    expect(await files()).toEqual([content.path]);
  });
});

describe('update() by criteria', () => {
  test('replaces the attachment of one row, and removes those of many', async () => {
    const documents = await openDocuments();
    await documents.save([1, 2, 3].map((id) => ({ id, name: id === 1 ? 'a' : 'b', content: attach('x') })));
    await documents.update({ name: 'a' }, { content: attach('new') });
    expect((await (await documents.findOneByOrFail({ id: 1 })).content?.buffer())?.toString()).toBe('new');
    expect((await files()).length).toBe(3);
    await documents.update({ name: 'b' }, { content: null });
    expect((await files()).length).toBe(1);
    const builder = documents.createQueryBuilder().update().set({ content: null });
    await builder.where('name LIKE :name OR id IN (:...ids)', { name: 'a%', ids: [7, 8] }).execute();
    expect(await files()).toEqual([]);
  });

  test('one attachment for several rows is refused', async () => {
    const documents = await openDocuments();
    await documents.save([1, 2].map((id) => ({ id, content: attach('x') })));
    await expect(documents.update({ name: '' }, { content: attach('new') })).rejects.toEqual(unsupported);
    await expect(documents.update(1, { content: () => "'{}'" })).rejects.toEqual(unsupported);
    expect((await files()).length).toBe(2);
  });

  test('leaves the values that it is given as they are: they may go to another row', async () => {
    const documents = await openDocuments();
    const values = { id: 1, name: 'one', content: attach('x') };
    const { affected } = await documents.update(1, values);
    if (!affected) await documents.insert({ ...values });
    await documents.save({ id: 2 });
    await documents.update(2, { content: values.content });
    await documents.update(1, values);
    for (const { content } of await documents.find()) expect((await content?.buffer())?.toString()).toBe('x');
    expect((await files()).length).toBe(2);
  });

  test('where there is no row, nothing is stored', async () => {
    const documents = await openDocuments();
    await documents.update(7, { content: attach(Readable.from(['x'])), name: 'x' });
    expect(await files()).toEqual([]);
  });
});

describe('what is deleted', () => {
  test('by criteria, takes its files along', async () => {
    const documents = await openDocuments();
    await documents.save(
      [1, 2, 3].map((id) => ({ id, content: attach('x'), pages: [attach('1'), attach('2')] })),
    );
    await documents.createQueryBuilder().delete().where('id > :id', { id: 1 }).execute();
    expect((await files()).length).toBe(3);
    await documents.delete({ id: 1 });
    expect(await files()).toEqual([]);
  });

  test('softly, keeps its files', async () => {
    const documents = await openDocuments();
    const document = await documents.save({ content: attach('x') });
    await documents.softRemove(document);
    await documents.softDelete({ id: document.id });
    expect((await files()).length).toBe(1);
    expect(await depot.recover()).toMatchObject({ deleted: [] });
    await documents.restore({ id: document.id });
    expect((await documents.find()).length).toBe(1);
    await documents.remove(document);
    expect(await files()).toEqual([]);
  });

  test('by a cascade of the database, takes its files along', async () => {
    const dataSource = await open([SHELF, BOX, THING]);
    const [shelves, boxes, things] = [SHELF, BOX, THING].map((schema) => dataSource.getRepository(schema));
    await shelves?.insert([{ id: 1 }, { id: 2 }]);
    await boxes?.insert([1, 2].map((row) => ({ row, column: 5, shelf: { id: row } })));
    for (const id of [1, 2, 3]) {
      const box = { row: id === 3 ? 2 : 1, column: 5 };
      await things?.save({ id, photo: attach(`${id}`), box });
    }
    await dataSource
      .transaction(async (manager) => {
        await manager.delete('shelf', { id: 1 });
        throw new Error('undone');
      })
      .catch(() => {});
    expect((await files()).length).toBe(3);
    await shelves?.remove({ id: 1 });
    expect(await things?.count()).toBe(1);
    expect((await files()).length).toBe(1);
    await boxes?.delete({ row: 2 });
    expect(await files()).toEqual([]);
  });
});

describe('a savepoint in SQL', () => {
  test('takes files along when it is rolled back', async () => {
    const documents = await openDocuments();
    await documents.save({ id: 1, content: attach('old') });
    await documents.manager.transaction(async (manager) => {
      await manager.query('SAVEPOINT mine');
      await manager.save(Document, { id: 2, content: attach('lost') });
      await manager.delete(Document, { id: 1 });
      await manager.query('ROLLBACK TO SAVEPOINT mine');
      await manager.save(Document, { id: 3, content: attach('kept') });
    });
    const rows = await documents.find({ order: { id: 'ASC' } });
    expect(rows.map(({ id }) => id)).toEqual([1, 3]);
    expect(rows.map(({ content }) => content?.path).sort()).toEqual(await files());
  });
});

describe('a table', () => {
  test('is not cleared behind the back of its files', async () => {
    const dataSource = await open([SHELF, BOX, THING]);
    for (const schema of [SHELF, BOX, THING]) {
      await expect(dataSource.getRepository(schema).clear()).rejects.toEqual(unsupported);
      await dataSource.getRepository(schema).createQueryBuilder().delete().execute();
    }
  });

  test('is emptied by a delete of all rows', async () => {
    const documents = await openDocuments();
    await documents.save([1, 2].map((id) => ({ id, content: attach('x') })));
    await documents.createQueryBuilder().delete().execute();
    expect(await documents.count()).toBe(0);
    expect(await files()).toEqual([]);
  });
});

describe('useAttachments', () => {
  test('tells the depot how to recover', async () => {
    await openDocuments();
    expect(await depot.recover()).toEqual({ intents: 0, deleted: [], failed: [] });
  });

  test('takes a table and a folder', async () => {
    const dataSource = await open([Document], {}, { table: 'files_owed', journalPath: join(root, 'here') });
    await dataSource.getRepository(Document).save({ content: attach('x') });
    expect(await dataSource.query('SELECT count(*) AS count FROM files_owed')).toEqual([{ count: 1 }]);
  });

  test('is called once for a data source', async () => {
    const dataSource = await open([Document]);
    await expect(useAttachments(dataSource, { depot })).rejects.toMatchObject({ code: 'INVALID_OPTION' });
  });

  test('is called again when the data source is initialized again', async () => {
    const dataSource = await open([Document]);
    for (const text of ['x', 'y']) {
      await dataSource.getRepository(Document).save({ id: 1, content: attach(text) });
      await opened[0]?.attachments.close();
      await dataSource.destroy();
      await dataSource.initialize();
      opened = [{ dataSource, attachments: await useAttachments(dataSource, { depot }) }];
    }
    const [document] = await dataSource.getRepository(Document).find();
    expect((await document?.content?.buffer())?.toString()).toBe('y');
    expect(await files()).toEqual([document?.content?.path]);
  });

  test('comes after initialize()', async () => {
    const dataSource = new DataSource(inMemory(Document));
    await expect(useAttachments(dataSource, { depot })).rejects.toMatchObject({
      code: 'INVALID_OPTION',
      message: expect.stringContaining('initialize'),
    });
  });

  test('refuses databases without a journal', async () => {
    const dataSource = { options: { type: 'mysql' }, subscribers: [], isInitialized: true } as never;
    await expect(useAttachments(dataSource, { depot })).rejects.toMatchObject({ code: 'INVALID_OPTION' });
  });

  test('leaves other data sources alone', async () => {
    await openDocuments();
    const Plain = new EntitySchema<{ id: number; data: unknown }>({
      name: 'plain',
      columns: { id: { type: 'integer', primary: true }, data: { type: 'simple-json' } },
    });
    const other = await new DataSource(inMemory(Plain)).initialize();
    const plain = other.getRepository(Plain);
    await plain.save({ id: 1, data: { a: 1 } });
    await plain.update(1, { data: { b: 1 } });
    expect(await plain.find()).toEqual([{ id: 1, data: { b: 1 } }]);
    await plain.delete(1);
    await other.destroy();
  });
});

await describeWith('TypeORM with PostgreSQL', [startPostgresServer], (server) => {
  const Item = new EntitySchema<{ id: number; name: string; photo: Attachment | null }>({
    name: 'item',
    columns: {
      id: { type: 'integer', primary: true, generated: true },
      name: { type: 'text', nullable: true, unique: true },
      photo: attachmentColumn({ type: 'jsonb' }),
    },
  });
  const openItems = async (options: object = {}) =>
    open([Item], { type: 'postgres', url: await server.createDatabase(), ...options });

  test('a column can be jsonb', async () => {
    const items = (await openItems()).getRepository(Item);
    const item = await items.save({ name: 'a', photo: attach('x') });
    const same = await items.findOneByOrFail({ id: item.id });
    await items.save({ ...same, name: 'b' });
    expect(await files()).toEqual([item.photo?.path]);
    await items.save({ ...same, photo: attach('y') });
    expect(await items.query("SELECT photo->>'path' AS path FROM item")).toEqual([
      { path: (await files())[0] },
    ]);
  });

  test.each(['MyApp', 'my-app'])('a schema can be called %s', async (schema) => {
    const url = await server.createDatabase();
    const plain = await new DataSource({ type: 'postgres', url }).initialize();
    await plain.query(`CREATE SCHEMA "${schema.replaceAll('"', '""')}"`);
    await plain.destroy();
    const items = (await open([Item], { type: 'postgres', url, schema })).getRepository(Item);
    const { id } = await items.save({ name: 'a', photo: attach('x') });
    await items.update(id, { photo: attach('y') });
    expect((await files()).length).toBe(1);
    await items.delete(id);
    expect(await files()).toEqual([]);
  });

  test('a connection that is lost leaves nothing', async () => {
    const dataSource = await openItems({ logging: false });
    const act = dataSource.transaction(async (manager) => {
      await manager.save(Item, { photo: attach('x') });
      expect((await files()).length).toBe(1);
      await manager.query('SELECT pg_terminate_backend(pg_backend_pid())').catch(() => {});
    });
    await expect(act).rejects.toThrow();
    await opened[0]?.attachments.idle();
    expect(await files()).toEqual([]);
    expect(
      await dataSource.query('SELECT * FROM depot_intents WHERE state IN ($1, $2)', ['upload', 'delete']),
    ).toEqual([]);
  });

  test('a commit that is done after the driver has given up waiting keeps its files', async () => {
    const dataSource = await openItems({ extra: { query_timeout: 400 } });
    await dataSource.query(
      'CREATE FUNCTION wait() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN PERFORM pg_sleep(0.6); RETURN NULL; END $$',
    );
    await dataSource.query(
      'CREATE CONSTRAINT TRIGGER slow AFTER INSERT ON item DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION wait()',
    );
    const act = dataSource.transaction((manager) => manager.save(Item, { photo: attach('x') }));
    await expect(act).rejects.toThrow('timeout');
    await opened[0]?.attachments.idle();
    const [item] = await dataSource.getRepository(Item).find();
    expect(await files()).toEqual([item?.photo?.path]);
  });

  test('transactions that hold all connections do not wait for one more', async () => {
    const dataSource = await openItems({ poolSize: 2 });
    const act = () => dataSource.transaction((manager) => manager.save(Item, { photo: attach('x') }));
    await Promise.all(Array.from({ length: 20 }, act));
    expect((await files()).length).toBe(20);
  });

  test('the journal has three connections at most, however many the application has', async () => {
    const dataSource = await openItems({ extra: { max: 12 } });
    const items = dataSource.getRepository(Item);
    const saved = await items.save(Array.from({ length: 40 }, () => ({ photo: attach('old') })));
    await Promise.all(saved.map((item) => items.save({ ...item, photo: attach('new') })));
    const [{ count }] = await dataSource.query(
      'SELECT count(*)::integer AS count FROM pg_stat_activity WHERE datname = current_database()',
    );
    expect(count).toBeLessThanOrEqual(12 + 3);
  });

  test(`${TRANSACTIONS} transactions at once on few rows, a third undone: files are those of the rows`, async () => {
    const dataSource = await openItems();
    const items = dataSource.getRepository(Item);
    const saved = await items.save(Array.from({ length: 15 }, () => ({ photo: attach('old') })));
    const acts = Array.from({ length: TRANSACTIONS }, (_act, index) =>
      dataSource.transaction(index % 2 ? 'READ COMMITTED' : 'REPEATABLE READ', async (manager) => {
        await manager.save(Item, { photo: attach('new') });
        const item = await manager.findOneBy(Item, { id: saved[index % 15]?.id ?? 0 });
        if (item && index % 10 === 0) await manager.remove(Item, item);
        else if (item) await manager.save(Item, Object.assign(item, { photo: attach('changed') }));
        if (index % 3 === 0) throw new Error('undone');
      }),
    );
    const outcomes = await Promise.allSettled(acts);
    // What one of two that change the same row is told.
    const isExpected = (error: { message: string; code?: string }) =>
      error.message === 'undone' || error.code === '40001';
    const failures = outcomes.flatMap((outcome) => (outcome.status === 'rejected' ? [outcome.reason] : []));
    expect(failures.filter((error) => !isExpected(error))).toEqual([]);
    await opened[0]?.attachments.idle();
    const rows = await items.find();
    expect(rows.flatMap(({ photo }) => photo?.files ?? []).sort()).toEqual(await files());
    expect(rows.length).toBeGreaterThan(TRANSACTIONS / 6);
    expect(await dataSource.query('SELECT * FROM depot_intents')).toEqual([]);
  }, 120_000);
});
