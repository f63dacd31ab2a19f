import { buffer } from 'node:stream/consumers';
import { afterAll, expect, test } from '@jest/globals';
import { type CommandStartedEvent, ReadConcern } from 'mongodb';
import { GridFSStorage } from '../../lib/storages/gridfs.js';
import { leftoversOf, startMongoDatabase } from '../support/gridfs.js';
import { describeWith } from '../support/servers/index.js';

const MEGABYTE = 1024 * 1024;

await describeWith(
  'small files that are created at once in GridFS',
  [() => startMongoDatabase({ replicaSet: true })],
  ({ db, client }) => {
    const storage = new GridFSStorage({ db });
    afterAll(() => storage.close());

    /** The names of the commands that an act sends. */
    async function commandsOf(act: () => Promise<unknown>): Promise<string[]> {
      const names: string[] = [];
      const note = ({ commandName }: CommandStartedEvent) => names.push(commandName);
      client.on('commandStarted', note);
      await act();
      client.off('commandStarted', note);
      return names;
    }

    const createAll = (contents: readonly Buffer[]) =>
      Promise.all(contents.map((content) => storage.create(content)));

    async function expectContents(ids: readonly string[], contents: readonly Buffer[]): Promise<void> {
      for (const [index, id] of ids.entries()) {
        const file = await storage.get(id);
        expect((await buffer(file.stream())).equals(contents[index] as Buffer)).toBe(true);
      }
    }

    test('share transactions', async () => {
      const contents = Array.from({ length: 20 }, (_, index) => Buffer.alloc(1000 + index, index));
      let ids: string[] = [];
      const commands = await commandsOf(async () => {
        ids = await createAll(contents);
      });
      expect(commands.filter((name) => name === 'commitTransaction').length).toBeLessThan(10);
      await expectContents(ids, contents);
    });

    test.each(['linearizable', 'majority'] as const)('may have a client that reads %s', async (level) => {
      const own = new GridFSStorage({
        db: client.db(db.databaseName, { readConcern: new ReadConcern(level) }),
      });
      const id = await own.create('x');
      expect(await (await own.get(id)).text()).toBe('x');
      await own.replace(id, 'y');
      await own.delete(id);
      await own.close();
    });

    test('do not fail with one that exists already', async () => {
      const id = await storage.create(Buffer.from('old'));
      const creations = Array.from({ length: 8 }, (_, index) =>
        storage.create(Buffer.from(`new ${index}`), index === 3 ? { id } : {}),
      );
      const results = await Promise.allSettled(creations);
      expect(results.map(({ status }) => status)).toEqual(
        results.map((_, index) => (index === 3 ? 'rejected' : 'fulfilled')),
      );
      expect(results[3]).toMatchObject({ reason: { code: 'FILE_EXISTS' } });
      await expectContents([id], [Buffer.from('old')]);
      expect(await leftoversOf(db)).toEqual([]);
    });

    test('make several transactions where they are much together', async () => {
      const contents = Array.from({ length: 12 }, (_, index) => Buffer.alloc(2 * MEGABYTE - index, index));
      await expectContents(await createAll(contents), contents);
      expect(await leftoversOf(db)).toEqual([]);
    });
  },
);
