import { createSocket } from 'node:dgram';
import { getServers, setServers } from 'node:dns';
import { once } from 'node:events';
import { PassThrough, Readable } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import { afterAll, afterEach, beforeAll, describe, expect, test } from '@jest/globals';
import { MongoClient, ObjectId, type ReadConcernLevel } from 'mongodb';
import type { DepotError } from '../../lib/errors.js';
import { Database } from '../../lib/storages/gridfs/database.js';
import { Intents } from '../../lib/storages/gridfs/intents.js';
import { GridFSStorage } from '../../lib/storages/gridfs.js';
import { FaultProxy } from '../support/fault-proxy.js';
import { leftoversOf, startMongoDatabase, type TestDatabase } from '../support/gridfs.js';
import { describeWith } from '../support/servers/index.js';
import { until } from '../support/until.js';

const CHUNK = 255 * 1024;
const LARGE = Buffer.alloc(40 * CHUNK + 1, 'old ');
const OTHER = Buffer.alloc(40 * CHUNK + 1, 'new ');

/** More than fits a transaction. */
const HUGE = Buffer.alloc(70 * 1024 * 1024, 'huge');

/** Flags of a DNS answer (RFC 1035 section 4.1.1): NXDOMAIN. */
const NO_SUCH_NAME = 0x8183;

/** An hour ago, by the server's clock: as if its writer had gone then. */
const AGED = [{ $set: { at: { $subtract: ['$$NOW', 3_600_000] } } }];

