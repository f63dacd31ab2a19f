import { randomUUID } from 'node:crypto';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import mongoose, { type Connection, Schema } from 'mongoose';
import { attach } from '../../../lib/attachments/attachment.js';
import { type MongooseAttachments, useAttachments } from '../../../lib/attachments/orm/mongoose.js';
import { DepotManager } from '../../../lib/depot/manager.js';
import { MemoryStorage } from '../../../lib/storages/memory.js';
import { describeWith, startMongoServer } from '../../support/servers/index.js';

/** More of them: `DEPOT_TEST_TRANSACTIONS=1000`. */
const TRANSACTIONS = Number(process.env.DEPOT_TEST_TRANSACTIONS ?? 150);

await describeWith('mongoose, in parallel', [startMongoServer], (server) => {
  let connection: Connection;
  let storage: MemoryStorage;
  let attachments: MongooseAttachments;
  const unhandled: unknown[] = [];
  const note = (error: unknown) => unhandled.push(error);

  beforeEach(async () => {
    process.on('unhandledRejection', note);
    connection = await mongoose.createConnection(server.url, { dbName: `p-${randomUUID()}` }).asPromise();
    storage = new MemoryStorage();
    const depot = new DepotManager();
    depot.configure('default', storage);
    attachments = useAttachments(connection, { depot, onError: note });
  });

  afterEach(async () => {
    process.off('unhandledRejection', note);
    await attachments.close();
    await connection.dropDatabase();
    await connection.close();
  });

  test(`${TRANSACTIONS} transactions at once, a third rolled back: files are those of the rows`, async () => {
    const { attachment } = attachments;
    const Item = connection.model('Item', Schema.create({ name: String, photo: attachment() }));
    const Shared = connection.model('Shared', Schema.create({ photo: attachment(), pages: [attachment()] }));
    const content = () => attach(Buffer.from(randomUUID()));
    const numbers = [...Array(TRANSACTIONS).keys()];
    const items = await Item.insertMany(numbers.map((number) => ({ name: `${number}`, photo: content() })));
    const shared = await Shared.insertMany(
      numbers.slice(0, TRANSACTIONS / 10).map(() => ({ photo: content() })),
    );

    const run = (number: number) =>
      connection.transaction(async (session) => {
        const item = await Item.findById(items[number]?.id).session(session).orFail();
        await Item.create([{ name: 'new', photo: content() }], { session });
        if (number % 4 === 0) await item.deleteOne();
        else await item.set({ photo: content() }).save();
        // Few rows for many: most must try again.
        const filter = { _id: String(shared[number % shared.length]?.id) };
        if (number % 5 === 0) await Shared.updateOne(filter, { photo: content() }, { session });
        if (number % 5 === 1) await Shared.updateOne(filter, { $push: { pages: content() } }, { session });
        if (number % 3 === 0) throw new Error('undone');
      });
    const results = await Promise.allSettled(numbers.map(run));

    const failures = results.flatMap((result) =>
      result.status === 'rejected' ? [result.reason.message] : [],
    );
    expect(failures).toEqual(numbers.filter((number) => number % 3 === 0).map(() => 'undone'));
    await attachments.idle();
    const rows = [...(await Item.find()), ...(await Shared.find())];
    const referenced = rows.flatMap((row) => [
      ...(row.photo?.files ?? []),
      ...('pages' in row ? row.pages.flatMap(({ files }) => files) : []),
    ]);
    const files: string[] = [];
    for await (const id of storage.list()) files.push(`default/${id}`);
    expect(files.sort()).toEqual(referenced.sort());
    expect(files.length).toBeGreaterThan(TRANSACTIONS);
    const notes = connection.collection('depot_intents');
    expect(await notes.find({ state: { $ne: 'places' } }).toArray()).toEqual([]);
    expect(unhandled).toEqual([]);
  }, 120_000);
});
