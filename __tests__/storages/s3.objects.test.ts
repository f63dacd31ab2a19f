import { randomUUID } from 'node:crypto';
import { Readable } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';
import * as sdk from '@aws-sdk/client-s3';
import { afterAll, describe, expect, jest, test } from '@jest/globals';
import { ABANDONED_AFTER } from '../../lib/object-storage/staging-area.js';
import { S3Bucket } from '../../lib/storages/s3/bucket.js';
import { checkedOptions } from '../../lib/storages/s3/options.js';
import { sweep } from '../../lib/storages/s3/sweep.js';
import type { S3Storage } from '../../lib/storages/s3.js';
import { FaultProxy } from '../support/fault-proxy.js';
import { TestBucket } from '../support/s3.js';
import { describeWith, startS3Server } from '../support/servers/index.js';

const MiB = 1024 * 1024;

/** In chunks as they come from a socket; no two of them alike. */
async function* chunks(byteLength: number): AsyncGenerator<Buffer> {
  for (let position = 0; position < byteLength; position += 65_536) {
    const chunk = Buffer.alloc(Math.min(65_536, byteLength - position));
    chunk.writeUInt32LE(position);
    yield chunk;
  }
}

async function collect<T>(items: AsyncIterable<T>): Promise<T[]> {
  const all: T[] = [];
  for await (const item of items) all.push(item);
  return all;
}

async function bytes(byteLength: number): Promise<Buffer> {
  return Buffer.concat(await collect(chunks(byteLength)));
}

