import { mkdtemp, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, jest, test } from '@jest/globals';
import {
  Cascade,
  defineEntity,
  type EntityManager,
  type EntitySchema,
  type MikroORM,
  type Options,
  p,
  TransactionPropagation,
  Type,
} from '@mikro-orm/core';
import { type Attachment, attach } from '../../../lib/attachments/attachment.js';
import {
  AttachmentType,
  attachment,
  attachmentList,
  useAttachments,
} from '../../../lib/attachments/orm/mikro-orm.js';
import { DepotManager } from '../../../lib/depot/manager.js';
import { MemoryStorage } from '../../../lib/storages/memory.js';
import type { MikroOrmTarget } from '../../support/attachments/mikro-orm.js';
import { postgresDatabase, sqliteFile } from '../../support/attachments/mikro-orm-targets.js';
import { runFirstBlock } from '../../support/code-module.js';
import { removeFolder } from '../../support/folders.js';
import { pngOf } from '../../support/png.js';
import { describeWith, startPostgresServer } from '../../support/servers/index.js';

const BYTES = Buffer.from('content');

type Entity = Record<string, unknown>;
type Schema = EntitySchema<Entity>;

/** What it has in the database is not what entities have. */
class Marked extends Type<string, string> {
  override convertToDatabaseValue(value: string): string {
    return `mark ${value}`;
  }

  override convertToJSValue(value: string): string {
    return value.replace('mark ', '');
  }

  override getColumnType(): string {
    return 'text';
  }
}

function defineEntities() {
  const Cover = defineEntity({
    name: 'Cover',
    embeddable: true,
    properties: { image: attachment().nullable(), title: p.string().nullable() },
  });
  const Folder = defineEntity({
    name: 'Folder',
    properties: {
      id: p.integer().primary(),
      name: p.string(),
      cover: () => p.embedded(Cover).nullable(),
      parent: () => p.manyToOne(Folder).nullable().deleteRule('cascade'),
      documents: () => p.oneToMany(Document).mappedBy('folder').orphanRemoval().cascade(Cascade.ALL),
    },
  });
  const Document = defineEntity({
    name: 'Document',
    properties: {
      id: p.integer().primary(),
      name: p.string().unique(),
      photo: attachment().nullable().fieldName('photo_json'),
      pages: attachmentList().nullable(),
      folder: () => p.manyToOne(Folder).nullable().deleteRule('cascade'),
    },
  });
  return { Cover, Folder, Document } as unknown as Record<'Cover' | 'Folder' | 'Document', Schema>;
}

/** What is at hand in a test. */
class Bench {
  readonly storage = new MemoryStorage();
  readonly orm: MikroORM;
  readonly Document: Schema;
  readonly Folder: Schema;
  readonly attachments: ReturnType<typeof useAttachments>;
  readonly #target: MikroOrmTarget;

  constructor(orm: MikroORM, entities: ReturnType<typeof defineEntities>, target: MikroOrmTarget) {
    this.orm = orm;
    this.#target = target;
    this.Document = entities.Document;
    this.Folder = entities.Folder;
    const depot = new DepotManager();
    depot.configure('default', this.storage);
    this.attachments = useAttachments(orm, { depot });
  }

  static async open(target: MikroOrmTarget, options: object = {}): Promise<Bench> {
    const entities = defineEntities();
    const orm = await target.open({ entities: Object.values(entities), ...options } as Options);
    await orm.schema.create();
    return new Bench(orm, entities, target);
  }

  /** A new one, as each request has one. */
  get em(): EntityManager {
    return this.orm.em.fork();
  }

  async create(...names: string[]): Promise<Entity[]> {
    const { em } = this;
    const documents = names.map((name) => em.create(this.Document, { name, photo: attach(name) }));
    await em.persist(documents).flush();
    return documents;
  }

  async execute(sql: string): Promise<unknown> {
    return (this.orm.em.getConnection() as unknown as Connection).execute(sql);
  }

  /** Has the journal say, as of a process that is no more, that the files of all rows are to be deleted. */
  async condemn(table: string, column: string): Promise<void> {
    await this.attachments.prepare();
    await this.execute(`INSERT INTO depot_intents SELECT 'of row ' || id, 'delete', '["' || (${column}->>'path') || '"]',
      'elsewhere-1.0.0.ab', '2020-01-01T00:00:00.000Z' FROM ${table}`);
  }

  async textOf(name: string): Promise<string | undefined> {
    const document = await this.em.findOne(this.Document, { name });
    return (await (document?.photo as Attachment | null)?.buffer())?.toString();
  }

