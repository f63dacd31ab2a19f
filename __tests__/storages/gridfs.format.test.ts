import { execFile } from 'node:child_process';
import { buffer } from 'node:stream/consumers';
import { pipeline } from 'node:stream/promises';
import { promisify } from 'node:util';
import { afterAll, beforeEach, describe, expect, test } from '@jest/globals';
import { type CommandStartedEvent, GridFSBucket, ObjectId } from 'mongodb';
import { GridFSStorage } from '../../lib/storages/gridfs.js';
import { startMongoDatabase } from '../support/gridfs.js';
import { describeWith, pythonWithDepot } from '../support/servers/index.js';

const CHUNK = 255 * 1024;

/** Several chunks, the last one shorter; no two chunks alike. */
function numberedBytes(length: number, seed = 0): Buffer {
  const bytes = Buffer.alloc(length);
  for (let index = 0; index + 4 <= length; index += 4) bytes.writeUInt32LE(index + seed, index);
  return bytes;
}

const LARGE = numberedBytes(10 * CHUNK + 1234);
const SMALL = numberedBytes(5000);
const NAME = 'žluťoučký kůň.txt';

await describeWith('GridFS, as others read and write it', [startMongoDatabase], ({ client, db }) => {
  const storage = new GridFSStorage({ db });
  const bucket = new GridFSBucket(db, { bucketName: 'filedepot' });
  afterAll(() => storage.close());

  function readByDriver(id: string): Promise<Buffer> {
    return buffer(bucket.openDownloadStream(new ObjectId(id)));
  }

  async function writeByDriver(content: Buffer, options: object): Promise<string> {
    const stream = bucket.openUploadStream(NAME, options);
    await pipeline([content], stream);
    return stream.id.toHexString();
  }

  test.each([
    ['nothing', Buffer.alloc(0)],
    ['small', SMALL],
    ['large', LARGE],
  ])('the driver reads what we wrote and replaced: %s', async (_name, content) => {
    const id = await storage.create(content, { filename: NAME, contentType: 'text/x-a' });
    expect((await readByDriver(id)).equals(content)).toBe(true);
    for (const next of [LARGE.subarray(7), SMALL.subarray(7), content]) {
      await storage.replace(id, next);
      expect((await readByDriver(id)).equals(next)).toBe(true);
    }
    const [file] = await bucket.find({ _id: new ObjectId(id) }).toArray();
    expect(file).toMatchObject({
      filename: NAME,
      length: content.byteLength,
      chunkSize: CHUNK,
      contentType: 'text/x-a',
      last_modified: expect.stringMatching(/^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d$/),
      metadata: { contentType: 'text/x-a' },
    });
    expect(await db.collection('filedepot.chunks').countDocuments({ files_id: new ObjectId(id) })).toBe(
      Math.ceil(content.byteLength / CHUNK),
    );
    await bucket.delete(new ObjectId(id));
    expect(await storage.exists(id)).toBe(false);
  });

  test('an id tells nothing of the next one', async () => {
    const ids = [await storage.create('x'), await storage.create('x'), await storage.create(LARGE)];
    // After the time: ids of drivers have five bytes of the process there, then a counter.
    expect(new Set(ids.map((id) => id.slice(8, 18))).size).toBe(3);
  });

  test('a length is a whole number of 64 bits', async () => {
    const _id = new ObjectId(await storage.create('x'));
    expect(await db.collection('filedepot.files').countDocuments({ _id, length: { $type: 'long' } })).toBe(1);
  });

  test.each([
    ['chunks of the default size', {}],
    ['small chunks', { chunkSizeBytes: 1000 }],
    ['metadata that is null', { metadata: null }],
    ['metadata of its own', { metadata: { contentType: 'image/png', owner: 7 } }],
  ])('we read, replace and delete what the driver wrote: %s', async (_name, options) => {
    const id = await writeByDriver(LARGE.subarray(0, 700_000), options);
    const file = await storage.get(id);
    expect(file).toMatchObject({ filename: NAME, size: 700_000, sha256: undefined, metadata: {} });
    expect(file.contentType).toBe(
      'metadata' in options && options.metadata ? 'image/png' : 'application/octet-stream',
    );
    expect((await file.buffer()).equals(LARGE.subarray(0, 700_000))).toBe(true);
    expect(
      (await buffer(file.stream({ start: 999, end: 300_000 }))).equals(LARGE.subarray(999, 300_001)),
    ).toBe(true);
    await storage.replace(id, SMALL);
    expect((await readByDriver(id)).equals(SMALL)).toBe(true);
    await expect(file.buffer()).rejects.toMatchObject({ code: 'CONFLICT' });
    const [document] = await bucket.find({ _id: new ObjectId(id) }).toArray();
    expect(document?.metadata?.owner).toBe('metadata' in options && options.metadata ? 7 : undefined);
    await storage.delete(id);
    expect(await db.collection('filedepot.chunks').countDocuments({ files_id: new ObjectId(id) })).toBe(0);
  });

  test('a file of others that is replaced by others while it is read: an error, not a mixture', async () => {
    const content = numberedBytes(40 * CHUNK);
    const id = await writeByDriver(content, {});
    const file = await storage.get(id);
    const _id = new ObjectId(id);
    const read = async () => {
      for await (const _chunk of file) {
        if (!(await db.collection('filedepot.files').findOne({ _id, filename: NAME }))) continue;
        await bucket.delete(_id);
        await pipeline([numberedBytes(content.byteLength, 99)], bucket.openUploadStreamWithId(_id, 'other'));
      }
    };
    // Others delete the file before they write it anew.
    const code = expect.stringMatching(/^(CONFLICT|FILE_NOT_FOUND)$/);
    await expect(read()).rejects.toMatchObject({ code });
  });

  test('files whose ids are no ObjectIds are left out', async () => {
    await pipeline([SMALL], bucket.openUploadStreamWithId('name' as unknown as ObjectId, 'x'));
    const ids = [];
    for await (const id of storage.list()) ids.push(id);
    expect(ids).not.toContain('name');
    await expect(storage.get('name')).rejects.toMatchObject({ code: 'FILE_NOT_FOUND' });
    await expect(storage.get(new ObjectId().toHexString().toUpperCase())).rejects.toMatchObject({
      code: 'FILE_NOT_FOUND',
    });
  });

  describe('what is read', () => {
    let commands: CommandStartedEvent[] = [];
    beforeEach(() => {
      commands = [];
    });
    client.on('commandStarted', (event) => commands.push(event));

    test('of a part: only the chunks that hold it, in one request', async () => {
      const file = await storage.get(await storage.create(LARGE));
      commands = [];
      const part = await buffer(file.stream({ start: 5 * CHUNK + 10, end: 7 * CHUNK }));
      expect(part.equals(LARGE.subarray(5 * CHUNK + 10, 7 * CHUNK + 1))).toBe(true);
      expect(
        commands.map(({ commandName, command }) => [commandName, command.find, command.filter.n]),
      ).toEqual([['find', 'filedepot.chunks', { $gte: 5, $lt: 8 }]]);
    });

    test('of a small file: two requests in all', async () => {
      const id = await storage.create(SMALL);
      commands = [];
      await (await storage.get(id)).buffer();
      expect(commands.map(({ command }) => command.find)).toEqual(['filedepot.files', 'filedepot.chunks']);
    });
  });
});