for (const replicaSet of [true, false]) {
  const kind = replicaSet ? 'a replica set' : 'a single server';
  await describeWith(`GridFS on ${kind}`, [() => startMongoDatabase({ replicaSet })], (database) => {
    const { db } = database;
    const storage = new GridFSStorage({ db });
    afterAll(() => storage.close());

    const count = (name: string, filter = {}) => db.collection(`filedepot.${name}`).countDocuments(filter);

    /** Sweeps as another process does at its start. */
    async function sweep(): Promise<void> {
      await new Intents(new Database({ db }, 'filedepot')).sweep();
    }

    async function ageIntents(): Promise<void> {
      await db.collection('filedepot.intents').updateMany({}, AGED);
    }

    // A single server refuses the others, also to `check`.
    const levels = ['local', 'available', 'majority', ...(replicaSet ? ['linearizable', 'snapshot'] : [])];
    test.each(levels as ReadConcernLevel[])('a client whose read concern is %s', async (level) => {
      const client = new MongoClient(database.server.url, { readConcern: { level } });
      const own = new GridFSStorage({ client, database: db.databaseName });
      for (const [first, second] of [
        ['small', LARGE],
        [LARGE, 'small'],
      ] as const) {
        const id = await own.create(first);
        await own.replace(id, second);
        expect((await (await own.get(id)).buffer()).equals(Buffer.from(second))).toBe(true);
        expect(await Readable.from(own.list()).toArray()).toEqual([id]);
        await own.delete(id);
      }
      expect(await leftoversOf(db)).toEqual([]);
      await client.close();
    });

    describe('what a crash leaves', () => {
      test('an upload that is alive is left alone; one that was abandoned is swept, and cannot be committed', async () => {
        const staged = await storage.stage(LARGE);
        await sweep();
        expect(await count('chunks')).toBe(41);
        await ageIntents();
        await sweep();
        expect(await leftoversOf(db)).toEqual([]);
        await expect(staged.commit()).rejects.toMatchObject({ code: 'CONFLICT' });
        expect(await leftoversOf(db)).toEqual([]);
      });

      test('a note that cannot be settled keeps nobody from the others', async () => {
        const intents = db.collection('filedepot.intents');
        const { insertedId: _id } = await intents.insertOne({ at: new Date(0), contents: 'of another kind' });
        await storage.stage(LARGE);
        await ageIntents();
        await sweep();
        expect(await leftoversOf(db)).toEqual([`intent ${_id}`]);
        await intents.deleteOne({ _id });
      });

      test('a storage sweeps when it is first written to', async () => {
        await storage.stage(LARGE);
        await ageIntents();
        const another = new GridFSStorage({ db });
        await another.delete(await another.create('x'));
        await until(async () => (await leftoversOf(db)).length === 0, 'the sweep');
        await another.close();
      });

      test('between the files document and the end of the note: the file stays', async () => {
        const id = await storage.create(LARGE);
        const fileId = new ObjectId(id);
        await db
          .collection('filedepot.intents')
          .insertOne({ _id: fileId, fileId, contents: [fileId], at: new Date(0) });
        await sweep();
        expect(await leftoversOf(db)).toEqual([]);
        expect((await (await storage.get(id)).buffer()).equals(LARGE)).toBe(true);
        await storage.delete(id);
      });

      test('in the midst of a replacement in steps: readers see the new content, and the sweep ends it', async () => {
        const id = await storage.create(LARGE);
        const [fileId, revision] = [new ObjectId(id), new ObjectId()];
        const chunks = await db.collection('filedepot.chunks').find({ files_id: fileId }).toArray();
        await db.collection('filedepot.chunks').insertMany(
          chunks.map(({ n, data }) => ({
            files_id: revision,
            n,
            data: Buffer.from(OTHER.subarray(n * CHUNK, n * CHUNK + data.length())),
            revision,
          })),
        );
        await db
          .collection('filedepot.intents')
          .insertOne({ _id: revision, fileId, contents: [fileId, revision], at: new Date(0) });
        const update = { $set: { 'metadata.depot.revision': revision } };
        await db.collection('filedepot.files').updateOne({ _id: fileId }, update);
        expect((await (await storage.get(id)).buffer()).equals(OTHER)).toBe(true);
        const file = await storage.get(id);
        const [, bytes] = await Promise.all([sweep(), file.buffer()]);
        expect(bytes.equals(OTHER)).toBe(true);
        expect((await file.buffer()).equals(OTHER)).toBe(true);
        expect(await leftoversOf(db)).toEqual([]);
        expect(await count('chunks', { files_id: fileId })).toBe(41);
        await storage.delete(id);
      });
    });

    test('a large file is replaced while readers see all old or all new', async () => {
      const id = await storage.create(HUGE);
      const after = Buffer.alloc(HUGE.byteLength, 'other');
      let running = true;
      const outcomes = new Set<string>();
      const read = async () => {
        while (running) {
          const file = await storage.get(id);
          const first = await buffer(file.stream({ end: 4 * CHUNK })).catch(
            (error: DepotError) => error.code,
          );
          const expected = file.size === HUGE.byteLength ? [HUGE, after] : [];
          const isWhole = expected.some(
            (each) => typeof first !== 'string' && each.subarray(0, first.length).equals(first),
          );
          outcomes.add(typeof first === 'string' ? first : isWhole ? 'whole' : 'mixed');
        }
      };
      const readers = [read(), read()];
      await storage.replace(id, after);
      running = false;
      await Promise.all(readers);
      outcomes.delete('CONFLICT');
      expect([...outcomes]).toEqual(['whole']);
      expect((await (await storage.get(id)).buffer()).equals(after)).toBe(true);
      expect(await leftoversOf(db)).toEqual([]);
      expect(await count('chunks')).toBe(Math.ceil(HUGE.byteLength / CHUNK));
      await storage.delete(id);
      expect(await count('chunks')).toBe(0);
    });

    describeNetwork(database);

    test('goes on after the server was restarted', async () => {
      const { server, db } = database;
      if (!server.isOwn) return;
      const own = new GridFSStorage({ uri: server.url, database: db.databaseName });
      const id = await own.create(LARGE);
      await server.restart();
      expect((await (await own.get(id)).buffer()).equals(LARGE)).toBe(true);
      await own.replace(id, 'after the restart');
      expect(await (await own.get(id)).text()).toBe('after the restart');
      await own.delete(id);
      await own.close();
    });
  });
}

