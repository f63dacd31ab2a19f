import { randomUUID } from 'node:crypto';
import { Readable } from 'node:stream';
import { setTimeout as delay } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import mongoose, { type Connection, Schema } from 'mongoose';
import { Attachment, attach } from '../../../lib/attachments/attachment.js';
import type { AttachmentFilter } from '../../../lib/attachments/filters.js';
import {
  MongoJournal,
  type MongooseAttachments,
  useAttachments,
} from '../../../lib/attachments/orm/mongoose.js';
import { DepotManager } from '../../../lib/depot/manager.js';
import { MemoryStorage } from '../../../lib/storages/memory.js';
import { describeWith, startMongoServer } from '../../support/servers/index.js';

/** Adds a file, as thumbnails do. */
const thumb: AttachmentFilter = {
  apply: async ({ addFile, source }) => {
    await addFile('thumb', (await source.buffer()).subarray(0, 3));
  },
};

const bytes = (text: string) => Buffer.from(text);

await describeWith('mongoose', [startMongoServer], (server) => {
  let connection: Connection;
  let depot: DepotManager;
  let attachments: MongooseAttachments;
  let errors: unknown[];

  beforeEach(async () => {
    connection = await mongoose.createConnection(server.url, { dbName: `m-${randomUUID()}` }).asPromise();
    depot = new DepotManager();
    depot.configure('default', { backend: 'memory' });
    depot.configure('photos', { backend: 'memory' });
    errors = [];
    attachments = useAttachments(connection, { depot, onError: (error) => errors.push(error) });
  });

  afterEach(async () => {
    await attachments.close();
    await connection.dropDatabase();
    await connection.close();
    expect(errors).toEqual([]);
  });

  function productModel() {
    const { attachment } = attachments;
    const schema = Schema.create({
      name: { type: String, unique: true },
      photo: attachment({ storage: 'photos', filters: [thumb] }),
      manual: attachment(),
      pictures: [attachment()],
      parts: [{ label: String, scan: attachment() }],
      maker: { name: String, logo: attachment() },
      seal: Schema.create({ picture: attachment() }, { _id: false }),
      languages: { type: Map, of: attachment() },
      shots: { type: Map, of: Schema.create({ file: attachment() }) },
    });
    return connection.model('Product', schema);
  }

  async function files(): Promise<string[]> {
    const lists = await Promise.all(
      ['default', 'photos'].map(async (name) =>
        (await Readable.from(depot.get(name).list()).toArray()).map((id) => `${name}/${id}`),
      ),
    );
    return lists.flat().sort();
  }

  /** Paths of all files that rows refer to, found without the adapter. */
  async function referenced(): Promise<string[]> {
    const paths = new Set<string>();
    const walk = (value: unknown): void => {
      if (typeof value !== 'object' || value === null) return;
      if ('files' in value && Array.isArray(value.files)) for (const path of value.files) paths.add(path);
      for (const part of Object.values(value)) walk(part);
    };
    for (const { name } of await connection.listCollections())
      if (name !== 'depot_intents') for await (const row of connection.collection(name).find()) walk(row);
    return [...paths].sort();
  }

  async function expectExact(count: number): Promise<void> {
    await attachments.idle();
    expect(await files()).toEqual(await referenced());
    expect((await files()).length).toBe(count);
    const notes = await connection
      .collection('depot_intents')
      .find({ state: { $in: ['upload', 'delete', 'kept'] } })
      .toArray();
    expect(notes).toEqual([]);
  }

  describe('documents', () => {
    test.each(['photo.files', 'photo.files.0', 'maker.logo.path', 'pictures.0.files', 'seal.picture.path'])(
      'are not reached into by an update: %s',
      async (name) => {
        const Product = productModel();
        const files = { photo: attach(bytes('1')), maker: { logo: attach(bytes('2')) } };
        const others = { pictures: [attach(bytes('3'))], seal: { picture: attach(bytes('4')) } };
        await Product.create({ name: 'a', ...files, ...others });
        const other = await Product.create({ name: 'b', manual: attach(bytes('5')) });
        const { path } = other.manual as Attachment;
        const value = name.endsWith('files') ? [path] : path;
        for (const strict of [true, false]) {
          await Product.updateOne({ name: 'a' }, { [name]: value }, { strict }).catch(() => {});
          const update = { $set: { [name]: value } };
          await Product.findOneAndUpdate({ name: 'a' }, update, { strict }).catch(() => {});
        }
        const found = await Product.findOne({ name: 'a' }).orFail();
        try {
          await found.set({ [name]: value }).save();
        } catch {
          // Refused by mongoose, or by the attachment itself.
        }
        await expectExact(6);
        await Product.deleteOne({ name: 'a' });
        await expectExact(1);
      },
    );

    test('are written as a whole only', async () => {
      const Product = productModel();
      const unset = Product.collection.updateOne({}, { $unset: { 'languages.en.path': 1 } });
      await expect(unset).rejects.toMatchObject({ code: 'ATTACHMENT_UNSUPPORTED' });
    });

    test('are saved with all their attachments, wherever these lie', async () => {
      const Product = productModel();
      const product = new Product({
        name: 'lamp',
        photo: attach(bytes('photo'), { filename: 'photo.png' }),
        manual: attach(bytes('manual')),
        pictures: [attach(bytes('one')), attach(bytes('two'))],
        parts: [{ label: 'cable', scan: attach(bytes('scan')) }, { label: 'bulb' }],
        maker: { name: 'ACME', logo: attach(bytes('logo')) },
        seal: { picture: attach(bytes('seal')) },
        languages: { en: attach(bytes('english')) },
        shots: { front: { file: attach(bytes('front')) } },
      });
      expect(product.photo?.isStored).toBe(false);
      await product.save();
      const loaded = await Product.findOne({ name: 'lamp' }).orFail();
      for (const document of [product, loaded]) {
        expect(document.photo).toBeInstanceOf(Attachment);
        expect(document.photo?.filename).toBe('photo.png');
        expect(document.photo?.url()).toMatch(/^\/depot\/photos\//);
        expect(document.photo?.thumbUrl()).toMatch(/^\/depot\/photos\//);
        expect(String(await document.pictures[1]?.buffer())).toBe('two');
        expect(String(await document.parts[0]?.scan?.buffer())).toBe('scan');
        expect(String(await document.maker?.logo?.buffer())).toBe('logo');
        expect(String(await document.seal?.picture?.buffer())).toBe('seal');
        expect(String(await document.languages?.get('en')?.buffer())).toBe('english');
        expect(String(await (document.get('shots.front.file') as Attachment).buffer())).toBe('front');
      }
      expect(JSON.parse(JSON.stringify(product)).photo).toEqual(loaded.photo?.data);
      expect(product.modifiedPaths()).toEqual([]);
      await expectExact(10);
      await loaded.deleteOne();
      await expectExact(0);
    });

    test('replace, remove and reorder', async () => {
      const Product = productModel();
      const product = await Product.create({
        name: 'lamp',
        photo: attach(bytes('photo')),
        pictures: [attach(bytes('one')), attach(bytes('two')), attach(bytes('three'))],
        parts: [{ scan: attach(bytes('a')) }, { scan: attach(bytes('b')) }],
      });
      await expectExact(7);
      product.photo = attach(bytes('other'));
      product.pictures.reverse();
      await product.save();
      expect(String(await product.photo.buffer())).toBe('other');
      await expectExact(7);
      product.pictures.splice(1, 1);
      product.parts[0]?.set({ scan: null });
      await product.save();
      await expectExact(5);
      product.parts.reverse();
      product.pictures.push(attach(bytes('four')));
      await product.save();
      await expectExact(6);
      const loaded = await Product.findById(product.id).orFail();
      expect(await Promise.all(loaded.pictures.map(async (one) => String(await one.buffer())))).toEqual([
        'three',
        'one',
        'four',
      ]);
      expect(String(await loaded.parts[0]?.scan?.buffer())).toBe('b');
      loaded.set({ photo: undefined, pictures: [], parts: [] });
      await loaded.save();
      await expectExact(0);
    });

    test('lose what is pulled out of a list', async () => {
      const Product = productModel();
      const pictures = ['one', 'two', 'three', 'four'].map((text) => attach(bytes(text)));
      const product = await Product.create({ name: 'lamp', pictures });
      product.pictures.pull(product.pictures[0]);
      await product.save();
      expect(product.pictures).toHaveLength(3);
      await expectExact(3);
      const [, , four] = (await Product.findById(product.id).orFail()).pictures;
      await Product.updateOne({ _id: product.id }, { $pull: { pictures: four } });
      await expectExact(2);
      const found = await Product.findById(product.id).orFail();
      await Product.updateOne({ _id: product.id }, { $pullAll: { pictures: [found.pictures[1]] } });
      await expectExact(1);
      const { pictures: left } = await Product.findById(product.id).orFail();
      expect(String(await left[0]?.buffer())).toBe('two');
      await Product.updateOne({ name: 'none' }, { $pull: { pictures: left[0] } });
      await expectExact(1);
    });

    test('share nothing with another row, whatever they are given', async () => {
      const Product = productModel();
      const content = attach(bytes('photo'));
      const [one, two] = await Product.create([
        { name: 'one', photo: content },
        { name: 'two', photo: content },
      ]);
      await expectExact(4);
      const three = await Product.create({ name: 'three', photo: one?.photo });
      await expectExact(6);
      await one?.deleteOne();
      await expectExact(4);
      expect(String(await three.photo?.buffer())).toBe('photo');
      expect(String(await two?.photo?.buffer())).toBe('photo');
      three.manual = three.photo ?? null;
      await three.save();
      await expectExact(5);
      three.photo = null;
      await three.save();
      await expectExact(3);
      expect(String(await three.manual?.buffer())).toBe('photo');
      await Product.deleteMany();
      await expectExact(0);
    });

    test('take raw content, and refuse what a client could have sent', async () => {
      const Product = productModel();
      const product = new Product({ name: 'lamp' });
      product.set({ photo: bytes('photo'), manual: Readable.from([bytes('manual')]) });
      await product.save();
      await expectExact(3);
      for (const forged of ['text', { path: '/etc/passwd' }, product.photo?.data]) {
        const { errors } = await new Product({ name: 'forged', photo: forged } as object)
          .validate()
          .catch((e) => e);
        expect(errors.photo.reason).toMatchObject({ code: 'INVALID_CONTENT' });
      }
      await Product.deleteOne({ name: 'lamp' });
      await expectExact(0);
    });

    test('that fail leave nothing, and can be saved again', async () => {
      const Product = productModel();
      await Product.init();
      await Product.create({ name: 'lamp' });
      const product = new Product({ name: 'lamp', photo: attach(bytes('photo')) });
      await expect(product.save()).rejects.toMatchObject({ code: 11000 });
      await expectExact(0);
      product.name = 'other lamp';
      await product.save();
      expect(product.photo?.isStored).toBe(true);
      await expectExact(2);
    });

    test('that are clones show what their own row has', async () => {
      const Product = productModel();
      const original = await Product.create({
        name: 'a',
        photo: attach(bytes('photo')),
        pictures: [attach(bytes('one'))],
        parts: [{ label: 'cable', scan: attach(bytes('scan')) }],
        seal: { picture: attach(bytes('seal')) },
        languages: { en: attach(bytes('english')) },
        shots: { front: { file: attach(bytes('front')) } },
      });
      const clone = original.$clone();
      expect(clone.photo?.path).toBe(original.photo?.path);
      const other = clone.$clone().set({ name: 'b', photo: attach(bytes('other')) });
      for (const one of [clone, other]) one.isNew = true;
      await clone.set({ _id: new mongoose.Types.ObjectId(), name: 'c' }).save();
      const copy = other.set({ _id: new mongoose.Types.ObjectId() }).$clone();
      await other.save();
      await copy.set({ _id: new mongoose.Types.ObjectId(), name: 'd' }).save();
      await expectExact(4 * 7);
      for (const document of [original, clone, other, copy]) {
        const found = await Product.findById(document.id).orFail();
        expect(JSON.parse(JSON.stringify(document))).toEqual(JSON.parse(JSON.stringify(found)));
      }
      await original.deleteOne();
      expect(String(await clone.photo?.buffer())).toBe('photo');
      expect(String(await copy.photo?.buffer())).toBe('other');
      expect(String(await clone.parts[0]?.scan?.buffer())).toBe('scan');
      clone.photo = attach(bytes('new'));
      await clone.save();
      expect(String(await clone.photo.buffer())).toBe('new');
      await expectExact(3 * 7);
    });

    test('whose row has changed meanwhile are pending, and can be saved again', async () => {
      const { attachment } = attachments;
      const schema = Schema.create({ name: String, photo: attachment(), pages: [attachment()] });
      schema.set('optimisticConcurrency', true);
      const Report = connection.model('Report', schema);
      const report = await Report.create({ name: 'a', photo: attach(bytes('1')) });
      const late = await Report.findById(report.id).orFail();
      await report.set({ name: 'b' }).save();
      late.photo = attach(bytes('2'));
      late.pages.push(attach(bytes('3')));
      await expect(late.save()).rejects.toThrow(mongoose.Error.VersionError);
      await connection.transaction(async (session) => {
        await expect(late.save({ session })).rejects.toThrow(mongoose.Error.VersionError);
      });
      late.$session(null);
      await expectExact(1);
      expect([late.photo.isStored, late.pages[0]?.isStored]).toEqual([false, false]);
      const fresh = await Report.findById(report.id).orFail();
      fresh.photo = late.photo;
      await fresh.save();
      expect(String(await fresh.photo.buffer())).toBe('2');
      await late.set({ __v: fresh.get('__v') }).save();
      expect(String(await late.photo.buffer())).toBe('2');
      expect(String(await late.pages[0]?.buffer())).toBe('3');
      await expectExact(2);
    });
  });

  describe('statements', () => {
    test('findOneAndUpdate, updateOne, replaceOne, findOneAndReplace', async () => {
      const Product = productModel();
      const { id } = await Product.create({
        name: 'lamp',
        photo: attach(bytes('0')),
        manual: attach(bytes('m')),
      });
      const updated = await Product.findOneAndUpdate(
        { name: 'lamp' },
        { photo: attach(bytes('1')) },
        { returnDocument: 'after' },
      );
      expect(String(await updated?.photo?.buffer())).toBe('1');
      await expectExact(3);
      const result = await Product.updateOne(
        { _id: id },
        { $set: { photo: attach(bytes('2')) }, $unset: { manual: 1 } },
      );
      expect(result).toMatchObject({ matchedCount: 1, modifiedCount: 1 });
      await expectExact(2);
      await Product.updateOne(
        { _id: id },
        { $push: { pictures: { $each: [attach(bytes('a')), attach(bytes('b'))], $slice: -2 } } },
      );
      await Product.updateOne(
        { _id: id },
        { $push: { pictures: { $each: [attach(bytes('c'))], $slice: -2 } } },
      );
      await expectExact(4);
      await Product.updateOne(
        { _id: id },
        { $set: { 'pictures.0': attach(bytes('d')) }, $push: { parts: { scan: attach(bytes('p')) } } },
      );
      await expectExact(5);
      await Product.updateOne(
        { _id: id, 'parts.label': null },
        { $set: { 'parts.$.scan': attach(bytes('q')) } },
      );
      await expectExact(5);
      await Product.updateOne({ _id: id }, { $pop: { pictures: 1 } });
      await expectExact(4);
      await Product.updateOne({ _id: id }, { $rename: { photo: 'manual' } });
      await expectExact(4);
      await expect(
        Product.updateOne({ _id: id }, { $rename: { manual: 'gone' } }, { strict: false }),
      ).rejects.toMatchObject({ code: 'ATTACHMENT_UNSUPPORTED' });
      await Product.updateOne({ _id: id }, [{ $unset: ['manual'] }], { updatePipeline: true });
      await expectExact(2);
      await Product.replaceOne({ _id: id }, { name: 'lamp', photo: attach(bytes('3')) });
      await expectExact(2);
      await Product.findOneAndReplace({ _id: id }, { name: 'lamp', manual: attach(bytes('4')) });
      await expectExact(1);
      await Product.updateOne({ _id: id }, { $set: { name: 'torch' } });
      const deleted = await Product.findOneAndDelete({ name: 'torch' });
      expect(deleted?.manual?.isStored).toBe(true);
      await expectExact(0);
    });

    test('by pipelines take attachments away, and give no place the file of another', async () => {
      const Product = productModel();
      const update = (...pipeline: object[]) =>
        Product.updateMany({}, pipeline as mongoose.UpdateWithAggregationPipeline, { updatePipeline: true });
      const content = { photo: attach(bytes('1')), pictures: [attach(bytes('2'))] };
      await Product.create({ name: 'a', ...content, maker: { logo: attach(bytes('3')) } });
      for (const stage of [
        { $set: { manual: '$photo' } },
        { $addFields: { maker: { logo: '$photo' } } },
        { $set: { pictures: { $concatArrays: ['$pictures', ['$photo']] } } },
        { $project: { name: 1, manual: '$photo' } },
        { $replaceWith: { $mergeObjects: ['$$ROOT', { manual: '$photo' }] } },
        { $unset: 'photo.path' },
      ])
        await expect(update(stage)).rejects.toMatchObject({ code: 'ATTACHMENT_UNSUPPORTED' });
      await expectExact(4);
      await update({ $set: { name: 'b', maker: { name: { $toUpper: '$name' } } } });
      await expectExact(4);
      await update({ $set: { photo: null } }, { $unset: ['manual'] });
      await expectExact(2);
      await update({ $set: { 'maker.logo': '$$REMOVE', pictures: [] } });
      await expectExact(0);
      expect(await Product.findOne({})).toMatchObject({ name: 'b', maker: { name: 'A' } });
    });

    test.each(['save', 'updateOne', 'replaceOne'])(
      'keep a file that others have given to another place of the row too: %s',
      async (how) => {
        const Product = productModel();
        const product = await Product.create({ name: 'a', photo: attach(bytes('1')) });
        const rows = connection.db?.collection('products');
        await rows?.updateOne({}, [{ $set: { manual: '$photo', languages: { en: '$photo' } } }]);
        const found = await Product.findById(product.id).orFail();
        if (how === 'save') await found.set({ manual: null }).save();
        if (how === 'updateOne') await Product.updateOne({}, { $set: { manual: null, pictures: [] } });
        if (how === 'replaceOne') await Product.replaceOne({}, { name: 'b', photo: found.photo });
        await expectExact(2);
        await Product.updateOne({}, { photo: null, languages: {} });
        await expectExact(0);
      },
    );

    test('that find no row leave no file; upserts keep theirs', async () => {
      const Product = productModel();
      await Product.updateOne({ name: 'none' }, { photo: attach(bytes('1')) });
      await Product.findOneAndUpdate({ name: 'none' }, { photo: attach(bytes('1')) });
      await expectExact(0);
      const upserted = await Product.updateOne(
        { name: 'a' },
        { photo: attach(bytes('1')) },
        { upsert: true },
      );
      expect(upserted).toMatchObject({ matchedCount: 0, upsertedCount: 1 });
      const none = await Product.findOneAndUpdate(
        { name: 'b' },
        { photo: attach(bytes('1')) },
        { upsert: true, returnDocument: 'before' },
      );
      expect(none).toBeNull();
      const wrapped = await Product.findOneAndUpdate(
        { name: 'c' },
        { photo: attach(bytes('1')) },
        { upsert: true, includeResultMetadata: true, returnDocument: 'after' },
      );
      expect(String(await wrapped.value?.photo?.buffer())).toBe('1');
      await expectExact(6);
      await Product.updateOne(
        { name: 'a' },
        { $setOnInsert: { photo: attach(bytes('2')) } },
        { upsert: true },
      );
      await expectExact(6);
    });

    test('look at the rows that their options choose', async () => {
      const Product = productModel();
      const rows = ['a', 'b', 'c', 'd'].map((name) => ({ name, photo: attach(bytes(name)) }));
      const [, , , last] = await Product.insertMany(rows);
      const isNamed = { $expr: { $eq: ['$name', '$$n'] } };
      const one = await Product.findOneAndUpdate(isNamed, { photo: null }, { let: { n: 'a' } });
      expect(one?.name).toBe('a');
      await expectExact(6);
      const deletion = { deleteOne: { filter: isNamed } };
      await Product.bulkWrite([deletion], { let: { n: 'b' } });
      await expectExact(4);
      const collation = { locale: 'en', strength: 2 };
      await Product.updateOne({ name: 'C' }, { photo: attach(bytes('new')) }, { collation });
      await expectExact(4);
      await Product.findOneAndUpdate({}, { photo: null }, { sort: { name: -1 }, maxTimeMS: 10_000 });
      expect((await Product.findById(last?.id))?.photo).toBeNull();
      await expectExact(2);
      const filter = { name: 'c', size: undefined };
      await Product.collection.updateOne(filter, { $unset: { photo: 1 } }, { ignoreUndefined: true });
      await expectExact(0);
    });

    test('find rows by their attachments', async () => {
      const Product = productModel();
      const pictures = [attach(bytes('2')), attach(bytes('3'))];
      const parts = [{ label: 'x', scan: attach(bytes('4')) }];
      const product = await Product.create({ name: 'a', photo: attach(bytes('1')), pictures, parts });
      await Product.create({ name: 'b', photo: attach(bytes('1')) });
      const found = await Product.findById(product.id).orFail();
      for (const { photo, pictures, parts } of [product, found]) {
        const filters: object[] = [
          { photo },
          { photo: { $in: [photo] } },
          { pictures: pictures[1] },
          { pictures: { $elemMatch: { $eq: pictures[0] } } },
          { parts: { $elemMatch: { scan: parts[0]?.scan } } },
          { $or: [{ manual: photo }, { 'parts.scan': parts[0]?.scan }] },
        ];
        for (const filter of filters) {
          expect((await Product.find(filter)).map(({ name }) => name)).toEqual(['a']);
          expect(await Product.findOne(filter)).toMatchObject({ name: 'a' });
          expect(await Product.countDocuments(filter)).toBe(1);
          expect(await Product.distinct('name', filter)).toEqual(['a']);
        }
        expect(await Product.find({ photo: { $ne: photo } })).toMatchObject([{ name: 'b' }]);
      }
      await expect(Product.findOne({ photo: attach(bytes('1')) })).rejects.toMatchObject({
        code: 'ATTACHMENT_PENDING',
      });
      await expectExact(7);
    });

    test('write to rows that their attachments tell, or to no row', async () => {
      const Product = productModel();
      const pictures = [attach(bytes('2')), attach(bytes('3'))];
      const product = await Product.create({ name: 'a', photo: attach(bytes('1')), pictures });
      const { id } = product;
      const photo = product.photo as Attachment;
      const [first, second] = product.pictures;
      await Product.updateOne({ pictures: first }, { $set: { 'pictures.$': attach(bytes('4')) } });
      const change = { $set: { 'pictures.$[one]': attach(bytes('5')) } };
      await Product.updateOne({ _id: id }, change, { arrayFilters: [{ one: second }] });
      const found = await Product.findById(id).orFail();
      expect(await Promise.all(found.pictures.map(async (one) => String(await one.buffer())))).toEqual([
        '4',
        '5',
      ]);
      await Product.updateOne({ photo }, { photo: attach(bytes('6')) });
      expect(await Product.updateOne({ photo }, { photo: null })).toMatchObject({ matchedCount: 0 });
      expect(await Product.deleteOne({ photo })).toMatchObject({ deletedCount: 0 });
      await expectExact(4);
      const upsert = Product.updateOne({ pictures: found.pictures[0] }, { name: 'b' }, { upsert: true });
      await expect(upsert).rejects.toMatchObject({ code: 'ATTACHMENT_UNSUPPORTED' });
      const deletion = { deleteOne: { filter: { pictures: found.pictures[0] } } };
      expect(await Product.bulkWrite([deletion])).toMatchObject({ deletedCount: 1 });
      await expectExact(0);
    });

    test('insertMany, updateMany, deleteMany', async () => {
      const Product = productModel();
      await Product.init();
      const rows = ['a', 'b', 'c', 'a', 'd'].map((name) => ({ name, photo: attach(bytes(name)) }));
      await expect(Product.insertMany(rows)).rejects.toMatchObject({ code: 11000 });
      await expectExact(6);
      const [again, fresh] = rows.slice(3).map((row) => new Product(row));
      if (!again || !fresh) throw new Error();
      await expect(Product.insertMany([again, fresh], { ordered: false })).rejects.toThrow('E11000');
      expect([again.photo?.isStored, fresh.photo?.isStored]).toEqual([false, true]);
      await expectExact(8);
      await Product.insertMany([{ name: 'e', manual: attach(bytes('e')) }], { rawResult: true });
      await expectExact(9);
      await expect(Product.updateMany({}, { photo: attach(bytes('x')) })).rejects.toMatchObject({
        code: 'ATTACHMENT_UNSUPPORTED',
      });
      await expectExact(9);
      expect(await Product.updateMany({ name: { $in: ['a', 'b'] } }, { photo: null })).toMatchObject({
        modifiedCount: 2,
      });
      await expectExact(5);
      expect(await Product.deleteMany({ name: { $ne: 'c' } })).toMatchObject({ deletedCount: 4 });
      await expectExact(2);
      await Product.deleteMany({});
      await expectExact(0);
    });

    test('bulkSave and bulkWrite', async () => {
      const Product = productModel();
      await Product.init();
      const [one, two] = ['one', 'two'].map((name) => new Product({ name, photo: attach(bytes(name)) }));
      if (!one || !two) throw new Error();
      await Product.bulkSave([one, two]);
      await expectExact(4);
      one.photo = attach(bytes('other'));
      two.photo = null;
      const three = new Product({ name: 'three', manual: attach(bytes('3')) });
      await Product.bulkSave([one, two, three]);
      expect(three.manual?.isStored).toBe(true);
      await expectExact(3);
      const { id } = one;
      const result = await Product.bulkWrite([
        { insertOne: { document: { name: 'four', photo: attach(bytes('4')) } } },
        { updateOne: { filter: { _id: id }, update: { $set: { photo: attach(bytes('new')) } } } },
        { deleteOne: { filter: { _id: three.id } } },
      ]);
      expect(result).toMatchObject({ insertedCount: 1, modifiedCount: 1, deletedCount: 1 });
      await expectExact(4);
      const failing = Product.bulkWrite([
        { deleteOne: { filter: { _id: id } } },
        { insertOne: { document: { name: 'four', photo: attach(bytes('4')) } } },
      ]);
      await expect(failing).rejects.toMatchObject({ code: 11000, name: 'MongoServerError' });
      await expectExact(4);
      const unpinned = Product.bulkWrite([
        { deleteMany: { filter: { name: 'four' } } },
        { deleteOne: { filter: { _id: id } } },
      ]);
      await expect(unpinned).rejects.toMatchObject({ code: 'ATTACHMENT_UNSUPPORTED' });
      expect(await Product.bulkWrite([{ deleteMany: { filter: {} } }])).toMatchObject({ deletedCount: 3 });
      await expectExact(0);
    });

    test('bulkWrite of the connection is refused where a model has attachments', async () => {
      const Product = productModel();
      connection.model('Plain', Schema.create({ name: String }));
      const { _id } = await Product.create({ name: 'one', photo: attach(bytes('1')) });
      const deletion = { model: 'Product', name: 'deleteOne', filter: { _id } } as const;
      const refused = connection.bulkWrite([deletion]);
      await expect(refused).rejects.toMatchObject({ code: 'ATTACHMENT_UNSUPPORTED' });
      await expectExact(2);
      const others = connection.bulkWrite([{ model: 'Plain', name: 'insertOne', document: { name: 'a' } }]);
      // Servers before MongoDB 8.0 have no such command.
      await others.catch((error) => expect(error.code).toBeUndefined());
    });

    test('at once on one row leave the file of the last', async () => {
      const Product = productModel();
      const { id } = await Product.create({ name: 'hot', photo: attach(bytes('0')), pictures: [] });
      const other = await Product.create({ name: 'other', manual: attach(bytes('m')) });
      const numbers = [...Array(6).keys()];
      await Promise.all(
        numbers.flatMap((number) => [
          Product.updateOne({ _id: id }, { photo: attach(bytes(`${number}`)) }),
          Product.updateOne({ _id: id }, { $push: { pictures: attach(bytes('p')) } }),
          Product.updateOne({ _id: id }, { $set: { manual: other.manual } }),
        ]),
      );
      await expectExact(2 + 6 + 1 + 1);
      await Promise.all(numbers.map(() => Product.deleteOne({ _id: id })));
      await expectExact(1);
    });

    test('without middleware are followed as well', async () => {
      const Product = productModel();
      const product = new Product({ name: 'lamp', photo: attach(bytes('photo')) });
      await product.save({ middleware: false } as object);
      await expectExact(2);
      await Product.collection.deleteMany({});
      await expectExact(0);
    });

    test('of discriminators, wherever their attachments are', async () => {
      const { attachment } = attachments;
      const Page = connection.model('Page', Schema.create({ name: String }));
      const Photo = Page.discriminator('Photo', Schema.create({ file: attachment() }));
      const Report = Page.discriminator(
        'Report',
        Schema.create({ sheets: [Schema.create({ scan: attachment() })] }),
        'report',
      );
      const photo = await Photo.create({ name: 'photo', file: attach(bytes('1')) });
      await Report.create({
        name: 'report',
        sheets: [{ scan: attach(bytes('2')) }, { scan: attach(bytes('3')) }],
      });
      await expectExact(3);
      expect(await Page.findOne({ name: 'photo' })).toHaveProperty('file.isStored', true);
      photo.file = attach(bytes('4'));
      await photo.save();
      await expectExact(3);
      await Page.deleteMany({});
      await expectExact(0);
    });

    test('of recursive schemas and of embedded discriminators', async () => {
      const { attachment } = attachments;
      const node = Schema.create({ file: attachment() });
      node.add({ children: [node] } as object);
      const shape = Schema.create({ label: String }, { discriminatorKey: 'kind' });
      const schema = Schema.create({ root: node, shapes: [shape] });
      (schema.path('shapes') as mongoose.Schema.Types.DocumentArray).discriminator(
        'Drawn',
        Schema.create({ drawing: attachment() }),
      );
      const Tree = connection.model('Tree', schema);
      const tree = await Tree.create({
        root: { file: attach(bytes('1')), children: [{ children: [{ file: attach(bytes('2')) }] }] },
        shapes: [{ kind: 'Drawn', drawing: attach(bytes('3')) }, { label: 'none' }],
      } as object);
      await expectExact(3);
      await Tree.updateOne({ _id: tree.id }, { $set: { 'root.children.0.children': [] } });
      await expectExact(2);
      await tree.deleteOne();
      await expectExact(0);
    });
  });

  describe('transactions', () => {
    test('keep at the commit, and take back at the rollback', async () => {
      const Product = productModel();
      await Product.init();
      const kept = await Product.create({ name: 'kept', photo: attach(bytes('old')) });
      const fresh = new Product({ name: 'fresh', photo: attach(bytes('fresh')) });
      const work = connection.transaction(async (session) => {
        kept.photo = attach(bytes('new'));
        await kept.save({ session });
        await fresh.save({ session });
        expect(fresh.photo?.isStored).toBe(true);
        expect((await files()).length).toBe(6);
        throw new Error('no');
      });
      await expect(work).rejects.toThrow('no');
      expect(fresh.photo?.isStored).toBe(false);
      await expectExact(2);
      await connection.transaction(async (session) => {
        await kept.save({ session });
        await fresh.save({ session });
        await Product.deleteOne({ _id: fresh.id }, { session });
      });
      await expectExact(2);
      expect(String(await (await Product.findById(kept.id))?.photo?.buffer())).toBe('new');
    });

    test('that are tried again leave the files of the last try', async () => {
      const Product = productModel();
      await Product.init();
      await Product.create({ name: 'hot' });
      let tries = 0;
      const session = await connection.startSession();
      await session.withTransaction(async () => {
        await Product.create([{ name: 'new', photo: attach(bytes('1')) }], { session });
        if (tries++ === 0) await Product.updateOne({ name: 'hot' }, { $set: { manual: attach(bytes('2')) } });
        await Product.updateOne({ name: 'hot' }, { $set: { photo: attach(bytes('3')) } }, { session });
      });
      await session.endSession();
      expect(tries).toBe(2);
      await expectExact(5);
    });

    test('by the core API: commit, abort, and a session that just ends', async () => {
      const Product = productModel();
      await Product.init();
      const session = await connection.startSession();
      session.startTransaction();
      await Product.create([{ name: 'a', photo: attach(bytes('1')) }], { session });
      await session.commitTransaction();
      await expectExact(2);
      session.startTransaction();
      await Product.create([{ name: 'b', photo: attach(bytes('1')) }], { session });
      await session.abortTransaction();
      await expectExact(2);
      session.startTransaction();
      await Product.deleteMany({}, { session });
      await session.endSession();
      await expectExact(2);
    });

    test('whose commit is not answered keep their files, though an abort is tried after it', async () => {
      const Product = productModel();
      await Product.init();
      const session = await connection.startSession();
      const send = session.commitTransaction.bind(session);
      session.commitTransaction = async () => {
        await send();
        const lost = new mongoose.mongo.MongoNetworkError('The answer is lost');
        lost.addErrorLabel('UnknownTransactionCommitResult');
        throw lost;
      };
      try {
        session.startTransaction();
        await Product.create([{ name: 'a', photo: attach(bytes('1')) }], { session });
        await session.commitTransaction();
      } catch {
        await expect(session.abortTransaction()).rejects.toThrow('after calling commitTransaction');
      } finally {
        await session.endSession();
      }
      await expectExact(2);
    });
  });

  describe('recovery', () => {
    /** Of a process that is no more. */
    const announce = (paths: readonly string[]) =>
      new MongoJournal(connection).announce([
        { id: randomUUID(), state: 'upload', paths, owner: 'another.1.0.x', createdAt: new Date(0) },
      ]);

    test('keeps what rows refer to, also of models that are not known here', async () => {
      const Product = productModel();
      await Product.create({ name: 'a', photo: attach(bytes('1')) });
      await Product.create({ name: 'b', languages: { en: attach(bytes('2')) } });
      const paths = await files();
      expect(paths).toHaveLength(3);
      const orphan = `default/${await depot.get('default').create(bytes('orphan'))}`;
      for (const path of [...paths, orphan]) await announce([path]);
      const other = await mongoose.createConnection(server.url, { dbName: connection.name }).asPromise();
      const stranger = useAttachments(other, { depot });
      expect(await stranger.recover()).toMatchObject({ deleted: [orphan], failed: [] });
      await stranger.close();
      await other.close();
      await expectExact(3);
    });

    test('keeps what rows have in lists of lists', async () => {
      const { attachment } = attachments;
      const part = Schema.create({ scan: attachment() });
      const Sheet = connection.model('Sheet', new Schema({ grid: [[attachment()]], parts: [[part]] }));
      await Sheet.create({ grid: [[attach(bytes('1'))]], parts: [[{ scan: attach(bytes('2')) }]] });
      for (const path of await files()) await announce([path]);
      expect(await attachments.recover()).toMatchObject({ intents: 2, deleted: [] });
      await expectExact(2);
    });

    test('keeps what is in a database that was dropped, and filled again', async () => {
      const Product = productModel();
      await Product.create({ name: 'a', manual: attach(bytes('1')) });
      await Product.deleteMany({});
      await connection.dropDatabase();
      await Product.create({ name: 'b', manual: attach(bytes('2')) });
      for (const path of await files()) await announce([path]);
      expect(await attachments.recover()).toMatchObject({ intents: 1, deleted: [] });
      await expectExact(1);
    });

    test('keeps what Python has written, as an object or as a text', async () => {
      const Product = productModel();
      await Product.create({ name: 'first', manual: attach(bytes('1')) });
      const store = () => depot.get('default').create(bytes('python'));
      const ids = [await store(), await store()];
      const [object, text] = ids.map((id) => ({
        ...{ depot_name: 'default', file_id: id, path: `default/${id}`, files: [`default/${id}`] },
        ...{ filename: 'a.txt', content_type: 'text/plain', uploaded_at: '2020-01-01 00:00:00' },
      }));
      const rows = connection.collection('products');
      await rows.insertMany([
        { name: 'object', manual: object },
        { name: 'text', manual: JSON.stringify(text) },
      ]);
      for (const id of ids) await announce([`default/${id}`]);
      expect((await attachments.recover()).deleted).toEqual([]);
      for (const product of await Product.find({ name: { $ne: 'first' } }))
        expect(String(await product.manual?.buffer())).toBe('python');
      await Product.deleteMany({});
      await expectExact(0);
    });
  });

  describe('connections', () => {
    test('that know nothing of attachments cannot save them', async () => {
      const other = connection.useDb(`other-${randomUUID()}`);
      const Product = other.model('Product', productModel().schema);
      await expect(Product.create({ name: 'a', photo: attach(bytes('1')) })).rejects.toMatchObject({
        code: 'ATTACHMENT_PENDING',
      });
      await expectExact(0);
      await Product.create({ name: 'b' });
      expect(await Product.countDocuments()).toBe(1);
      await other.dropDatabase();
    });

    test('may be opened after the models are made', async () => {
      const late = mongoose.createConnection();
      const own = useAttachments(late, { depot });
      const Late = late.model('Late', Schema.create({ photo: own.attachment() }));
      const creating = Late.create({ photo: attach(bytes('1')) });
      const deleting = creating.then((one) => Late.deleteOne({ _id: one.id }));
      await late.openUri(server.url, { dbName: `late-${randomUUID()}` });
      expect((await creating).photo?.isStored).toBe(true);
      expect(await deleting).toMatchObject({ deletedCount: 1 });
      await own.close();
      await expectExact(0);
      await late.dropDatabase();
      await late.close();
    });

    test('may be begun after the first calls, within the time that mongoose gives them', async () => {
      const late = mongoose.createConnection();
      const own = useAttachments(late, { depot });
      const Late = late.model('Late', Schema.create({ photo: own.attachment() }));
      late.config.bufferTimeoutMS = 200;
      const early = Late.create({ photo: attach(bytes('1')) });
      await expect(early).rejects.toThrow('buffering timed out after 200ms');
      late.config.bufferTimeoutMS = 10_000;
      const creating = Late.create({ photo: attach(bytes('2')) });
      const recovering = own.recover();
      await delay(100);
      await late.openUri(server.url, { dbName: `late-${randomUUID()}` });
      expect((await creating).photo?.isStored).toBe(true);
      expect(await recovering).toMatchObject({ failed: [] });
      await Late.deleteMany({});
      await own.close();
      await expectExact(0);
      await late.dropDatabase();
      await late.close();
    });

    test('that buffer nothing fail at once', async () => {
      const never = mongoose.createConnection();
      never.config.bufferCommands = false;
      const own = useAttachments(never, { depot });
      const Never = never.model('Never', Schema.create({ photo: own.attachment() }));
      const creating = Never.create({ photo: attach(bytes('1')) });
      await expect(creating).rejects.toThrow('no connection');
      await own.close();
      await expectExact(0);
    });

    test('to sessions without a transaction see what they have written', async () => {
      const Product = productModel();
      const session = await connection.startSession();
      const product = new Product({ name: 'a', photo: attach(bytes('1')) });
      await product.save({ session });
      product.photo = attach(bytes('2'));
      await product.save({ session });
      const found = await Product.findOne({ name: 'a' }).session(session).orFail();
      expect(String(await found.photo?.buffer())).toBe('2');
      await found.deleteOne({ session });
      await session.endSession();
      await expectExact(0);
    });
  });
});

await describeWith(
  'mongoose, on a single server',
  [() => startMongoServer({ replicaSet: false })],
  (server) => {
    let connection: Connection;
    let storage: MemoryStorage;
    let attachments: MongooseAttachments;

    beforeEach(async () => {
      const dbName = `single-${randomUUID()}`;
      connection = await mongoose.createConnection(server.directUrl, { dbName }).asPromise();
      storage = new MemoryStorage();
      const depot = new DepotManager();
      depot.configure('default', storage);
      attachments = useAttachments(connection, { depot });
    });

    afterEach(async () => {
      await attachments.close();
      await connection.dropDatabase();
      await connection.close();
    });

    async function count(): Promise<number> {
      await attachments.idle();
      return (await Readable.from(storage.list()).toArray()).length;
    }

    test('a row that changes while it is saved keeps its file, and what was stored for it goes', async () => {
      const schema = Schema.create({ name: String, photo: attachments.attachment() });
      schema.set('optimisticConcurrency', true);
      const Item = connection.model('Item', schema);
      const item = await Item.create({ photo: attach(bytes('1')) });
      const rows = connection.db?.collection('items');
      const { collection: driver } = Item.collection as unknown as { collection: mongoose.mongo.Collection };
      const updateOne = driver.updateOne.bind(driver);
      driver.updateOne = async (...given: Parameters<typeof updateOne>) => {
        await rows?.updateOne({}, { $inc: { __v: 1 } });
        return updateOne(...given);
      };
      item.photo = attach(bytes('2'));
      await expect(item.save()).rejects.toThrow(mongoose.Error.VersionError);
      expect(await count()).toBe(1);
      expect(item.photo.isStored).toBe(false);
      const found = await Item.findById(item.id).orFail();
      expect(String(await found.photo?.buffer())).toBe('1');
    });

    test('files follow each statement', async () => {
      const { attachment } = attachments;
      const Item = connection.model('Item', Schema.create({ photo: attachment(), pages: [attachment()] }));
      const item = await Item.create({
        photo: attach(bytes('1')),
        pages: [attach(bytes('2')), attach(bytes('3'))],
      });
      expect(await count()).toBe(3);
      item.photo = attach(bytes('4'));
      item.pages.pop();
      await item.save();
      expect(await count()).toBe(2);
      await Item.updateOne({ _id: item.id }, { $unset: { photo: 1 } });
      expect(await count()).toBe(1);
      await Item.deleteMany({});
      expect(await count()).toBe(0);
      const notes = connection.collection('depot_intents');
      expect(await notes.find({ state: { $ne: 'places' } }).toArray()).toEqual([]);
    });
  },
);
