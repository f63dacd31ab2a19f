import { mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { DataSource, type DataSourceOptions, EntitySchema, type Repository } from 'typeorm';
import { attach } from '../../../lib/attachments/attachment.js';
import {
  type Attachment,
  attachmentColumn,
  type TypeOrmAttachments,
  useAttachments,
} from '../../../lib/attachments/orm/typeorm.js';
import { DepotManager } from '../../../lib/depot/manager.js';
import { deferred } from '../../../lib/internal/deferred.js';
import { MemoryStorage } from '../../../lib/storages/memory.js';
import { libsql } from '../../support/attachments/typeorm.js';
import { removeFolder } from '../../support/folders.js';
import { describeWith, startPostgresServer } from '../../support/servers/index.js';

interface ItemRow {
  id: number;
  name: string;
  tag: string | null;
  photo: Attachment | null;
  shelf?: { id?: number; label?: string | null } | null;
}

const ITEM = new EntitySchema<ItemRow>({
  name: 'item',
  columns: {
    id: { type: 'integer', primary: true, generated: true },
    name: { type: 'text', unique: true },
    tag: { type: 'text', nullable: true },
    photo: attachmentColumn(),
  },
  relations: {
    shelf: {
      ...{ type: 'many-to-one', target: 'shelf', nullable: true },
      ...{ cascade: ['insert'], onDelete: 'CASCADE' },
    },
  },
});
const SHELF = new EntitySchema<{ id: number; label: string | null }>({
  name: 'shelf',
  columns: {
    id: { type: 'integer', primary: true, generated: true },
    label: { type: 'text', nullable: true, unique: true },
  },
});

let root: string;
let depot: DepotManager;
let dataSource: DataSource;
let attachments: TypeOrmAttachments;
let items: Repository<ItemRow>;
const storage = new MemoryStorage();

beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'filedepot-typeorm-'));
  depot = new DepotManager();
  depot.configure('default', storage);
});

afterEach(async () => {
  await attachments.close();
  await dataSource.destroy();
  for await (const id of storage.list()) await storage.delete(id);
  await removeFolder(root);
});

async function open(options: Partial<DataSourceOptions>): Promise<void> {
  const all = { ...options, entities: [ITEM, SHELF], synchronize: true } as DataSourceOptions;
  dataSource = await new DataSource(all).initialize();
  attachments = await useAttachments(dataSource, { depot });
  items = dataSource.getRepository(ITEM);
}

const openSqlite = () =>
  open({ type: 'better-sqlite3', driver: libsql, database: join(root, 'test.sqlite') } as never);

/** Contents by the names of their rows, which must have all the files that there are. */
async function contents(): Promise<Record<string, string | undefined>> {
  await attachments.idle();
  const rows = await items.find({ order: { id: 'ASC' } });
  const files = [];
  for await (const id of storage.list()) files.push(`default/${id}`);
  expect(files.sort()).toEqual(rows.flatMap(({ photo }) => photo?.files ?? []).sort());
  const read = async ({ name, photo }: ItemRow) => [name, (await photo?.buffer())?.toString()];
  return Object.fromEntries(await Promise.all(rows.map(read)));
}

/** Content that takes its time. */
function slow(text: string, end?: Error): Attachment {
  const chunks = async function* () {
    yield text;
    await sleep(200);
    if (end) throw end;
  };
  return attach(Readable.from(chunks()));
}

const unsupported = expect.objectContaining({ code: 'ATTACHMENT_UNSUPPORTED' });

