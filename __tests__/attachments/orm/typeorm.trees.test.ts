import { mkdtemp, readdir } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { DataSource, type DataSourceOptions, EntitySchema } from 'typeorm';
import { attach } from '../../../lib/attachments/attachment.js';
import {
  attachmentColumn,
  type TypeOrmAttachments,
  useAttachments,
} from '../../../lib/attachments/orm/typeorm.js';
import { DepotManager } from '../../../lib/depot/manager.js';
import { MemoryStorage } from '../../../lib/storages/memory.js';
import { libsql } from '../../support/attachments/typeorm.js';
import { removeFolder } from '../../support/folders.js';

type Row = Record<string, unknown>;

const FOLDER = new EntitySchema<Row>({
  name: 'folder',
  columns: { id: { type: 'integer', primary: true } },
  relations: { parent: { type: 'many-to-one', target: 'folder', onDelete: 'CASCADE' } },
});
const PAPER = new EntitySchema<Row>({
  name: 'paper',
  columns: { id: { type: 'integer', primary: true }, scan: attachmentColumn() },
  relations: { folder: { type: 'many-to-one', target: 'folder', onDelete: 'CASCADE' } },
});

let root: string;
let dataSource: DataSource;
let attachments: TypeOrmAttachments;
const storage = new MemoryStorage();

beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'filedepot-typeorm-'));
  const depot = new DepotManager();
  depot.configure('default', storage);
  const options = { type: 'better-sqlite3', driver: libsql, database: join(root, 'a.sqlite') };
  dataSource = new DataSource({
    ...options,
    entities: [FOLDER, PAPER],
    synchronize: true,
  } as DataSourceOptions);
  attachments = await useAttachments(await dataSource.initialize(), { depot });
});

afterEach(async () => {
  await attachments.close();
  await dataSource.destroy();
  await removeFolder(root);
});

async function count(): Promise<number> {
  let files = 0;
  for await (const _id of storage.list()) files += 1;
  return files;
}

describe('rows of a tree', () => {
  test('take the files below them along, however deep they are', async () => {
    const { manager } = dataSource;
    await manager.insert(FOLDER, [{ id: 1 }, { id: 2, parent: { id: 1 } }, { id: 3, parent: { id: 2 } }]);
    await manager.insert(PAPER, { id: 1, scan: attach('one'), folder: { id: 3 } });
    await manager.delete(FOLDER, 1);
    expect(await manager.count(PAPER)).toBe(0);
    expect(await count()).toBe(0);
  });

  test('may go in a circle', async () => {
    const { manager } = dataSource;
    await manager.insert(FOLDER, [{ id: 1 }, { id: 2, parent: { id: 1 } }]);
    await manager.update(FOLDER, 1, { parent: { id: 2 } });
    await manager.insert(PAPER, { id: 1, scan: attach('one'), folder: { id: 2 } });
    await manager.delete(FOLDER, 1);
    expect(await manager.count(PAPER)).toBe(0);
    expect(await count()).toBe(0);
  });
});

test('two databases in one folder keep their announcements apart', async () => {
  await dataSource.manager.insert(PAPER, { id: 1, scan: attach('one') });
  expect(await readdir(root)).toContain('a.sqlite.depot-intents');
  await dataSource.manager.delete(PAPER, 1);
});