  async files(): Promise<string[]> {
    const ids = [];
    for await (const id of this.storage.list()) ids.push(`default/${id}`);
    return ids.sort();
  }

  async expectEven(count: number): Promise<void> {
    await this.attachments.idle();
    const { em } = this;
    const documents = await em.find(this.Document, {});
    const folders = await em.find(this.Folder, {});
    const all = [
      ...documents.flatMap(({ photo, pages }) => [photo, ...((pages as unknown[] | null) ?? [])]),
      ...folders.map(({ cover }) => (cover as Entity | null)?.image),
    ] as (Attachment | null)[];
    const referenced = all.flatMap((one) => one?.files ?? []);
    expect(await this.files()).toEqual(referenced.sort());
    expect(referenced).toHaveLength(count);
  }

  async close(): Promise<void> {
    await this.orm.close(true);
    await this.#target.remove();
  }
}

let bench: Bench;

function testEntities(open: (options?: object) => Promise<Bench>): void {
  afterEach(() => bench.close());

  test('an entity has what was stored when it is flushed, and JSON of it', async () => {
    bench = await open();
    const { em } = bench;
    const document = em.create(bench.Document, { name: 'a', photo: attach(BYTES), pages: [attach('1')] });
    await em.flush();
    const { photo, pages } = document as unknown as { photo: Attachment; pages: Attachment[] };
    expect(photo.isStored).toBe(true);
    expect(JSON.parse(JSON.stringify(document)).photo).toEqual(photo.data);
    await em.flush();
    expect(document.photo).toBe(photo);
    pages.push(attach('2'));
    await em.flush();
    expect((document.pages as Attachment[]).map(({ isStored }) => isStored)).toEqual([true, true]);
    document.photo = null;
    await em.flush();
    await bench.expectEven(2);
  });

  test('an entity whose flush has failed can be flushed again', async () => {
    bench = await open();
    await bench.create('taken');
    const { em } = bench;
    const document = em.create(bench.Document, { name: 'taken', photo: attach(BYTES) });
    await expect(em.flush()).rejects.toThrow();
    await bench.expectEven(1);
    document.name = 'free';
    await em.persist(document).flush();
    expect(await bench.textOf('free')).toBe('content');
    await bench.expectEven(2);
  });

  test('takes no text that a client may have sent', async () => {
    bench = await open();
    await bench.create('a');
    const [path] = await bench.files();
    const text = JSON.stringify({ path, depot: 'default', id: 'x', filename: 'x', files: [path] });
    const { em } = bench;
    const document = await em.findOneOrFail(bench.Document, { name: 'a' });
    const acts = [
      () => em.insert(bench.Document, { name: 'b', photo: text }),
      () => em.insert(em.create(bench.Document, { name: 'b', photo: text }, { persist: false })),
      () => em.nativeUpdate(bench.Document, {}, { photo: text }),
      () => em.nativeUpdate(bench.Document, {}, { pages: [text] }),
      () => em.nativeUpdate(bench.Document, {}, { pages: `[${text}]` }),
      () => em.assign(document, { photo: text }) && em.flush(),
      () => em.assign(document, { photo: JSON.parse(text) }) && em.flush(),
      () => em.assign(document, { photo: null, pages: [text] }) && em.flush(),
    ];
    for (const act of acts) await expect(act()).rejects.toMatchObject({ code: 'INVALID_CONTENT' });
    expect(await bench.textOf('a')).toBe('a');
    await bench.expectEven(1);
  });

  test('nothing is changed by an entity that is read by its constructor', async () => {
    bench = await open({ forceEntityConstructor: true });
    await bench.create('a');
    const files = await bench.files();
    const { em } = bench;
    await em.find(bench.Document, {});
    await em.flush();
    expect(await bench.files()).toEqual(files);
    expect(em.getUnitOfWork().getChangeSets()).toEqual([]);
    await bench.expectEven(1);
  });

  test('is found by what its JSON says', async () => {
    bench = await open();
    const { em } = bench;
    em.create(bench.Document, { name: 'a', photo: attach(BYTES, { filename: 'a.txt' }) });
    await em.flush();
    expect(await em.count(bench.Document, { photo: { filename: 'a.txt' } })).toBe(1);
    expect(await em.count(bench.Document, { photo: { filename: 'b.txt' } })).toBe(0);
  });

  test('entities of the result cache have attachments, and are not changed by it', async () => {
    bench = await open();
    const { em } = bench;
    const folder = { name: 'x', cover: { image: attach('cover'), title: 't' } };
    const document = { name: 'a', photo: attach('a'), pages: [attach('1'), attach('2')], folder };
    em.create(bench.Document, document as never);
    await em.flush();
    const files = await bench.files();
    const texts = (all: readonly unknown[]) =>
      Promise.all(all.map(async (one) => (await (one as Attachment).buffer()).toString()));
    const options = { populate: ['folder'], cache: 60_000 } as object;
    for (let count = 0; count < 2; count++) {
      const reader = bench.em;
      const found = await reader.findOneOrFail(bench.Document, { name: 'a' }, options);
      const [listed] = await bench.em.find(bench.Document, {}, options);
      for (const { photo, pages, folder } of [found, listed ?? {}]) {
        const { image } = (folder as { cover: { image: unknown } }).cover;
        expect(await texts([photo, ...(pages as unknown[]), image])).toEqual(['a', '1', '2', 'cover']);
      }
      expect(JSON.parse(JSON.stringify(found)).photo).toEqual((found.photo as Attachment).data);
      await reader.flush();
      expect(reader.getUnitOfWork().getChangeSets()).toEqual([]);
      expect(await bench.files()).toEqual(files);
    }
    const writer = bench.em;
    const cached = await writer.findOneOrFail(bench.Document, { name: 'a' }, options);
    cached.photo = attach('new');
    (cached.pages as unknown[]).push(attach('3'));
    await writer.flush();
    expect(await bench.textOf('a')).toBe('new');
    await bench.expectEven(5);
  });

  test('what a client has sent does not become an attachment when its entity is loaded', async () => {
    bench = await open();
    const [{ id, photo } = {}] = await bench.create('a');
    const { em } = bench;
    const reference = em.getReference(bench.Document, id as never);
    reference.photo = JSON.parse(JSON.stringify(photo));
    await em.findOne(bench.Document, { name: 'a' }, { cache: 60_000 });
    await expect(em.flush()).rejects.toMatchObject({ code: 'INVALID_CONTENT' });
    await bench.expectEven(1);
  });

  test('embedded objects in columns may have attachments', async () => {
    bench = await open();
    const { em } = bench;
    const folder = em.create(bench.Folder, { name: 'x', cover: { image: attach(BYTES), title: 't' } });
    await em.flush();
    expect((folder.cover as { image: Attachment }).image.isStored).toBe(true);
    (folder.cover as Entity).image = attach('new');
    await em.flush();
    await bench.expectEven(1);
    await em.remove(folder).flush();
    await bench.expectEven(0);
  });

  test('orphans and what hangs on an entity go with it', async () => {
    bench = await open();
    const { em } = bench;
    const documents = ['a', 'b', 'c'].map((name) => ({ name, photo: attach(name) }));
    const folder = em.create(bench.Folder, { name: 'x', documents });
    await em.flush();
    await bench.expectEven(3);
    const items = folder.documents as unknown as { remove(item: unknown): void; getItems(): unknown[] };
    items.remove(items.getItems()[0]);
    await em.flush();
    await bench.expectEven(2);
    await em.remove(folder).flush();
    await bench.expectEven(0);
  });

  test('so does what only the database knows of', async () => {
    bench = await open();
    const { em } = bench;
    const outer = em.create(bench.Folder, { name: 'outer' });
    const inner = em.create(bench.Folder, { name: 'inner', parent: outer });
    em.create(bench.Document, { name: 'a', photo: attach(BYTES), folder: inner });
    em.create(bench.Document, { name: 'b', photo: attach(BYTES) });
    await em.flush();
    await bench.em.nativeDelete(bench.Folder, { name: 'outer' });
    await bench.expectEven(1);
  });

  test('statements without entities are followed', async () => {
    bench = await open();
    const { em } = bench;
    await em.insert(bench.Document, { name: 'a', photo: attach('1') });
    await em.insertMany(bench.Document, [
      { name: 'b', photo: attach('2') },
      { name: 'c', photo: null },
    ]);
    await em.insert(em.create(bench.Document, { name: 'd', photo: attach('4') }, { persist: false }));
    await bench.expectEven(3);
    await em.nativeUpdate(bench.Document, { name: ['a', 'b'] }, { photo: attach('all') });
    expect(await Promise.all(['a', 'b'].map((name) => bench.textOf(name)))).toEqual(['all', 'all']);
    await em.nativeUpdate(bench.Document, { name: 'nobody' }, { photo: attach('none') });
    await em.nativeUpdate(bench.Document, { name: 'a' }, { photo: null });
    await bench.expectEven(2);
    const act = em.transactional(async (inner) => {
      await inner.nativeDelete(bench.Document, {});
      throw new Error('undone');
    });
    await expect(act).rejects.toThrow('undone');
    await bench.expectEven(2);
    await em.nativeDelete(bench.Document, {});
    await bench.expectEven(0);
  });

  test('rows that are found several times are changed once', async () => {
    bench = await open();
    const Tag = defineEntity({ name: 'Tag', properties: { id: p.integer().primary(), name: p.string() } });
    const Note = defineEntity({
      name: 'Note',
      properties: {
        id: p.integer().primary(),
        scan: attachment().nullable(),
        tags: () => p.manyToMany(Tag),
      },
    });
    bench.orm.discoverEntity([Tag, Note] as never);
    await bench.orm.schema.update();
    const { em } = bench;
    const tags = ['x', 'y'].map((name) => em.create(Tag, { name }));
    for (const text of ['a', 'b']) em.create(Note, { scan: attach(text), tags });
    await em.flush();
    const where = { tags: { name: ['x', 'y'] } };
    expect(await em.nativeUpdate(Note, where, { scan: attach('new') })).toBe(2);
    expect(await bench.files()).toHaveLength(2);
    await bench.execute('DELETE FROM note_tags WHERE note_id = 1 AND tag_id = 1');
    expect(await em.nativeUpdate(Note, { tags: { name: 'x' } }, { scan: null })).toBe(1);
    expect(await bench.files()).toHaveLength(1);
    await bench.execute('DELETE FROM note_tags');
    await em.nativeDelete(Note, {});
    await bench.expectEven(0);
  });

  test('many rows with keys of several columns are changed and deleted', async () => {
    bench = await open();
    const count = 1100;
    const Volume = defineEntity({
      name: 'Volume',
      properties: { shelf: p.integer().primary(), place: p.type(Marked).$type<string>().primary() },
    });
    const Page = defineEntity({
      name: 'Page',
      properties: {
        volume: () => p.manyToOne(Volume).primary().deleteRule('cascade'),
        number: p.type(Marked).$type<string>().primary(),
        scan: attachment().nullable(),
      },
    });
    bench.orm.discoverEntity([Volume, Page] as never);
    await bench.orm.schema.update();
    const { em } = bench;
    const { photo } = (await bench.create('a'))[0] as unknown as { photo: Attachment };
    const rows = Array.from({ length: count }, (_row, index) => index);
    const volumes = rows.map((shelf) => `(${shelf}, 'mark x')`);
    await bench.execute(`INSERT INTO volume (shelf, place) VALUES ${volumes}`);
    const pages = rows.map((shelf) => `(${shelf}, 'mark x', 'mark 1', '${JSON.stringify(photo)}')`);
    await bench.execute(`INSERT INTO page (volume_shelf, volume_place, number, scan) VALUES ${pages}`);
    expect(await em.nativeUpdate(Page, { number: '1' }, { number: '2', scan: null })).toBe(count);
    await bench.execute(`UPDATE page SET scan = '${JSON.stringify(photo)}'`);
    expect(await em.nativeDelete(Page, { volume: { shelf: { $lt: 5 } } })).toBe(5);
    expect(await em.nativeDelete(Volume, {})).toBe(count);
    expect(await em.count(Page)).toBe(0);
  });

  test('rows are found by values that have types of their own', async () => {
    bench = await open();
    const Card = defineEntity({
      name: 'Card',
      properties: {
        id: p.type(Marked).$type<string>().primary(),
        kind: p.type(Marked).$type<string>(),
        scan: attachment().nullable(),
      },
    });
    bench.orm.discoverEntity(Card as never);
    await bench.orm.schema.update();
    const { em } = bench;
    const texts = async () => {
      const cards = await bench.em.find(Card, {}, { orderBy: { id: 'asc' } });
      return Promise.all(cards.map(async ({ scan }) => (await scan?.buffer())?.toString()));
    };
    for (const id of ['a', 'b']) em.create(Card, { id, kind: 'x', scan: attach(id) });
    await em.flush();
    await em.nativeUpdate(Card, { id: 'a', kind: 'x' }, { scan: attach('one') });
    expect(await texts()).toEqual(['one', 'b']);
    expect(await em.nativeUpdate(Card, { kind: 'x' }, { scan: attach('all') })).toBe(2);
    expect(await texts()).toEqual(['all', 'all']);
    expect(await bench.files()).toHaveLength(2);
    await em.nativeDelete(Card, { kind: 'x' });
    await bench.expectEven(0);
  });

  test('rows are found by keys that are rows with keys of several columns', async () => {
    bench = await open();
    const Volume = defineEntity({
      name: 'Volume',
      properties: { shelf: p.integer().primary(), place: p.integer().primary(), title: p.string() },
    });
    const Page = defineEntity({
      name: 'Page',
      properties: {
        volume: () => p.manyToOne(Volume).primary().deleteRule('cascade'),
        number: p.integer().primary(),
        scan: attachment().nullable(),
      },
    });
    bench.orm.discoverEntity([Volume, Page] as never);
    await bench.orm.schema.update();
    const { em } = bench;
    for (const place of [1, 2]) {
      const volume = em.create(Volume, { shelf: 1, place, title: 'x' });
      for (const number of [1, 2]) em.create(Page, { volume, number, scan: attach(`${place}-${number}`) });
    }
    await em.flush();
    expect(await em.nativeUpdate(Page, { number: 1 }, { scan: attach('new') })).toBe(2);
    expect(await bench.files()).toHaveLength(4);
    await em.nativeUpdate(Page, { number: 1 }, { scan: null });
    expect(await bench.files()).toHaveLength(2);
    await em.nativeDelete(Volume, { place: 1 });
    expect(await bench.files()).toHaveLength(1);
    await em.nativeDelete(Page, {});
    await bench.expectEven(0);
  });

  test('what a query builder would write is refused', async () => {
    bench = await open();
    await bench.create('a');
    const em = bench.em as unknown as { createQueryBuilder(entity: unknown): QueryBuilder };
    const insert = async () =>
      em
        .createQueryBuilder(bench.Document)
        .insert({ photo: attach('x') })
        .execute();
    const update = async () =>
      em
        .createQueryBuilder(bench.Document)
        .update({ photo: attach('x') })
        .execute();
    for (const act of [insert, update])
      await expect(act()).rejects.toMatchObject({ code: 'ATTACHMENT_PENDING' });
    await bench.expectEven(1);
  });

  test('what cannot be followed is refused, and nothing is done', async () => {
    bench = await open();
    const [document] = await bench.create('a');
    const { em } = bench;
    const acts = [
      () => em.upsert(bench.Document, { name: 'a', photo: attach('x') }),
      () => em.upsertMany(bench.Document, [{ name: 'a', photo: attach('x') }]),
      () => em.clone(bench.Document, { id: document?.id as never }, { name: 'b' }),
      () => em.nativeUpdate(bench.Document, {}, { photo: null }, { unionWhere: [{ name: 'b' }] }),
      () => em.nativeDelete(bench.Document, {}, { unionWhere: [{ name: 'b' }] }),
    ];
    for (const act of acts) await expect(act()).rejects.toMatchObject({ code: 'ATTACHMENT_UNSUPPORTED' });
    const { depot } = bench.attachments;
    expect(() => useAttachments(bench.orm, { depot })).toThrow(
      expect.objectContaining({ code: 'INVALID_OPTION' }),
    );
    await em.upsert(bench.Document, { name: 'c' });
    await bench.expectEven(1);
  });

  test('transactions with a beginning and an end, and nested ones', async () => {
    bench = await open();
    await bench.create('a');
    const { em } = bench;
    await em.begin();
    em.create(bench.Document, { name: 'b', photo: attach('b') });
    await em.commit();
    await em.begin();
    em.create(bench.Document, { name: 'c', photo: attach('c') });
    await em.flush();
    await em.rollback();
    await bench.expectEven(2);
    await bench.em.transactional(async (outer) => {
      const inner = outer.transactional(async (nested) => {
        nested.create(bench.Document, { name: 'd', photo: attach('d') });
        await nested.flush();
        throw new Error('undone');
      });
      await expect(inner).rejects.toThrow('undone');
      const required = { propagation: TransactionPropagation.REQUIRED };
      await outer.transactional(async (same) => {
        same.create(bench.Document, { name: 'e', photo: attach('e') });
      }, required);
    });
    await bench.expectEven(3);
  });

  /** Statements that nobody waits for yet. */
  const changeBoth = (em: Bench['em']) => [
    em.nativeDelete(bench.Document, { name: 'a' }),
    em.nativeUpdate(bench.Document, { name: 'b' }, { photo: attach('new') }),
  ];

  test('statements that are under way end with their transaction', async () => {
    bench = await open();
    await bench.create('a', 'b');
    for (let steps = 1; steps <= 6; steps++) {
      const failure = failAfter(bench.orm, steps);
      const statements: Promise<unknown>[] = [];
      const act = bench.em.transactional((em) => {
        statements.push(...changeBoth(em));
        return Promise.all([...statements, failure]);
      });
      await expect(act).rejects.toThrow('undone');
      await Promise.allSettled(statements);
      expect(await bench.textOf('a')).toBe('a');
      expect(await bench.textOf('b')).toBe('b');
      await bench.expectEven(2);
    }
  });

  test('statements that are under way are undone with a nested transaction', async () => {
    bench = await open();
    await bench.create('a', 'b');
    const statements: Promise<unknown>[] = [];
    await bench.em.transactional(async (outer) => {
      const failure = failAfter(bench.orm, 2);
      const nested = outer.transactional((em) => {
        statements.push(...changeBoth(em));
        return Promise.all([...statements, failure]);
      });
      await expect(nested).rejects.toThrow('undone');
    });
    await Promise.allSettled(statements);
    expect(await bench.textOf('a')).toBe('a');
    expect(await bench.textOf('b')).toBe('b');
    await bench.expectEven(2);
  });

  test('a commit waits for statements that nobody has waited for', async () => {
    bench = await open();
    await bench.create('a', 'b');
    const statements: Promise<unknown>[] = [];
    await bench.em.transactional(async (em) => {
      statements.push(...changeBoth(em));
    });
    await Promise.all(statements);
    expect(await bench.textOf('a')).toBeUndefined();
    expect(await bench.textOf('b')).toBe('new');
    await bench.expectEven(1);
  });

  test('a transaction that has ended takes no more statements', async () => {
    bench = await open();
    await bench.create('a');
    let late: EntityManager | undefined;
    await bench.em.transactional(async (em) => {
      late = em.fork({ keepTransactionContext: true });
    });
    const insert = late?.insert(bench.Document, { name: 'b', photo: attach('b') });
    await expect(insert).rejects.toMatchObject({ code: 'CONFLICT' });
    await expect(late?.nativeDelete(bench.Document, {})).rejects.toMatchObject({ code: 'CONFLICT' });
    await bench.expectEven(1);
  });

  test('of two that replace it, nothing is left behind', async () => {
    bench = await open();
    await bench.create('a');
    const ems = Array.from({ length: 4 }, () => bench.em);
    const copies = await Promise.all(ems.map((em) => em.findOneOrFail(bench.Document, { name: 'a' })));
    for (const [index, copy] of copies.entries()) {
      copy.photo = attach(`${index}`);
      await ems[index]?.flush();
    }
    await bench.expectEven(1);
    const [stale] = copies;
    await bench.em.nativeDelete(bench.Document, {});
    if (stale) stale.photo = attach('too late');
    await ems[0]?.flush();
    await bench.expectEven(0);
  });

  test('what somebody else has replaced is refused before it is written', async () => {
    bench = await open();
    const { em } = bench;
    em.create(bench.Document, { name: 'a', pages: [attach('1'), attach('2')] });
    await em.flush();
    const ems = [bench.em, bench.em] as const;
    const find = (one: EntityManager) => one.findOneOrFail(bench.Document, { name: 'a' });
    const [first, second] = [await find(ems[0]), await find(ems[1])];
    first.pages = [attach('other')];
    await ems[0].flush();
    (second.pages as unknown[]).push(attach('3'));
    await ems[1].transactional(async (inner) => {
      await expect(inner.flush()).rejects.toMatchObject({ code: 'ATTACHMENT_CONFLICT' });
      inner.clear();
    });
    const [page, ...others] = (await find(bench.em)).pages as Attachment[];
    expect((await page?.buffer())?.toString()).toBe('other');
    expect(others).toEqual([]);
    await bench.expectEven(1);
  });

  test('hooks may set attachments', async () => {
    bench = await open();
    const set = ({ entity }: { entity: Entity }) => {
      entity.photo = attach(`of ${entity.name}`);
    };
    bench.orm.em.getEventManager().registerSubscriber({ beforeCreate: set, beforeUpdate: set });
    const { em } = bench;
    const document = em.create(bench.Document, { name: 'a' });
    await em.flush();
    expect((document.photo as Attachment).isStored).toBe(true);
    document.name = 'b';
    await em.flush();
    expect((document.photo as Attachment).isStored).toBe(true);
    expect(await bench.textOf('b')).toBe('of b');
    await bench.expectEven(1);
  });

  test('a flush that a subscriber refuses leaves nothing', async () => {
    bench = await open();
    const events = bench.orm.em.getEventManager();
    for (const event of ['onFlush', 'beforeTransactionStart', 'beforeCreate']) {
      const refuse = jest.fn<() => Promise<void>>().mockRejectedValueOnce(new Error('refused'));
      events.registerSubscriber({ [event]: refuse });
      const em = bench.orm.em.fork({ cloneEventManager: event === 'onFlush' });
      em.create(bench.Document, { name: 'a', photo: attach('a') });
      await expect(em.flush()).rejects.toThrow('refused');
      await bench.expectEven(0);
    }
    await bench.create('a');
    await bench.expectEven(1);
  });

  test('subscribers may change what is flushed', async () => {
    bench = await open();
    bench.orm.em.getEventManager().registerSubscriber({
      async onFlush({ em, uow }) {
        for (const { entity } of uow.getChangeSets()) {
          const document = entity as Entity;
          if (document.name !== 'a') continue;
          document.photo = attach('changed');
          uow.recomputeSingleChangeSet(document);
          const more = em.create(bench.Document, { name: 'b', photo: attach('more') });
          uow.computeChangeSet(more);
        }
      },
    });
    await bench.create('a');
    expect(await bench.textOf('a')).toBe('changed');
    expect(await bench.textOf('b')).toBe('more');
    await bench.expectEven(2);
  });

  test.each([{ implicitTransactions: false }, { disableTransactions: true }])(
    'flushes with %j',
    async (options) => {
      bench = await open(options);
      await bench.create('a', 'b', 'c');
      const { em } = bench;
      const [first, second] = await em.find(bench.Document, {}, { orderBy: { name: 'asc' } });
      if (first) first.photo = attach('new');
      if (second) em.remove(second);
      await em.flush();
      expect((first?.photo as Attachment | undefined)?.isStored).toBe(true);
      await bench.expectEven(2);
      if (first) first.name = 'c';
      if (first) first.photo = attach('refused');
      await expect(em.flush()).rejects.toThrow();
      await bench.expectEven(2);
    },
  );

  test('a file that a row refers to is not deleted, whatever the journal says', async () => {
    bench = await open();
    await bench.create('a', 'b');
    await bench.condemn('document', 'photo_json');
    await bench.execute("UPDATE document SET photo_json = NULL WHERE name = 'b'");
    const recovery = await bench.attachments.recover();
    expect(recovery.intents).toBe(2);
    expect(recovery.deleted).toHaveLength(1);
    await bench.expectEven(1);
  });

  test('the schema can be updated', async () => {
    bench = await open();
    await bench.create('a');
    expect(await bench.orm.schema.getUpdateSchemaSQL()).not.toMatch(/depot_intents/);
  });
}