const PYTHON = `
import sys
from depot.io.gridfs import GridFSStorage
uri, act, *rest = sys.argv[1:]
storage = GridFSStorage(uri)
if act == 'create':
    print(storage.create(b'from Python', filename='\\u017elu\\u0165.txt', content_type='text/x-py'))
elif act == 'replace':
    storage.replace(rest[0], b'replaced by Python')
else:
    file = storage.get(rest[0])
    print(len(file.read()), file.filename, file.content_type, file.content_length, file.last_modified)
    print(rest[0] in storage.list())
`;

await describeWith(
  'GridFS, shared with Python',
  [startMongoDatabase, async () => pythonWithDepot()],
  ({ db, server }, interpreter) => {
    const storage = new GridFSStorage({ db });
    const uri = server.url.replace('/?', `/${db.databaseName}?`);
    afterAll(() => storage.close());

    async function python(act: string, ...rest: string[]): Promise<string> {
      const { stdout } = await promisify(execFile)(interpreter, ['-c', PYTHON, uri, act, ...rest], {
        env: { ...process.env, PYTHONIOENCODING: 'utf-8', PYTHONWARNINGS: 'ignore' },
      });
      return stdout.trim();
    }

    test('Python reads what we wrote and replaced, and we what it replaced', async () => {
      const id = await storage.create(LARGE, { filename: NAME, contentType: 'text/x-a', metadata: { a: 1 } });
      expect(await python('read', id)).toMatch(
        new RegExp(`^${LARGE.byteLength} ${NAME} text/x-a ${LARGE.byteLength} \\d{4}-.*\nTrue$`),
      );
      await storage.replace(id, SMALL);
      expect(await python('read', id)).toMatch(new RegExp(`^5000 ${NAME} text/x-a 5000 `));
      await python('replace', id);
      const file = await storage.get(id);
      expect(file).toMatchObject({ filename: NAME, contentType: 'text/x-a', size: 18, metadata: {} });
      expect(await file.text()).toBe('replaced by Python');
    });

    test('we read and replace what Python wrote', async () => {
      const id = await python('create');
      const file = await storage.get(id);
      expect(file).toMatchObject({ filename: 'žluť.txt', contentType: 'text/x-py', size: 11 });
      expect(Math.abs(file.lastModified.getTime() - Date.now())).toBeLessThan(60_000);
      expect(await file.text()).toBe('from Python');
      await storage.replace(id, LARGE);
      expect(await python('read', id)).toMatch(new RegExp(`^${LARGE.byteLength} žluť.txt text/x-py `));
    });
  },
);