/** A network that fails between us and the server. */
function describeNetwork({ server, db }: TestDatabase): void {
  describe('a network with faults', () => {
    const TIMEOUTS =
      'serverSelectionTimeoutMS=2000&connectTimeoutMS=1000&socketTimeoutMS=1000&waitQueueTimeoutMS=2000';
    const ends: (() => Promise<void>)[] = [];
    afterEach(async () => {
      for (const end of ends.splice(0).reverse()) await end();
    });

    async function openFaulty() {
      const proxy = await FaultProxy.start(server.directUrl);
      const uri = `${proxy.url}&${TIMEOUTS}`;
      const storage = new GridFSStorage({ uri, database: db.databaseName });
      ends.push(
        () => proxy.stop(),
        () => storage.close(),
      );
      await storage.check();
      return { proxy, storage };
    }

    const underWay = () => [{ $currentOp: {} }, { $match: { ns: { $regex: `^${db.databaseName}\\.` } } }];

    /** What was under way arrives; then it is swept, as if its writer had died. */
    async function sweepLater({ proxy, storage }: Awaited<ReturnType<typeof openFaulty>>): Promise<void> {
      await storage.close();
      await until(() => proxy.openConnections === 0, 'the end of all connections');
      const admin = db.client.db('admin');
      await until(async () => !(await admin.aggregate(underWay()).hasNext()), 'what the server does');
      await until(async () => {
        await db.collection('filedepot.intents').updateMany({}, AGED);
        await new Intents(new Database({ db }, 'filedepot')).sweep();
        return (await leftoversOf(db)).length === 0;
      }, 'a sweep that leaves nothing');
    }

    async function expectWholeOrUnavailable(storage: GridFSStorage, outcome: string | DepotError) {
      if (typeof outcome !== 'string') return expect(outcome).toMatchObject({ code: 'STORAGE_UNAVAILABLE' });
      expect((await (await storage.get(outcome)).buffer()).equals(LARGE)).toBe(true);
      await storage.delete(outcome);
    }

    test.each(['reset', 'stall', 'truncate'] as const)(
      '%s while content is sent: an error in bounded time, or success; nothing is left',
      async (kind) => {
        for (const after of [0, 500, 100_000, 3_000_000]) {
          const { proxy, storage } = await openFaulty();
          const before = await db.collection('filedepot.files').countDocuments();
          proxy.set({ cut: { kind, direction: 'request', after } });
          const start = performance.now();
          const outcome = await storage.create(LARGE).catch((error: DepotError) => error);
          expect(performance.now() - start).toBeLessThan(15_000);
          proxy.clear();
          await expectWholeOrUnavailable(storage, outcome);
          await storage.delete(await storage.create('works again'));
          await sweepLater({ proxy, storage });
          expect(await leftoversOf(db)).toEqual([]);
          expect(await db.collection('filedepot.files').countDocuments()).toBe(before);
        }
      },
      60_000,
    );

    test.each(['reset', 'stall', 'truncate'] as const)(
      '%s once is made good or told, and the next upload works',
      async (kind) => {
        const { proxy, storage } = await openFaulty();
        proxy.set({ cut: { kind, direction: 'response', after: 100, times: 1 } });
        const outcome = await storage.create(LARGE).catch((error: DepotError) => error);
        proxy.clear();
        await expectWholeOrUnavailable(storage, outcome);
        await storage.delete(await storage.create(LARGE));
        await sweepLater({ proxy, storage });
        expect(await leftoversOf(db)).toEqual([]);
      },
    );

    test.each(['reset', 'stall', 'truncate'] as const)(
      '%s while content is read: the whole content or an error, never a part',
      async (kind) => {
        const { proxy, storage } = await openFaulty();
        const id = await storage.create(LARGE);
        for (const after of [0, 1000, 1_000_000]) {
          const file = await storage.get(id);
          proxy.set({ cut: { kind, direction: 'response', after } });
          const start = performance.now();
          await expect(file.buffer()).rejects.toMatchObject({ code: 'STORAGE_UNAVAILABLE' });
          expect(performance.now() - start).toBeLessThan(10_000);
          proxy.clear();
          expect((await file.buffer()).equals(LARGE)).toBe(true);
        }
        await storage.delete(id);
      },
      60_000,
    );

    test('a new file whose answer is lost: told as a failure, and gone when the server is there again', async () => {
      const { proxy, storage } = await openFaulty();
      const files = db.collection('filedepot.files');
      const before = await files.countDocuments();
      // The first sweep is over then: nothing but the commit meets the fault.
      await storage.delete(await storage.create('x'));
      const staged = await storage.stage('');
      proxy.set({ cut: { kind: 'reset', direction: 'response', after: 0 } });
      await expect(staged.commit()).rejects.toMatchObject({ code: 'STORAGE_UNAVAILABLE' });
      proxy.clear();
      expect(await files.countDocuments()).toBe(before + 1);
      await storage.delete(await storage.create('the next one'));
      await until(async () => (await files.countDocuments()) === before, 'the file to be gone');
      await sweepLater({ proxy, storage });
    });

    test.each([
      ['small', LARGE.subarray(0, 5000)],
      ['large', LARGE],
    ])(
      'what arrives late of a new file leaves nothing: %s',
      async (_size, content) => {
        const files = db.collection('filedepot.files');
        const before = await files.countDocuments();
        for (const after of [0, 400, 600, 800, 1000, 1200, 1400, 3000]) {
          const { proxy, storage } = await openFaulty();
          const staged = await storage.stage(content);
          proxy.set({ cut: { kind: 'stall', direction: 'request', after, times: 1 } });
          const id = await staged.commit().catch(() => undefined);
          proxy.clear();
          if (id) {
            expect((await (await storage.get(id)).buffer()).equals(content)).toBe(true);
            await storage.delete(id);
          }
          await sweepLater({ proxy, storage });
          expect(await files.countDocuments()).toBe(before);
        }
      },
      60_000,
    );

    test('what arrives late of a replacement: all old or all new', async () => {
      for (const after of [0, 400, 600, 800, 1200]) {
        const { proxy, storage: faulty } = await openFaulty();
        const storage = new GridFSStorage({ db });
        const id = await storage.create(LARGE);
        const staged = await faulty.stage(OTHER);
        proxy.set({ cut: { kind: 'stall', direction: 'request', after, times: 1 } });
        await staged.replace(id).catch(() => undefined);
        proxy.clear();
        await sweepLater({ proxy, storage: faulty });
        const content = await (await storage.get(id)).buffer();
        expect([LARGE, OTHER].some((each) => each.equals(content))).toBe(true);
        await storage.delete(id);
        await storage.close();
      }
    }, 60_000);

    test('connections that are reset all the time: whole or unavailable, and none twice', async () => {
      const { proxy, storage } = await openFaulty();
      const files = db.collection('filedepot.files');
      const before = await files.countDocuments();
      const contents = [LARGE.subarray(0, 5000), LARGE.subarray(0, 2_500_000), LARGE.subarray(0, 5000)];
      const resetting = setInterval(() => proxy.dropConnections(), 25);
      const end = performance.now() + 3000;
      const ids: string[] = [];
      for (let number = 0; number < 10 || performance.now() < end; number++) {
        const outcome = await storage
          .create(contents[number % 3] as Buffer)
          .catch((error: DepotError) => error);
        if (typeof outcome === 'string') ids.push(outcome);
        else expect(outcome).toMatchObject({ name: 'DepotError', code: 'STORAGE_UNAVAILABLE' });
      }
      clearInterval(resetting);
      const works = () =>
        storage.check().then(
          () => true,
          () => false,
        );
      await until(works, 'the network');
      for (const id of ids) {
        const bytes = await (await storage.get(id)).buffer();
        expect(contents.some((content) => content.equals(bytes))).toBe(true);
      }
      await storage.delete(await storage.create('the next one'));
      await until(async () => (await files.countDocuments()) === before + ids.length, 'files to be gone');
      for (const id of ids) await storage.delete(id);
      await sweepLater({ proxy, storage });
      expect(await leftoversOf(db)).toEqual([]);
    }, 120_000);

    test('whoever gives up an upload while the server is silent, gets an answer', async () => {
      const { proxy, storage } = await openFaulty();
      const controller = new AbortController();
      const source = new PassThrough();
      proxy.set({ cut: { kind: 'stall', direction: 'request', after: 0 } });
      const act = storage.create(source, { signal: controller.signal });
      source.write(LARGE);
      setTimeout(() => controller.abort(new Error('enough')), 50);
      await expect(act).rejects.toThrow();
      proxy.clear();
      await sweepLater({ proxy, storage });
      expect(await leftoversOf(db)).toEqual([]);
    });
  });
}