/** What must be right in every database. */
function defineCases(): void {
  describe('what failed is tried again with the same entity:', () => {
    beforeEach(async () => {
      await items.save({ name: 'taken' });
    });

    test.each(['save', 'insert'] as const)('%s()', async (method) => {
      const item = items.create({ name: 'taken', photo: attach('text') });
      await expect(items[method](item)).rejects.toThrow();
      await items[method](Object.assign(item, { name: 'free' }));
      expect(await contents()).toEqual({ taken: undefined, free: 'text' });
      expect(item.photo?.isStored).toBe(true);
    });

    test('save() of a row that was there', async () => {
      const item = await items.save({ name: 'there', photo: attach('old') });
      Object.assign(item, { name: 'taken', photo: attach('new') });
      await expect(items.save(item)).rejects.toThrow();
      await items.save(Object.assign(item, { name: 'free' }));
      expect(await contents()).toEqual({ taken: undefined, free: 'new' });
    });

    test('in a transaction that goes on after a savepoint', async () => {
      await dataSource.transaction(async (manager) => {
        const item = manager.create(ITEM, { name: 'taken', photo: attach('text') });
        await expect(manager.transaction((inner) => inner.save(ITEM, item))).rejects.toThrow();
        await manager.save(ITEM, Object.assign(item, { name: 'free' }));
      });
      expect(await contents()).toEqual({ taken: undefined, free: 'text' });
    });

    test('beside another that has failed', async () => {
      const good = items.create({ name: 'good', photo: attach('good') });
      const bad = items.create({ name: 'taken', photo: attach('bad') });
      await expect(items.save([good, bad])).rejects.toThrow();
      await expect(items.save([bad, good])).rejects.toThrow();
      await items.save(good);
      expect(await contents()).toEqual({ taken: undefined, good: 'good' });
    });

    test('beside another whose client has left', async () => {
      const good = items.create({ name: 'good', photo: attach('good') });
      const bad = items.create({ name: 'bad', photo: slow('bad', new Error('The client has left')) });
      await expect(items.save([good, bad])).rejects.toThrow('The client has left');
      await items.save(good);
      expect(await contents()).toEqual({ taken: undefined, good: 'good' });
    });

    test('beside another without attachments, and a savepoint of SQL', async () => {
      await dataSource.manager.save(SHELF, { label: 'taken' });
      await dataSource.transaction(async (manager) => {
        const item = manager.create(ITEM, { name: 'item', photo: attach('text'), shelf: { label: 'taken' } });
        await manager.query('SAVEPOINT mine');
        await expect(manager.save(ITEM, item)).rejects.toThrow();
        await manager.query('ROLLBACK TO SAVEPOINT mine');
        await manager.save(ITEM, Object.assign(item, { shelf: null }));
      });
      expect(await contents()).toEqual({ taken: undefined, item: 'text' });
    });
  });

  // While its files are being stored, and after that.
  describe.each([0, 30])('a save that a subscriber has ended after %i ms', (delay) => {
    const refusal = new Error('Refused by a subscriber');
    const refuse = (name: string) => {
      const beforeInsert = async ({ entity }: { entity?: unknown }) => {
        await sleep(delay);
        if ((entity as ItemRow).name === name) throw refusal;
      };
      dataSource.subscribers.push({ listenTo: () => 'item', beforeInsert, beforeUpdate: beforeInsert });
    };

    test('leaves nothing in a transaction that goes on', async () => {
      refuse('refused');
      await dataSource.transaction(async (manager) => {
        const act = manager.save(ITEM, { name: 'refused', photo: attach('lost') });
        await expect(act).rejects.toThrow(refusal);
        await manager.save(ITEM, { name: 'kept', photo: attach('kept') });
      });
      expect(await contents()).toEqual({ kept: 'kept' });
    });

    test('can be followed by another, of the same or of something else', async () => {
      refuse('refused');
      for (const again of [undefined, attach('something else')]) {
        const item = await items.save({ name: 'item', photo: attach('old') });
        await dataSource.transaction(async (manager) => {
          Object.assign(item, { name: 'refused', photo: attach('new') });
          await expect(manager.save(ITEM, item)).rejects.toThrow(refusal);
          await manager.save(ITEM, Object.assign(item, { name: 'item', ...(again && { photo: again }) }));
        });
        expect(await contents()).toEqual({ item: again ? 'something else' : 'new' });
        await items.delete(item.id);
        expect(await contents()).toEqual({});
      }
    });

    test('does not give what it has stored to another row', async () => {
      refuse('refused');
      const item = await items.save({ name: 'item', photo: attach('old') });
      await dataSource.transaction(async (manager) => {
        const changed = { ...item, name: 'refused', photo: attach('new') };
        await expect(manager.save(ITEM, changed)).rejects.toThrow(refusal);
        await manager.insert(ITEM, { name: 'copy', photo: changed.photo });
      });
      expect(await contents()).toEqual({ item: 'old', copy: 'new' });
    });
  });

  test('a row that comes to meet the criteria of an update that is under way is left as it is', async () => {
    await items.save({ name: 'one', tag: 'x', photo: attach('one') });
    const inserted = deferred<void>();
    const chunks = async function* () {
      yield 'upda';
      await inserted.promise;
      yield 'ted';
    };
    const updating = items.update({ tag: 'x' }, { photo: attach(Readable.from(chunks())) });
    await sleep(50);
    await items.insert({ name: 'two', tag: 'x', photo: attach('two') }).finally(inserted.resolve);
    await updating;
    expect(await contents()).toEqual({ one: 'updated', two: 'two' });
  });

  test('a builder can be executed again, for rows that have come since', async () => {
    const removal = items.createQueryBuilder().update().set({ photo: null }).where({ tag: 'x' });
    const deletion = items.createQueryBuilder().delete().where("tag = 'x' OR name = 'one'");
    for (const name of ['one', 'two']) {
      await items.save({ name, tag: 'x', photo: attach(name) });
      expect((await removal.execute()).affected).toBe(1);
      expect(await contents()).toEqual({ [name]: undefined });
      expect((await deletion.execute()).affected).toBe(1);
    }
    expect(await contents()).toEqual({});
  });

  test('a subscriber that throws after the commit takes no file along with the next rollback', async () => {
    const failures = [new Error('The mail server is down')];
    const afterTransactionCommit = () => {
      const failure = failures.pop();
      if (failure) throw failure;
    };
    dataSource.subscribers.unshift({ afterTransactionCommit });
    const queryRunner = dataSource.createQueryRunner();
    const { manager } = queryRunner;
    await expect(manager.save(ITEM, { name: 'kept', photo: attach('kept') })).rejects.toThrow('mail server');
    const act = manager.transaction(async () => {
      await manager.save(ITEM, { name: 'undone', photo: attach('undone') });
      throw new Error('undone');
    });
    await expect(act).rejects.toThrow('undone');
    await queryRunner.release();
    expect(await contents()).toEqual({ kept: 'kept' });
  });

  describe('an upsert is refused', () => {
    test('that sets an attachment to null', async () => {
      await items.save({ name: 'one', photo: attach('one') });
      await expect(items.upsert({ name: 'one', photo: null }, ['name'])).rejects.toEqual(unsupported);
      expect(await contents()).toEqual({ one: 'one' });
    });

    test('that overwrites one with nothing', async () => {
      await items.save({ name: 'one', photo: attach('one') });
      const builder = items.createQueryBuilder().insert().values({ name: 'one' });
      await expect(builder.orUpdate(['photo'], ['name']).execute()).rejects.toEqual(unsupported);
      expect(await contents()).toEqual({ one: 'one' });
    });
  });
}

