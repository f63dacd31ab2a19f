import { AsyncLocalStorage } from 'node:async_hooks';
import { mkdtemp, readdir, realpath, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { DataTypes, type Model, type ModelStatic, type Options, Sequelize } from 'sequelize';
import { type Attachment, attach } from '../../../lib/attachments/attachment.js';
import {
  attachment,
  attachmentList,
  sequelizeJournal,
  useAttachments,
} from '../../../lib/attachments/orm/sequelize.js';
import { DepotManager } from '../../../lib/depot/manager.js';
import { ownerName } from '../../../lib/internal/owner.js';
import { MemoryStorage } from '../../../lib/storages/memory.js';
import { postgresDatabase, sqliteFile } from '../../support/attachments/sequelize-targets.js';
import { runFirstBlock } from '../../support/code-module.js';
import { removeFolder } from '../../support/folders.js';
import { pngOf } from '../../support/png.js';
import { describeWith, sqliteDriver, startPostgresServer } from '../../support/servers/index.js';

const BYTES = Buffer.from('content');

/** What is at hand in a test. */
class Bench {
  readonly storage = new MemoryStorage();
  readonly sequelize: Sequelize;
  readonly Document: ModelStatic<Model>;
  readonly Folder: ModelStatic<Model>;
  readonly Paper: ModelStatic<Model>;
  /** Of papers, which are not deleted with it. */
  readonly Owner: ModelStatic<Model>;
  readonly attachments: ReturnType<typeof useAttachments>;
  readonly #remove: () => Promise<void>;

  constructor(options: Options, remove: () => Promise<void>) {
    this.#remove = remove;
    this.sequelize = new Sequelize({ logging: false, ...options });
    const depot = new DepotManager();
    depot.configure('default', this.storage);
    this.Folder = this.sequelize.define('folder', { name: DataTypes.STRING });
    this.attachments = useAttachments(this.sequelize, { depot });
    this.Document = this.sequelize.define('document', {
      name: { type: DataTypes.STRING, unique: true },
      photo: attachment({}, { field: 'photo_json' }),
      pages: attachmentList(),
    });
    this.Paper = this.sequelize.define('paper', { photo: attachment() }, { paranoid: true });
    this.Folder.hasMany(this.Folder, { as: 'folders', foreignKey: 'parentId', onDelete: 'CASCADE' });
    this.Folder.hasMany(this.Document, { onDelete: 'CASCADE' });
    this.Owner = this.sequelize.define('owner', { name: DataTypes.STRING });
    this.Owner.hasMany(this.Paper, { onDelete: 'SET NULL' });
  }

  static async open(
    { options, remove }: { options: Options; remove: () => Promise<void> },
    more: Options = {},
  ) {
    const bench = new Bench({ ...options, ...more }, remove);
    await bench.sequelize.sync();
    return bench;
  }

  async files(): Promise<string[]> {
    const ids = [];
    for await (const id of this.storage.list()) ids.push(`default/${id}`);
    return ids.sort();
  }

  /** Files are those of rows, read past the adapter. */
  async expectEven(count: number): Promise<void> {
    await this.attachments.idle();
    const documents = await this.Document.findAll({ raw: true, transaction: null });
    const papers = await this.Paper.findAll({ raw: true, paranoid: false, transaction: null });
    const values = [...documents, ...papers].flatMap((row) => {
      const { photo, pages } = row as unknown as Record<string, unknown>;
      const list = typeof pages === 'string' ? JSON.parse(pages) : pages;
      return [photo, ...(list ?? [])].map((one) => (typeof one === 'string' ? JSON.parse(one) : one));
    });
    const referenced = values.filter(Boolean).flatMap(({ files }) => files);
    expect(await this.files()).toEqual(referenced.sort());
    expect(referenced).toHaveLength(count);
  }

  async close(): Promise<void> {
    await this.sequelize.close();
    await this.#remove();
  }
}

let bench: Bench;

/** A process that has inserted a row, and was killed before it could forget that it was about to. */
async function insertAndDie(options: Options, depot: DepotManager): Promise<void> {
  const sequelize = new Sequelize({ logging: false, ...options });
  const journal = sequelizeJournal(sequelize);
  journal.forget = async () => {};
  const attachments = useAttachments(sequelize, { depot, journal, owner: ownerName(4_194_305) });
  const Document = sequelize.define('document', { photo: attachment({}, { field: 'photo_json' }) });
  await Document.sync();
  await Document.create({ photo: attach(BYTES) });
  await attachments.idle();
  await sequelize.close();
}

function testSharedDatabase(target: () => Promise<{ options: Options; remove: () => Promise<void> }>): void {
  test('another application, or one whose models are not there yet, leaves files alone', async () => {
    const { options, remove } = await target();
    const depot = new DepotManager();
    const storage = new MemoryStorage();
    depot.configure('default', storage);
    await insertAndDie(options, depot);
    const other = new Sequelize({ logging: false, ...options });
    const attachments = useAttachments(other, { depot });
    expect(await attachments.recover()).toMatchObject({ intents: 1, deleted: [] });
    expect(await attachments.recover()).toMatchObject({ intents: 0 });
    await other.getQueryInterface().dropTable('documents');
    await insertAndDie(options, depot);
    await other.getQueryInterface().dropTable('documents');
    // PostgreSQL has it on record that the row was committed: whoever drops a table does it past the files.
    const isOnRecord = options.dialect === 'postgres';
    expect((await attachments.recover()).deleted).toHaveLength(isOnRecord ? 0 : 1);
    await other.close();
    await remove();
  });
}

function testModels(open: (more?: Options) => Promise<Bench>): void {
  afterEach(() => bench.close());

  const photoOf = (model: Model | null) => model?.get('photo') as Attachment | null;
  const textOf = async (model: Model | null) => (await photoOf(model)?.buffer())?.toString();

  test('names of a client do not reach into an attachment', async () => {
    bench = await open();
    const document = await bench.Document.create({ name: 'a', photo: attach(BYTES), pages: [attach('1')] });
    const other = await bench.Document.create({ name: 'b', photo: attach(BYTES) });
    const { path } = photoOf(other) as Attachment;
    const found = await bench.Document.findByPk(document.get('id') as number);
    await found?.update({ 'photo.files': [path], 'photo.filename': 'c.html', 'pages.0.files': [path] });
    await bench.expectEven(3);
    await bench.Document.destroy({ where: { name: 'a' } });
    await bench.expectEven(1);
  });

  test('a value is what it was given until it is saved, and shown as null', async () => {
    bench = await open();
    const photo = attach(BYTES);
    const document = bench.Document.build({ name: 'a', photo });
    expect(document.get('photo')).toBe(photo);
    expect(document.toJSON()).toMatchObject({ photo: null, pages: [] });
    await document.save();
    const saved = photoOf(document);
    expect(saved?.isStored).toBe(true);
    expect(photoOf(document)).toBe(saved);
    expect(JSON.parse(JSON.stringify(document)).photo).toEqual(saved?.data);
    document.set('photo', saved?.data);
    document.set('photo', saved);
    expect(document.changed()).toBe(false);
    document.set('pages', [attach('1'), attach('2')]);
    await document.save();
    const [, second] = document.get('pages') as Attachment[];
    document.set('pages', [second, attach('3')]);
    await document.save();
    expect((document.get('pages') as Attachment[])[0]).toBe(second);
    await bench.expectEven(3);
  });

  test('hooks need not be run', async () => {
    bench = await open();
    const document = await bench.Document.create({ name: 'a', photo: BYTES }, { hooks: false });
    await document.update({ photo: attach('new') }, { hooks: false });
    await bench.expectEven(1);
    await document.destroy({ hooks: false });
    await bench.expectEven(0);
  });

  test('hooks may set attachments', async () => {
    bench = await open();
    bench.Document.beforeSave((document) => {
      document.set('photo', attach(`of ${document.get('name')}`));
    });
    const document = await bench.Document.create({ name: 'a' });
    await document.update({ name: 'b' });
    expect(await textOf(await document.reload())).toBe('of b');
    await bench.expectEven(1);
  });

  test('upsert inserts and replaces, by whatever key', async () => {
    bench = await open();
    const [first] = await bench.Document.upsert({ name: 'a', photo: attach('1') });
    await bench.Document.upsert({ name: 'a', photo: attach('2') }, { conflictFields: ['name'] });
    expect(await textOf(await first.reload())).toBe('2');
    await bench.Document.upsert({ id: first.get('id'), name: 'a', photo: attach('3') });
    expect(await textOf(await first.reload())).toBe('3');
    await bench.Document.upsert({ id: first.get('id'), photo: null });
    await bench.expectEven(0);
    const values = { id: first.get('id'), name: 'b', photo: attach('4') };
    await bench.Document.upsert(values, { fields: ['name'] });
    expect(await textOf(await first.reload())).toBeUndefined();
    await bench.expectEven(0);
  });

  test('a row that is there already, and may be ignored, brings no file', async () => {
    bench = await open();
    await bench.Document.create({ name: 'a', photo: BYTES });
    const values = { name: 'a', photo: attach('ignored') };
    await expect(bench.Document.create(values, { ignoreDuplicates: true })).rejects.toThrow();
    await bench.expectEven(1);
  });

  test('findOrCreate finds what somebody else has created', async () => {
    bench = await open();
    const find = () =>
      bench.Document.findOrCreate({ where: { name: 'a' }, defaults: { photo: attach('mine') } });
    await find();
    const [, isNew] = await find();
    expect(isNew).toBe(false);
    await bench.expectEven(1);
  });

  test('rows are created at once, one by one, or with others', async () => {
    bench = await open();
    const rows = ['a', 'b'].map((name) => ({ name, photo: attach(name) }));
    const documents = await bench.Document.bulkCreate(rows);
    expect(documents.map((one) => photoOf(one)?.isStored)).toEqual([true, true]);
    await bench.Document.bulkCreate([{ name: 'c', photo: BYTES }], { individualHooks: true });
    await bench.Folder.create(
      { name: 'x', documents: [{ name: 'd', photo: BYTES }] },
      { include: bench.Document },
    );
    await bench.expectEven(4);
  });

  test('rows are changed by criteria, each with a file of its own', async () => {
    bench = await open();
    await bench.Document.bulkCreate(['a', 'b', 'c'].map((name) => ({ name, photo: attach(name) })));
    await bench.Document.update({ photo: attach('all') }, { where: { name: ['a', 'b'] } });
    await bench.expectEven(3);
    await bench.Document.update({ photo: attach('one') }, { where: { name: 'c' }, individualHooks: true });
    await bench.Document.update({ photo: attach('none') }, { where: { name: 'nobody' } });
    await bench.Document.update({ photo: attach('raw') }, { where: { name: 'c' }, validate: false });
    await bench.expectEven(3);
    expect(await textOf(await bench.Document.findOne({ where: { name: 'b' } }))).toBe('all');
    await bench.Document.update({ photo: null }, { where: {} });
    await bench.expectEven(0);
  });

  test('rows go, and their files with them', async () => {
    bench = await open();
    await bench.Document.bulkCreate(['a', 'b', 'c'].map((name) => ({ name, photo: attach(name) })));
    await bench.Document.destroy({ where: { name: 'a' }, individualHooks: true });
    await bench.Document.destroy({ where: { name: 'nobody' } });
    await bench.expectEven(2);
    await bench.Document.destroy({ truncate: true });
    await bench.expectEven(0);
    const paper = await bench.Paper.create({ photo: BYTES });
    await paper.destroy();
    await bench.expectEven(1);
    await bench.Paper.destroy({ where: {}, force: true });
    await bench.expectEven(0);
  });

  test('rows go with those that they belong to', async () => {
    bench = await open();
    const outer = await bench.Folder.create({ name: 'outer' });
    const inner = await bench.Folder.create({ name: 'inner', parentId: outer.get('id') });
    const folderId = inner.get('id');
    await bench.Document.bulkCreate(['a', 'b'].map((name) => ({ name, photo: attach(name), folderId })));
    await bench.Document.create({ name: 'c', photo: BYTES });
    await bench.expectEven(3);
    await outer.destroy();
    await bench.expectEven(1);
  });

  test('what cannot be followed is refused, and nothing is done', async () => {
    bench = await open();
    await bench.Document.create({ name: 'a', photo: BYTES });
    const rows = [{ name: 'a', photo: attach('x') }];
    const { depot } = bench.attachments;
    expect(() => useAttachments(bench.sequelize, { depot })).toThrow(
      expect.objectContaining({ code: 'INVALID_OPTION' }),
    );
    const acts = [
      bench.Document.bulkCreate(rows, { ignoreDuplicates: true }),
      bench.Document.bulkCreate(rows, { updateOnDuplicate: ['photo'] }),
      bench.Document.bulkCreate([{ name: 'a' }], { updateOnDuplicate: ['photo'] }),
      bench.Document.destroy({ truncate: true, cascade: true }),
      bench.Owner.destroy({ truncate: true, cascade: true }),
    ];
    for (const act of acts) await expect(act).rejects.toMatchObject({ code: 'ATTACHMENT_UNSUPPORTED' });
    await expect(bench.Document.create({ name: 'b', photo: { path: 'default/x' } })).rejects.toMatchObject({
      code: 'INVALID_CONTENT',
    });
    await bench.expectEven(1);
  });

  test('of two that replace it, nothing is left behind', async () => {
    bench = await open();
    const { id } = (await bench.Document.create({ name: 'a', photo: attach('0') })).get() as { id: number };
    const copies = await Promise.all(Array.from({ length: 6 }, () => bench.Document.findByPk(id)));
    await Promise.all(copies.map((copy, index) => copy?.update({ photo: attach(`${index}`) })));
    await bench.expectEven(1);
    const [stale] = copies;
    stale?.changed('photo' as never, true);
    const save = async () => (await bench.Document.findByPk(id))?.update({ photo: attach('newest') });
    await save();
    await expect(stale?.save()).rejects.toMatchObject({ code: 'ATTACHMENT_CONFLICT' });
    await bench.Document.destroy({ where: { id } });
    await stale?.update({ photo: attach('too late') });
    await bench.expectEven(0);
  });

  test('what was given for a row that somebody else has changed is pending again, and can be saved another time', async () => {
    bench = await open();
    const values = { name: DataTypes.STRING, photo: attachment(), pages: attachmentList() };
    const Note = bench.sequelize.define('note', values, { version: true });
    await Note.sync();
    const note = await Note.create({ name: 'a', photo: attach('1'), pages: [attach('a'), attach('b')] });
    const stale = await Note.findByPk(note.get('id') as number, { rejectOnEmpty: true });
    await note.update({ name: 'b' });
    const [first] = stale.get('pages') as Attachment[];
    const given = attach('2');
    stale.set({ photo: given, pages: [first, attach('c')] });
    await expect(stale.save()).rejects.toThrow('stale model');
    await bench.attachments.idle();
    expect(await bench.files()).toHaveLength(3);
    expect(photoOf(stale)).toBe(given);
    expect((stale.get('pages') as Attachment[]).map(({ isStored }) => isStored)).toEqual([true, false]);
    (stale as Model<{ version: number }>).setDataValue('version', note.get('version') as number);
    await stale.save();
    expect(await textOf(await note.reload())).toBe('2');
    expect(await bench.files()).toHaveLength(3);
  });

  test('transactions that are not managed', async () => {
    bench = await open();
    const kept = await bench.sequelize.transaction();
    await bench.Document.create({ name: 'a', photo: BYTES }, { transaction: kept });
    await kept.commit();
    await expect(kept.commit()).rejects.toThrow('finished');
    const undone = await bench.sequelize.transaction();
    await bench.Document.create({ name: 'b', photo: BYTES }, { transaction: undone });
    await bench.Document.destroy({ where: {}, transaction: undone });
    await undone.rollback();
    await bench.expectEven(1);
  });

  test('transactions that are found by their context', async () => {
    const context = new AsyncLocalStorage<Map<string, unknown>>();
    Sequelize.useCLS({
      run: (act: (store: unknown) => void) => context.run(new Map(context.getStore()), () => act(undefined)),
      bind: (act: unknown) => act,
      get: (key: string) => context.getStore()?.get(key),
      set: (key: string, value: unknown) => context.getStore()?.set(key, value),
    });
    try {
      bench = await open();
      const act = bench.sequelize.transaction(async () => {
        await bench.Document.create({ name: 'a', photo: BYTES });
        throw new Error('undone');
      });
      await expect(act).rejects.toThrow('undone');
      await bench.expectEven(0);
    } finally {
      (Sequelize as unknown as { _cls: unknown })._cls = undefined;
    }
  });
}

await describeWith('Sequelize', [sqliteDriver], (driver) => {
  describe('with a file of SQLite', () => {
    testModels(async () => Bench.open(await sqliteFile(driver)));
  });

  describe('without a depot', () => {
    test('models refuse attachments', async () => {
      const { options, remove } = await sqliteFile(driver);
      const sequelize = new Sequelize({ logging: false, ...options });
      const Document = sequelize.define('document', { photo: attachment() });
      await sequelize.sync();
      await expect(Document.create({ photo: BYTES })).rejects.toMatchObject({ code: 'ATTACHMENT_PENDING' });
      expect((await Document.create({})).get('photo')).toBeNull();
      await sequelize.close();
      await remove();
    });
  });

  describe('with a shared file of SQLite', () => {
    testSharedDatabase(() => sqliteFile(driver));
  });

  describe('with SQLite by a URL', () => {
    const workingFolder = process.cwd();
    let folder: string;

    beforeEach(async () => {
      folder = await realpath(await mkdtemp(join(tmpdir(), 'filedepot-sequelize-')));
      process.chdir(folder);
    });

    afterEach(async () => {
      process.chdir(workingFolder);
      await removeFolder(folder);
    });

    async function prepareJournal(place: string | Options): Promise<string[]> {
      const options = { logging: false, dialectModule: driver } as const;
      const sequelize =
        typeof place === 'string' ? new Sequelize(place, options) : new Sequelize({ ...options, ...place });
      const attachments = useAttachments(sequelize, { depot: new DepotManager() });
      await attachments.prepare();
      await sequelize.close();
      return readdir(folder);
    }

    test.each<string | Options>([
      'sqlite:shop.db',
      'sqlite://shop.db',
      'sqlite:./shop.db',
      'sqlite:///<folder>/shop.db',
      { dialect: 'sqlite', storage: 'shop.db' },
      { dialect: 'sqlite', storage: '<folder>/shop.db' },
      { dialect: 'sqlite', host: 'shop.db' },
    ])('the journal is beside the database: %j', async (place) => {
      const spelt = JSON.parse(JSON.stringify(place).replace('<folder>', folder));
      expect((await prepareJournal(spelt)).sort()).toEqual(['shop.db', 'shop.db.depot-intents']);
    });

    test.each<string | Options>(['sqlite::memory:', 'sqlite:', { dialect: 'sqlite' }])(
      'nothing is beside a database in memory: %j',
      async (place) => {
        expect(await prepareJournal(place)).toEqual([]);
      },
    );

    test('one database does not settle what another has left', async () => {
      const depot = new DepotManager();
      depot.configure('default', new MemoryStorage());
      const [shop, blog] = ['shop.db', 'blog.db'].map(
        (host) => ({ dialect: 'sqlite', host, dialectModule: driver }) as const,
      );
      await insertAndDie(shop as Options, depot);
      const other = new Sequelize({ logging: false, ...blog });
      expect(await useAttachments(other, { depot }).recover()).toMatchObject({ intents: 0, deleted: [] });
      await other.close();
    });
  });

  describe('with SQLite in memory', () => {
    testModels(() =>
      Bench.open({
        options: { dialect: 'sqlite', storage: ':memory:', dialectModule: driver },
        remove: async () => {},
      }),
    );
  });
});

await describeWith('Sequelize', [startPostgresServer], (server) => {
  describe('with a shared database of PostgreSQL', () => {
    testSharedDatabase(() => postgresDatabase(server));
  });

  describe('with PostgreSQL', () => {
    const open = async (more?: Options) => Bench.open(await postgresDatabase(server), more);
    testModels(open);

    test('a transaction in which a statement has failed is not committed, whatever it is told', async () => {
      bench = await open();
      await bench.sequelize.transaction(async (transaction) => {
        await bench.Document.create({ name: 'a', photo: BYTES }, { transaction });
        await bench.sequelize.query('SELECT nothing', { transaction }).catch(() => {});
      });
      await bench.expectEven(0);
    });

    test('an insertion is one statement, which takes along what the journal has to say', async () => {
      const statements: string[] = [];
      bench = await open({ logging: (text) => void statements.push(text.split(': ')[1] ?? '') });
      statements.length = 0;
      const document = await bench.Document.create({ name: "it's", photo: attach("$1 isn't") });
      await bench.Document.bulkCreate(
        ['b', 'c'].map((name) => ({ name, photo: attach(name), pages: [BYTES] })),
      );
      const inserted = statements.filter((text) => text.includes('INSERT INTO "documents"'));
      expect(inserted).toEqual([
        expect.stringMatching(/^WITH depot_journal_0 AS \(INSERT/),
        expect.stringMatching(/^WITH depot_journal_0 AS \(INSERT/),
      ]);
      expect(statements.filter((text) => /^(START|COMMIT)/.test(text))).toEqual([]);
      await document.reload();
      expect(document.get('photo')).toMatchObject({ size: 8 });
      await bench.expectEven(5);
      expect(await bench.sequelize.query('SELECT * FROM depot_intents', { raw: true })).toMatchObject([
        [],
        {},
      ]);
    });

    test('no row is inserted whose file was given up as abandoned', async () => {
      bench = await open();
      const claim = `INSERT INTO depot_intents SELECT id || ':mark', 'claimed', '[]', owner, created_at FROM depot_intents`;
      const giveUp = { apply: async () => void (await bench.sequelize.query(claim, { transaction: null })) };
      const Note = bench.sequelize.define('note', { scan: attachment({ filters: [giveUp] }) });
      await Note.sync();
      await expect(Note.create({ scan: BYTES })).rejects.toMatchObject({ code: 'ATTACHMENT_CONFLICT' });
      const rows = ['a', 'b'].map((scan) => ({ scan: attach(scan) }));
      await expect(Note.bulkCreate(rows)).rejects.toMatchObject({ code: 'ATTACHMENT_CONFLICT' });
      expect(await Note.count()).toBe(0);
      await bench.expectEven(0);
    });

    test('a row that is inserted keeps its file, whatever fails after that, by an answer of the database too', async () => {
      bench = await open();
      const { query } = bench.sequelize;
      bench.sequelize.query = async (...parameters: unknown[]) => {
        const result = await Reflect.apply(query, bench.sequelize, parameters);
        const isInsertion = String((parameters[0] as { query?: string }).query).startsWith('WITH');
        if (isInsertion) await query.call(bench.sequelize, 'SELECT nothing');
        return result;
      };
      await expect(bench.Document.create({ name: 'a', photo: BYTES })).rejects.toThrow('nothing');
      await bench.expectEven(1);
    });

    test('an insertion is tried once: a second try would fail on what the first has done', async () => {
      bench = await open({ retry: { max: 3 } });
      const tries: unknown[] = [];
      bench.sequelize.addHook('beforeQuery', (options) => {
        const { type, retry } = options as { type?: string; retry?: unknown };
        if (type === 'INSERT') tries.push(retry);
      });
      await bench.Document.create({ name: 'a', photo: BYTES });
      await bench.Document.bulkCreate([{ name: 'b', photo: attach('b') }]);
      await bench.Folder.create({ name: 'c' });
      expect(tries).toEqual([{ max: 1 }, { max: 1 }, { max: 3 }]);
      await bench.expectEven(2);
    });

    test('a duplicate that is ignored leaves no file', async () => {
      bench = await open();
      await bench.Document.create({ name: 'a', photo: BYTES });
      const again = { name: 'a', photo: attach('again') };
      await bench.Document.create(again, { ignoreDuplicates: true }).catch(() => {});
      await bench.expectEven(1);
    });

    test('replicas are neither written nor believed', async () => {
      const target = await postgresDatabase(server);
      const { options: empty } = await postgresDatabase(server);
      bench = await Bench.open(target, { replication: { write: target.options, read: [empty] } } as Options);
      const document = await bench.Document.create({ name: 'a', photo: BYTES });
      await document.update({ photo: attach('new') });
      expect(await bench.files()).toHaveLength(1);
      bench.storage.delete = async () => {
        throw new Error('It is not there just now');
      };
      await document.destroy();
      Reflect.deleteProperty(bench.storage, 'delete');
      expect((await bench.attachments.recover()).deleted).toHaveLength(1);
      expect(await bench.files()).toEqual([]);
    });

    test('rows that a rule keeps keep their files', async () => {
      bench = await open();
      await bench.Document.bulkCreate(['a', 'b'].map((name) => ({ name, photo: attach(name) })));
      const rule = `CREATE RULE keep AS ON DELETE TO documents WHERE OLD.name = 'a' DO INSTEAD NOTHING`;
      await bench.sequelize.query(rule);
      await bench.Document.destroy({ where: {} });
      await bench.expectEven(1);
    });

    test('transactions may hold all connections', async () => {
      bench = await open({ pool: { max: 2 } });
      const acts = Array.from({ length: 8 }, (_act, index) =>
        bench.sequelize.transaction((transaction) =>
          bench.Document.create({ name: `${index}`, photo: BYTES }, { transaction }),
        ),
      );
      await Promise.all(acts);
      await bench.expectEven(8);
    });

    test('the example of the document', async () => {
      const folder = await mkdtemp(join(tmpdir(), 'filedepot-docs-'));
      const picture = join(folder, 'picture.png');
      await writeFile(picture, pngOf(300, 200, [0, 128, 0]));
      process.env.DATABASE_URL = await server.createDatabase();
      const example = await runFirstBlock<SequelizeExample>('docs/sequelize.md', { './var/files': folder });
      await example.sequelize.sync();
      const { id } = (await example.publish('a', 'text', picture)).get();
      expect(await example.show(id)).toEqual({
        name: 'a',
        url: expect.stringMatching(/^\/depot\/default\//),
        thumb: expect.stringMatching(/^\/depot\/default\//),
      });
      await example.revise(id, 'changed');
      expect(await example.show(id)).toMatchObject({ thumb: undefined });
      await example.sequelize.close();
      await removeFolder(folder);
    });
  });
});

interface SequelizeExample {
  readonly sequelize: Sequelize;
  publish(name: string, text: string, photo: string): Promise<Model<{ id: number }>>;
  revise(id: number, text: string): Promise<void>;
  show(id: number): Promise<object>;
}