await describeWith('GridFS, set up wrongly', [startMongoDatabase], ({ server }) => {
  /** A name service of our own, which knows no name. */
  const names = createSocket('udp4', (question, { port, address }) => {
    const answer = Buffer.from(question);
    answer.writeUInt16BE(NO_SUCH_NAME, 2);
    names.send(answer, port, address);
  });
  const servers = getServers();

  beforeAll(async () => {
    names.bind(0, '127.0.0.1');
    await once(names, 'listening');
    setServers([`127.0.0.1:${names.address().port}`]);
  });

  afterAll(() => {
    setServers(servers);
    names.close();
  });

  test.each([
    [
      'nobody listens',
      'mongodb://127.0.0.1:9/x?serverSelectionTimeoutMS=300',
      'STORAGE_UNAVAILABLE',
      /ECONNREFUSED/,
    ],
    [
      'no such host',
      // With a part longer than names have: nobody is asked for it.
      `mongodb://nowhere.${'x'.repeat(64)}.invalid/x?serverSelectionTimeoutMS=300`,
      'STORAGE_UNAVAILABLE',
      /nowhere/,
    ],
    ['no such record', 'mongodb+srv://nowhere.invalid.example/x', 'STORAGE_UNAVAILABLE', /nowhere/],
    ['an option that is none', 'mongodb://127.0.0.1/x?replicaSett=a', 'INVALID_OPTION', /replicasett/i],
    [
      'a wrong password',
      'mongodb://user:secret@HOST/x',
      'STORAGE_LOGIN_FAILED',
      /check the user name, the password/,
    ],
    [
      'another replica set',
      'mongodb://HOST/x?replicaSet=other&serverSelectionTimeoutMS=300',
      'STORAGE_UNAVAILABLE',
      /replicaSet/,
    ],
  ])('%s', async (_name, uri, code, message) => {
    const storage = new GridFSStorage({ uri: uri.replace('HOST', new URL(server.url).host) });
    for (const act of [() => storage.check(), () => storage.create('x')]) {
      const error = await act().then(
        () => undefined,
        (reason: DepotError) => reason,
      );
      expect(error).toMatchObject({ code });
      expect(error?.message).toMatch(message);
      expect(error?.message).not.toContain('secret');
    }
    await storage.close();
    await expect(storage.get(new ObjectId().toHexString())).rejects.toMatchObject({
      code: expect.any(String),
    });
  });

  test('what is closed while it is opened, opens no connection any more', async () => {
    const storage = new GridFSStorage({ uri: server.url, database: 'x' });
    const act = storage.exists(new ObjectId().toHexString());
    await storage.close();
    await expect(act).rejects.toMatchObject({ code: 'STORAGE_UNAVAILABLE' });
  });
});