await describeWith('Objects of S3', [startS3Server], (server) => {
  const bucket = new TestBucket(server);
  const opened: S3Storage[] = [];
  afterAll(async () => {
    await Promise.all(opened.map((storage) => storage.close()));
    bucket.client.destroy();
  });

  /** A storage with a prefix of its own, and what lies below it. */
  function open(options: Parameters<TestBucket['options']>[0] = {}) {
    const given = bucket.options(options);
    const storage = bucket.open(given);
    const prefix = given.prefix ?? '';
    opened.push(storage);
    return { storage, prefix, leftovers: () => bucket.leftovers(prefix), keys: () => bucket.keys(prefix) };
  }

  /** A client that gets lists of one entry a page. */
  function oneByOne(): sdk.S3Client {
    const { endpoint, region, credentials } = server;
    const client = new sdk.S3Client({ endpoint, region, credentials, forcePathStyle: true });
    const onePerPage = { MaxUploads: 1, MaxKeys: 1 };
    client.middlewareStack.add(
      (next) => (args) => next({ ...args, input: { ...args.input, ...onePerPage } }),
      { step: 'initialize' },
    );
    return client;
  }

  describe('large content', () => {
    const size = 13 * MiB + 5;

    test('create: in parts, whole, with its digest', async () => {
      const { storage, leftovers, keys, prefix } = open({ partSize: 5 * MiB });
      const options = { filename: 'žluť.bin', contentType: 'image/x-a', metadata: { a: 'ž' } };
      const id = await storage.create(chunks(size), options);
      const file = await storage.get(id);
      const content = await bytes(size);
      expect(file).toMatchObject({ ...options, size, sha256: expect.stringMatching(/^[0-9a-f]{64}$/) });
      expect((await file.buffer()).equals(content)).toBe(true);
      expect(await storage.create(content, options).then((other) => storage.stat(other))).toMatchObject({
        sha256: file.sha256,
      });
      expect(await keys()).toHaveLength(2);
      expect(await keys()).toContain(prefix + id);
      expect(await leftovers()).toEqual([]);
    });

    test('stage: of what is said only at commit', async () => {
      const { storage, leftovers } = open({ partSize: 5 * MiB });
      const staged = await storage.stage(chunks(size));
      expect(await collect(storage.list())).toEqual([]);
      const id = await staged.commit({ id: 'late', filename: 'late.txt', metadata: { late: true } });
      const file = await storage.get(id);
      expect(file).toMatchObject({ id: 'late', filename: 'late.txt', metadata: { late: true }, size });
      expect((await file.buffer()).equals(await bytes(size))).toBe(true);
      expect(file.sha256).toBe(staged.sha256);
      expect(await leftovers()).toEqual([]);
    });

    test('stage: with what was expected', async () => {
      const { storage, leftovers } = open({ partSize: 5 * MiB });
      const expected = { filename: 'a.txt', metadata: { a: 1 } };
      const staged = await storage.stage(chunks(size), { expected: () => expected });
      expect(await collect(storage.list())).toEqual([]);
      const file = await storage.get(await staged.commit(expected));
      expect(file).toMatchObject({ ...expected, size, sha256: staged.sha256 });
      expect(await leftovers()).toEqual([]);
    });

    test('stage: what is committed as something else than was expected', async () => {
      const { storage, leftovers, keys } = open({ partSize: 5 * MiB });
      const staged = await storage.stage(chunks(size), { expected: { filename: 'a.txt' } });
      await expect(staged.commit({ filename: 'b.txt' })).rejects.toMatchObject({ code: 'CONFLICT' });
      expect([...(await keys()), ...(await leftovers())]).toEqual([]);
    });

    test.each([true, false])('create: an id that is taken (expected: %s)', async (isExpected) => {
      const { storage, leftovers } = open({ partSize: 5 * MiB });
      await storage.create('first', { id: 'taken' });
      const act = isExpected
        ? storage.create(chunks(size), { id: 'taken' })
        : storage.stage(chunks(size)).then((staged) => staged.commit({ id: 'taken' }));
      await expect(act).rejects.toMatchObject({ code: 'FILE_EXISTS' });
      expect(await (await storage.get('taken')).text()).toBe('first');
      expect(await leftovers()).toEqual([]);
    });

    test('replace: keeps what is not given; a file that is gone stays gone', async () => {
      const { storage, leftovers, keys } = open({ partSize: 5 * MiB });
      const id = await storage.create('old', { filename: 'old.txt', metadata: { old: true } });
      await storage.replace(id, chunks(size));
      const file = await storage.get(id);
      expect(file).toMatchObject({
        filename: 'old.txt',
        contentType: 'text/plain',
        metadata: { old: true },
        size,
      });
      expect((await file.buffer()).equals(await bytes(size))).toBe(true);
      const staged = await storage.stage(chunks(size));
      await storage.delete(id);
      await expect(staged.replace(id)).rejects.toMatchObject({ code: 'FILE_NOT_FOUND' });
      expect([...(await keys()), ...(await leftovers())]).toEqual([]);
    });

    test('replace: of a file that goes while the new content comes', async () => {
      const { storage, leftovers, keys } = open({ partSize: 5 * MiB });
      const id = await storage.create('old');
      const content = async function* () {
        yield* chunks(size);
        await storage.delete(id);
      };
      await expect(storage.replace(id, content())).rejects.toMatchObject({ code: 'FILE_NOT_FOUND' });
      expect([...(await keys()), ...(await leftovers())]).toEqual([]);
    });

    test.each(['abort', 'failure', 'discard'])('%s: no part stays at the server', async (end) => {
      const { storage, leftovers, keys, prefix } = open({ partSize: 5 * MiB });
      const controller = new AbortController();
      const content = async function* () {
        yield* chunks(size);
        while ((await bucket.uploads(prefix)).length === 0) await sleep(5);
        if (end === 'abort') controller.abort(new Error('enough'));
        if (end === 'failure') throw new Error('enough');
      };
      const staging = storage.stage(content(), { signal: controller.signal });
      if (end === 'discard') await (await staging).discard();
      else await expect(staging).rejects.toThrow('enough');
      expect([...(await keys()), ...(await leftovers())]).toEqual([]);
    });

    test('what a crash has left is swept when it is a day old', async () => {
      const { storage, prefix } = open();
      await storage.create('x', { id: 'x' });
      const object = { Bucket: bucket.name, Key: `${prefix}a` };
      await bucket.client.send(new sdk.CreateMultipartUploadCommand(object));
      await bucket.client.send(
        new sdk.PutObjectCommand({ ...object, Key: `${prefix}.staging/b`, Body: 'b' }),
      );
      const own = new S3Bucket(checkedOptions(bucket.options({ prefix })));
      await sweep(own, `${prefix}.staging/`);
      expect(await bucket.leftovers(prefix)).toHaveLength(2);
      await sweep(own, `${prefix}.staging/`, Date.now() + ABANDONED_AFTER + 2000);
      expect(await bucket.leftovers(prefix)).toEqual([]);
      expect(await bucket.keys(prefix)).toEqual([`${prefix}x`]);
      await own.close();
    });

    test('what others have left is not swept; what is ours is, page by page', async () => {
      const { prefix } = open();
      const client = oneByOne();
      const own = new S3Bucket(checkedOptions(bucket.options({ prefix, client })));
      await own.check();
      const upload = (Key: string) =>
        bucket.client.send(new sdk.CreateMultipartUploadCommand({ Bucket: bucket.name, Key }));
      const others = ['backup.tar', 'inner/a', 'z.tar'].map((name) => prefix + name);
      const ours = ['a', 'b', 'c', '.staging/a'].map((name) => prefix + name);
      for (const key of [...others, ...ours]) await upload(key);
      const staged = ['b', 'c'].map((name) => `${prefix}.staging/${name}`);
      for (const Key of [...staged, `${prefix}inner/b`])
        await bucket.client.send(new sdk.PutObjectCommand({ Bucket: bucket.name, Key, Body: 'b' }));
      await sweep(own, `${prefix}.staging/`, Date.now() + ABANDONED_AFTER + 2000);
      client.destroy();
      expect((await bucket.uploads(prefix)).sort()).toEqual(others);
      expect(await bucket.keys(prefix)).toEqual([`${prefix}inner/b`]);
    });

    test.each([
      ['ListMultipartUploadsCommand', ['.staging/a', 'a']],
      ['ListObjectsV2Command', ['.staging/x', '.staging/y']],
      ['AbortMultipartUploadCommand', ['.staging/a']],
      ['DeleteObjectCommand', ['.staging/x']],
    ])('where %s is refused, the rest is swept', async (refused, left) => {
      const { prefix, storage } = open();
      await storage.check();
      const { endpoint, region, credentials } = server;
      const client = new sdk.S3Client({ endpoint, region, credentials, forcePathStyle: true });
      let isRefused = true;
      client.middlewareStack.add(
        (next, { commandName }) =>
          async (args) => {
            if (commandName !== refused || !isRefused) return next(args);
            isRefused = false;
            throw Object.assign(new Error('no'), {
              name: 'AccessDenied',
              $metadata: { httpStatusCode: 403 },
            });
          },
        { step: 'initialize' },
      );
      for (const name of ['.staging/a', 'a'])
        await bucket.client.send(
          new sdk.CreateMultipartUploadCommand({ Bucket: bucket.name, Key: prefix + name }),
        );
      for (const name of ['.staging/x', '.staging/y'])
        await bucket.client.send(
          new sdk.PutObjectCommand({ Bucket: bucket.name, Key: prefix + name, Body: 'x' }),
        );
      const own = new S3Bucket(checkedOptions(bucket.options({ prefix, client })));
      const swept = sweep(own, `${prefix}.staging/`, Date.now() + ABANDONED_AFTER + 2000);
      if (refused.startsWith('List'))
        await expect(swept).rejects.toMatchObject({
          code: 'STORAGE_ACCESS_DENIED',
          message: expect.stringContaining('s3:ListBucketMultipartUploads'),
        });
      else await swept;
      client.destroy();
      expect((await bucket.leftovers(prefix)).sort()).toEqual(left.map((name) => prefix + name));
    });

    test.each([true, false])('staged with the encryption of the file (expected: %s)', async (isExpected) => {
      const { storage } = open({ partSize: 5 * MiB, serverSideEncryption: 'aws:kms', kmsKeyId: 'key' });
      const send = jest.spyOn(sdk.S3Client.prototype, 'send');
      const staged = await storage.stage(chunks(size), isExpected ? { expected: {} } : {});
      await staged.commit();
      const written = send.mock.calls
        .map(([command]) => command)
        .filter((command) => /^(CreateMultipart|Copy)/.test(command.constructor.name));
      send.mockRestore();
      expect(written).toHaveLength(2);
      for (const { input } of written)
        expect(input).toMatchObject({ ServerSideEncryption: 'aws:kms', SSEKMSKeyId: 'key' });
    });
  });

  describe('small content', () => {
    test('nothing is at the server before commit', async () => {
      const { storage, leftovers, keys } = open();
      const staged = await storage.stage(await bytes(2 * MiB));
      expect([...(await keys()), ...(await leftovers())]).toEqual([]);
      await staged.discard();
    });

    test('a buffer that is staged may be used again', async () => {
      const { storage } = open();
      const buffer = Buffer.from('first');
      const staged = await storage.stage(buffer);
      buffer.write('later');
      expect(await (await storage.get(await staged.commit())).text()).toBe('first');
    });
  });

  describe('names and metadata', () => {
    test('all there is room for, and a name that finds room elsewhere', async () => {
      const { storage, prefix } = open();
      const metadata = { a: 'ž'.repeat(507) };
      const filename = `${'馬'.repeat(84)}.a`;
      const id = await storage.create('x', { filename, metadata });
      expect(await storage.stat(id)).toMatchObject({ filename, metadata });
      const head = await bucket.client.send(
        new sdk.HeadObjectCommand({ Bucket: bucket.name, Key: prefix + id }),
      );
      expect(head.Metadata).not.toHaveProperty('x-depot-filename');
      const { Metadata = {} } = head;
      expect(Object.entries(Metadata).flat().join('').length).toBeLessThanOrEqual(2048);
    });

    test('objects of others: a file without a name', async () => {
      const { storage, prefix } = open();
      const object = {
        Bucket: bucket.name,
        Key: `${prefix}other`,
        Body: 'x',
        Metadata: { 'x-depot-metadata': '{' },
      };
      await storage.check();
      await bucket.client.send(new sdk.PutObjectCommand(object));
      expect(await storage.stat('other')).toMatchObject({ filename: 'unnamed', metadata: {}, size: 1 });
      expect((await storage.stat('other')).sha256).toBeUndefined();
    });
  });

  describe('prefixes', () => {
    test('are never crossed, neither downwards nor sideways', async () => {
      const { storage, prefix } = open();
      const inner = bucket.open({ prefix: `${prefix}inner/` });
      const beside = bucket.open({ prefix: `${prefix.slice(0, -1)}beside/` });
      for (const each of [storage, inner, beside]) await each.create('x', { id: `id${each.prefix.length}` });
      expect(await collect(storage.list())).toEqual([`id${prefix.length}`]);
      expect(await collect(inner.list())).toEqual([`id${inner.prefix.length}`]);
      expect(await inner.exists(`id${prefix.length}`)).toBe(false);
      await Promise.all([inner.close(), beside.close()]);
    });

    test('lists are read page by page', async () => {
      const { storage } = open();
      const send = jest.spyOn(sdk.S3Client.prototype, 'send');
      const ids = Array.from({ length: 1005 }, (_, index) => `f${String(index).padStart(4, '0')}`);
      for (let index = 0; index < ids.length; index += 50) {
        await Promise.all(ids.slice(index, index + 50).map((id) => storage.create('', { id })));
      }
      send.mockClear();
      expect(await collect(storage.list())).toEqual(ids);
      expect(send).toHaveBeenCalledTimes(2);
      expect(await collect(storage.list({ after: 'f1002' }))).toEqual(['f1003', 'f1004']);
      send.mockRestore();
    });
  });

  describe('one request', () => {
    /** Without those of the sweep, which is done in the background. */
    async function requestsOf(act: () => Promise<unknown>): Promise<string[]> {
      const send = jest.spyOn(sdk.S3Client.prototype, 'send');
      await act();
      const names = send.mock.calls.map(([command]) => command.constructor.name);
      send.mockRestore();
      return names.filter((name) => !name.startsWith('List'));
    }

    test('opens a file and streams it, or the part that was hinted at', async () => {
      const { storage } = open();
      const content = await bytes(3 * MiB);
      const id = await storage.create(content);
      const ranges = [
        [undefined, 0, content.byteLength - 1],
        ['bytes=5-9', 5, 9],
        ['bytes=100-', 100, content.byteLength - 1],
        ['bytes=-10', content.byteLength - 10, content.byteLength - 1],
      ] as const;
      for (const [range, start, end] of ranges) {
        const requests = await requestsOf(async () => {
          const opened = await storage.open(id, { range });
          expect(opened.file.size).toBe(content.byteLength);
          const read = Buffer.concat(await opened.stream({ start, end }).toArray());
          expect(read.equals(content.subarray(start, end + 1))).toBe(true);
          await opened.close();
        });
        expect(requests).toEqual(['GetObjectCommand']);
      }
    });

    test.each(['bytes=9999999-', 'bytes=-0', 'lines=1-2', 'bytes=1-2,5-6'])(
      'a hint of %s changes nothing',
      async (range) => {
        const { storage } = open();
        const id = await storage.create('content');
        const opened = await storage.open(id, { range });
        expect(opened.file.size).toBe(7);
        expect(Buffer.concat(await opened.stream().toArray()).toString()).toBe('content');
        await opened.close();
      },
    );

    test('creates a small file', async () => {
      const proxy = await FaultProxy.start(server.endpoint);
      const { storage, prefix } = open({ endpoint: proxy.url });
      await storage.create('x');
      const before = proxy.requests.length;
      const id = await storage.create('y', { filename: "it's (1)*!.txt" });
      const requests = proxy.requests.slice(before).filter((request) => !request.startsWith('GET'));
      expect(requests).toEqual([`PUT /${bucket.name}/${prefix}${id}`]);
      await storage.close();
      await proxy.stop();
    });

    test('sends the parts of a large one', async () => {
      const proxy = await FaultProxy.start(server.endpoint);
      const { storage, prefix } = open({ endpoint: proxy.url, partSize: 5 * MiB });
      await storage.create('x');
      const before = proxy.requests.length;
      const id = await storage.create(chunks(12 * MiB));
      const key = `/${bucket.name}/${prefix}${id}`;
      const requests = proxy.requests.slice(before).filter((request) => request.includes('partNumber'));
      const numbers = requests.map((request) => /[?&]partNumber=(\d+)/.exec(request)?.[1]);
      expect(numbers.sort()).toEqual(['1', '2', '3']);
      for (const request of requests) expect(request).toMatch(`PUT ${key}?`);
      await storage.close();
      await proxy.stop();
    });

    test.each(["it's (1)*!/", 'a b+c/ž&=?#/', ''])(
      'creates a small file below the prefix %j',
      async (folder) => {
        const { storage, prefix, keys } = open({ prefix: `${randomUUID()}/${folder}` });
        const id = await storage.create('x');
        expect(await keys()).toEqual([prefix + id]);
        expect(await (await fetch(await storage.url(id))).text()).toBe('x');
      },
    );

    test('a client of the application has all requests', async () => {
      const { storage } = open({ client: bucket.client });
      await storage.create('x');
      expect(await requestsOf(() => storage.create('y'))).toEqual(['PutObjectCommand']);
      const content = await bytes(20 * MiB);
      const file = await storage.get(await storage.create(chunks(content.byteLength)));
      expect((await file.buffer()).equals(content)).toBe(true);
    });

    test('a client whose answers have web streams, as those of fetch, reads what it has written', async () => {
      const { endpoint, region, credentials } = server;
      const client = new sdk.S3Client({ endpoint, region, credentials, forcePathStyle: true });
      client.middlewareStack.add(
        (next) => async (args) => {
          const result = await next(args);
          const response = result.response as { body: Readable };
          Object.assign(response, { body: Readable.toWeb(response.body) });
          return result;
        },
        { step: 'deserialize', priority: 'low' },
      );
      const { storage } = open({ client });
      const content = await bytes(3 * MiB);
      const id = await storage.create(content);
      const file = await storage.get(id);
      expect((await file.buffer()).equals(content)).toBe(true);
      expect(Buffer.concat(await file.stream({ start: 5, end: 9 }).toArray())).toEqual(
        content.subarray(5, 10),
      );
      const unread = await storage.open(id);
      await unread.close();
      for await (const _chunk of file.stream()) break;
      client.destroy();
    });
  });

  describe('URLs', () => {
    test('are the same for a while, and carry type and name', async () => {
      const { storage } = open();
      const id = await storage.create('<p>', { filename: 'žluť.html' });
      const file = await storage.get(id);
      const [one, other] = [await storage.url(id), await storage.url(file)];
      expect(other).toBe(one);
      const response = await fetch(one);
      expect(response.headers.get('content-type')).toBe('text/html');
      const download = await fetch(await storage.url(id, { disposition: 'attachment' }));
      expect(download.headers.get('content-disposition')).toMatch(
        /^attachment; filename="_lu_.html"; filename\*=/,
      );
    });

    test('work for half of their time at least', async () => {
      const { storage } = open();
      const file = await storage.get(await storage.create('x'));
      for (const expiresIn of [1, 2, 60, 3601, 604_800]) {
        const askedAt = Date.now();
        const { searchParams } = new URL(await storage.url(file, { expiresIn }));
        const [, year, month, day, hour, minute, second] =
          /^(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)Z$/.exec(searchParams.get('X-Amz-Date') ?? '') ?? [];
        const signedAt = Date.parse(`${year}-${month}-${day}T${hour}:${minute}:${second}Z`);
        const endsAt = signedAt / 1000 + Number(searchParams.get('X-Amz-Expires'));
        expect(endsAt - askedAt / 1000).toBeGreaterThan(expiresIn / 2 - 2);
        expect(endsAt - Date.now() / 1000).toBeLessThanOrEqual(expiresIn);
      }
    });

    test.each([0, -1, Number.NaN, 604_801])('cannot work for %d seconds', async (expiresIn) => {
      const { storage } = open();
      const id = await storage.create('x');
      await expect(storage.url(id, { expiresIn })).rejects.toMatchObject({ code: 'INVALID_OPTION' });
    });

    test('are signed with credentials that outlive them, and anew where there are none', async () => {
      const { storage, prefix } = open();
      const file = await storage.get(await storage.create('x'));
      const lives = [600, 3600, 600, 600, 600];
      const credentials = jest.fn(async () => {
        const expiration = new Date(Date.now() + (lives.shift() ?? 0) * 1000);
        return { ...server.credentials, accessKeyId: `key${lives.length}`, expiration };
      });
      const signing = open({ prefix, createBucket: false, credentials }).storage;
      const keyOf = async () =>
        /^key\d/.exec(new URL(await signing.url(file)).searchParams.get('X-Amz-Credential') ?? '')?.[0];
      const now = Date.now() - (Date.now() % 1_800_000);
      const clock = jest.spyOn(Date, 'now');
      const at = (minutes: number) => clock.mockReturnValue(now + minutes * 60_000);
      at(29);
      expect([await keyOf(), await keyOf()]).toEqual(['key3', 'key3']);
      at(31);
      expect([await keyOf(), await keyOf()]).toEqual(['key2', 'key2']);
      expect(credentials).toHaveBeenCalledTimes(3);
      at(37);
      expect(await keyOf()).toBe('key0');
      clock.mockRestore();
    });

    test('are signed by the clock of S3 where ours is wrong', async () => {
      const { storage, prefix } = open();
      const file = await storage.get(await storage.create('x'));
      const wrong = open({ prefix, createBucket: false }).storage;
      const wrongNow = Date.now() - 5_400_000;
      const clock = jest.spyOn(Date, 'now').mockReturnValue(wrongNow);
      await wrong.check();
      const url = await wrong.url(file);
      clock.mockRestore();
      expect((await fetch(url)).status).toBe(200);
    });

    test('are public where files are', async () => {
      const { storage, prefix } = open({ publicUrl: 'https://cdn.example/files/' });
      const file = await storage.get(await storage.create('x'));
      expect(file.publicUrl).toBe(`https://cdn.example/files/${prefix}${file.id}`);
      expect(await storage.url(file)).toBe(file.publicUrl);
      expect(await storage.url(file, { disposition: 'attachment' })).toContain('X-Amz-Signature');
    });

    test('an address in another script is one that a header can have', async () => {
      const { storage, prefix } = open({ publicUrl: 'https://bücher.example/写真' });
      const file = await storage.get(await storage.create('x'));
      expect(file.publicUrl).toBe(`https://xn--bcher-kva.example/%E5%86%99%E7%9C%9F/${prefix}${file.id}`);
    });

    test('public-read: the address of the object, for everybody', async () => {
      const { storage } = open({ policy: 'public-read', bucket: `${bucket.name}-public` });
      const file = await storage.get(await storage.create('public'));
      expect(file.publicUrl).toBe(`${server.endpoint}/${bucket.name}-public/${storage.prefix}${file.id}`);
      // This server does not look at the objects' own access control.
      const Resource = `arn:aws:s3:::${storage.bucket}/*`;
      const Statement = [{ Effect: 'Allow', Principal: '*', Action: 's3:GetObject', Resource }];
      const Policy = JSON.stringify({ Version: '2012-10-17', Statement });
      await bucket.client.send(new sdk.PutBucketPolicyCommand({ Bucket: storage.bucket, Policy }));
      expect(await (await fetch(file.publicUrl ?? '')).text()).toBe('public');
    });
  });
});