describe('MikroORM with SQLite', () => {
  testEntities(async (options) => Bench.open(await sqliteFile(), options));

  test('attachments that could not be followed are refused at once', async () => {
    bench = await Bench.open(await sqliteFile());
    const Cover = defineEntity({ name: 'Cover', embeddable: true, properties: { image: attachment() } });
    const Book = defineEntity({
      name: 'Book',
      properties: { id: p.integer().primary(), cover: () => p.embedded(Cover).object() },
    });
    const target = await sqliteFile();
    const orm = await target.open({ entities: [Cover, Book] as never });
    expect(() => useAttachments(orm, { depot: new DepotManager() })).toThrow(
      expect.objectContaining({ code: 'ATTACHMENT_UNSUPPORTED' }),
    );
    await orm.close(true);
    await target.remove();
  });

  test('a type without a depot stores and reads nothing', () => {
    const type = new AttachmentType();
    const read = () => type.convertToJSValue('{}', {} as never);
    expect(read).toThrow(expect.objectContaining({ code: 'INVALID_OPTION' }));
    const store = () => type.convertToDatabaseValue(attach(BYTES), {} as never);
    expect(store).toThrow(expect.objectContaining({ code: 'ATTACHMENT_PENDING' }));
  });
});

await describeWith('MikroORM', [startPostgresServer], (server) => {
  describe('with PostgreSQL', () => {
    const open = async (options?: object) => Bench.open(await postgresDatabase(server), options);
    testEntities(open);

    test('a transaction in which a statement has failed is not committed, whatever it is told', async () => {
      bench = await open();
      await bench.em.transactional(async (em) => {
        em.create(bench.Document, { name: 'a', photo: attach(BYTES) });
        await em.flush();
        const connection = em.getConnection() as unknown as {
          execute(...parameters: unknown[]): Promise<unknown>;
        };
        await connection.execute('SELECT nothing', [], 'all', em.getTransactionContext()).catch(() => {});
      });
      await bench.expectEven(0);
    });

    test('a statement leaves alone what others add after it has looked', async () => {
      bench = await open();
      const { driver } = bench.orm as unknown as { driver: Driver };
      const { createQueryBuilder } = driver;
      const others = ['first', 'second', 'third'];
      driver.createQueryBuilder = (...parameters) => {
        const query = createQueryBuilder.apply(driver, parameters);
        const { execute } = query;
        query.execute = async (...forms) => {
          const rows = await execute.apply(query, forms);
          const [method, mapped] = forms;
          if (method === 'all' && mapped === false) await bench.create(...others.splice(0, 1));
          return rows;
        };
        return query;
      };
      const { em } = bench;
      const replaced = { photo: attach('replaced') };
      expect(await em.nativeUpdate(bench.Document, {}, replaced)).toBe(0);
      expect(await em.nativeUpdate(bench.Document, {}, replaced)).toBe(1);
      expect(await em.nativeUpdate(bench.Document, {}, { photo: null })).toBe(2);
      expect(others).toEqual([]);
      expect(await bench.textOf('third')).toBe('third');
      await bench.expectEven(1);
    });

    test('each tenant may have a schema', async () => {
      bench = await open();
      const Shelf = defineEntity({
        name: 'Shelf',
        schema: '*',
        properties: { id: p.integer().primary(), name: p.string() },
      });
      const Book = defineEntity({
        name: 'Book',
        schema: '*',
        properties: {
          id: p.integer().primary(),
          scan: attachment().nullable(),
          shelf: () => p.manyToOne(Shelf).nullable().deleteRule('cascade'),
        },
      });
      bench.orm.discoverEntity([Shelf, Book] as never);
      await bench.orm.schema.create({ schema: 'tenant' });
      const em = bench.orm.em.fork({ schema: 'tenant' });
      const shelf = em.create(Shelf, { name: 'a' });
      const [first, second] = ['1', '2', '3'].map((text) => em.create(Book, { scan: attach(text), shelf }));
      await em.flush();
      if (first) first.scan = attach('new') as never;
      if (second) em.remove(second);
      await em.flush();
      expect(await bench.files()).toHaveLength(2);
      await bench.condemn('tenant.book', 'scan');
      expect(await bench.attachments.recover()).toMatchObject({ intents: 2, deleted: [] });
      await em.nativeDelete(Shelf, { name: 'a' });
      await bench.expectEven(0);
    });

    test('rows that a rule keeps keep their files', async () => {
      bench = await open();
      await bench.create('a', 'b');
      await bench.execute(
        `CREATE RULE keep AS ON DELETE TO document WHERE OLD.name = 'a' DO INSTEAD NOTHING`,
      );
      await bench.em.nativeDelete(bench.Document, {});
      await bench.expectEven(1);
      await bench.execute('DROP RULE keep ON document');
    });

    test('transactions may hold all connections', async () => {
      bench = await open({ pool: { min: 0, max: 2 } });
      await Promise.all(Array.from({ length: 8 }, (_act, index) => bench.create(`${index}`)));
      await bench.expectEven(8);
    });

    test('the example of the document', async () => {
      const folder = await mkdtemp(join(tmpdir(), 'filedepot-docs-'));
      const picture = join(folder, 'picture.png');
      await writeFile(picture, pngOf(300, 200, [0, 128, 0]));
      process.env.DATABASE_URL = await server.createDatabase();
      const example = await runFirstBlock<Example>('docs/mikro-orm.md', { './var/files': folder });
      await example.orm.schema.create();
      const { id } = await example.publish('a', 'text', picture);
      expect(await example.show(id)).toEqual({
        name: 'a',
        url: expect.stringMatching(/^\/depot\/default\//),
        thumb: expect.stringMatching(/^\/depot\/default\//),
      });
      await example.revise(id, 'changed');
      expect(await example.show(id)).toMatchObject({ thumb: undefined });
      await example.orm.close(true);
      await removeFolder(folder);
    });
  });
});

/** Fails when that many statements have been sent in a transaction. */
function failAfter(orm: MikroORM, count: number): Promise<never> {
  const connection = orm.driver.getConnection('write') as unknown as Connection;
  const { execute } = connection;
  let left = count;
  const failure = new Promise<never>((_resolve, reject) => {
    connection.execute = (...parameters) => {
      const [, , , transaction] = parameters;
      if (transaction && --left === 0) {
        connection.execute = execute;
        reject(new Error('undone'));
      }
      return execute.apply(connection, parameters);
    };
  });
  return failure;
}

interface Connection {
  execute(...parameters: unknown[]): Promise<unknown>;
}

interface QueryBuilder {
  insert(data: object): QueryBuilder;
  update(data: object): QueryBuilder;
  execute(...forms: unknown[]): Promise<unknown>;
}

interface Driver {
  createQueryBuilder(...parameters: unknown[]): QueryBuilder;
}

interface Example {
  readonly orm: MikroORM;
  publish(name: string, text: string, photo: string): Promise<{ id: number }>;
  revise(id: number, text: string): Promise<void>;
  show(id: number): Promise<object>;
}