describe('TypeORM with SQLite', () => {
  beforeEach(openSqlite);
  defineCases();

  test('a statement that failed is tried again in the same transaction', async () => {
    await items.save({ name: 'taken' });
    await dataSource.transaction(async (manager) => {
      for (const name of ['one', 'two']) {
        const item = manager.create(ITEM, { name: 'taken', photo: attach(Readable.from([name])) });
        await expect(manager.save(ITEM, item)).rejects.toThrow();
        await manager.save(ITEM, Object.assign(item, { name }));
      }
    });
    expect(await contents()).toEqual({ taken: undefined, one: 'one', two: 'two' });
  });

  test("a failing statement of another request leaves a save's files alone", async () => {
    const beforeInsert = () => sleep(200);
    const fail = async () => {
      await sleep(50);
      await expect(items.query('SELECT nothing FROM item')).rejects.toThrow();
      await expect(items.insert({ id: 1, name: 'taken' })).rejects.toThrow();
    };
    await items.save({ id: 1, name: 'taken' });
    await Promise.all([items.save({ name: 'uploading', photo: slow('slow') }), fail()]);
    dataSource.subscribers.push({ listenTo: () => 'item', beforeInsert });
    await Promise.all([items.save({ name: 'listening', photo: attach('text') }), fail()]);
    expect(await contents()).toEqual({ taken: undefined, uploading: 'slow', listening: 'text' });
  });

  test('a cascade that the table does not have keeps the files', async () => {
    await dataSource.query('PRAGMA foreign_keys = OFF');
    const shelf = await dataSource.getRepository(SHELF).save({});
    await items.save({ name: 'item', photo: attach('text'), shelf });
    await dataSource.manager.delete(SHELF, shelf.id);
    expect(await contents()).toEqual({ item: 'text' });
  });
});

await describeWith('TypeORM with PostgreSQL', [startPostgresServer], (server) => {
  beforeEach(async () => open({ type: 'postgres', url: await server.createDatabase() }));
  defineCases();

  test('a cascade that the table does not have keeps the files', async () => {
    const [{ name }] = await dataSource.query(
      "SELECT conname AS name FROM pg_constraint WHERE contype = 'f'",
    );
    await dataSource.query(`ALTER TABLE item DROP CONSTRAINT "${name}"`);
    const shelf = await dataSource.getRepository(SHELF).save({});
    await items.save({ name: 'item', photo: attach('text'), shelf });
    await dataSource.manager.delete(SHELF, shelf.id);
    expect(await contents()).toEqual({ item: 'text' });
  });

  test('rows that come to meet the criteria of deletions leave no file', async () => {
    let isOver = false;
    const insertAll = async () => {
      for (let count = 0; count < 60; count += 1)
        await items.insert({ name: `${count}`, tag: 'x', photo: attach('x') });
      isOver = true;
    };
    const inserting = insertAll();
    while (!isOver) await items.delete({ tag: 'x' });
    await inserting;
    await items.delete({ tag: 'x' });
    expect(await contents()).toEqual({});
  });

  test('a row that a trigger keeps has its file', async () => {
    await dataSource.query(
      "CREATE FUNCTION keep() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN IF OLD.tag = 'kept' THEN RETURN NULL; END IF; RETURN OLD; END $$",
    );
    await dataSource.query('CREATE TRIGGER keep BEFORE DELETE ON item FOR EACH ROW EXECUTE FUNCTION keep()');
    await items.save(['kept', 'gone'].map((tag) => ({ name: tag, tag, photo: attach(tag) })));
    await items.createQueryBuilder().delete().execute();
    expect(await contents()).toEqual({ kept: 'kept' });
  });
});
