import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import * as sdk from '@aws-sdk/client-s3';
import { afterAll, afterEach, describe, expect, test } from '@jest/globals';
import type { DepotErrorCode } from '../../lib/errors.js';
import type { S3Storage, S3StorageOptions } from '../../lib/storages/s3.js';
import { FaultProxy } from '../support/fault-proxy.js';
import { TestBucket } from '../support/s3.js';
import { describeWith, startS3Server } from '../support/servers/index.js';
import { until } from '../support/until.js';

const MiB = 1024 * 1024;
const SMALL = Buffer.alloc(MiB, 'small ');
const LARGE = Buffer.alloc(12 * MiB, 'large ');

/** Patience for tests. */
const IMPATIENT = { maxAttempts: 2, idleTimeout: 400, connectTimeout: 400 };

/** In chunks, so that it is uploaded in parts. */
async function* inChunks(content: Buffer): AsyncGenerator<Buffer> {
  for (let start = 0; start < content.byteLength; start += 65_536)
    yield content.subarray(start, start + 65_536);
}

await describeWith('S3 and its faults', [startS3Server], (server) => {
  const bucket = new TestBucket(server);
  const opened: S3Storage[] = [];
  afterAll(async () => {
    await Promise.all(opened.map((storage) => storage.close()));
    bucket.client.destroy();
  });

  function open(options: Partial<S3StorageOptions>): S3Storage {
    const storage = bucket.open({ partSize: 5 * MiB, ...options });
    opened.push(storage);
    return storage;
  }

  describe('what is set up wrongly has an error of its own', () => {
    const { accessKeyId, secretAccessKey } = server.credentials;
    const { endpoint, region } = server;
    const skewed = () =>
      new sdk.S3Client({
        ...{ endpoint, region, credentials: server.credentials },
        ...{ forcePathStyle: true, systemClockOffset: 3_600_000, maxAttempts: 1 },
      });

    test.each<[string, DepotErrorCode, () => Partial<S3StorageOptions>]>([
      [
        'an unknown access key',
        'STORAGE_LOGIN_FAILED',
        () => ({ credentials: { accessKeyId: 'nobody', secretAccessKey } }),
      ],
      [
        'a wrong secret',
        'STORAGE_LOGIN_FAILED',
        () => ({ credentials: { accessKeyId, secretAccessKey: 'wrong' } }),
      ],
      [
        'no credentials',
        'STORAGE_LOGIN_FAILED',
        () => ({ credentials: () => Promise.reject(noCredentials()) }),
      ],
      [
        'credentials without keys',
        'STORAGE_LOGIN_FAILED',
        () => ({ credentials: {} as NonNullable<S3StorageOptions['credentials']> }),
      ],
      ['a bucket that is missing', 'BUCKET_NOT_FOUND', () => ({ bucket: `missing-${randomUUID()}` })],
      ['a wrong region', 'WRONG_REGION', () => ({ region: 'eu-north-1' })],
      ['nobody there', 'STORAGE_UNAVAILABLE', () => ({ endpoint: 'http://127.0.0.1:9', maxAttempts: 1 })],
      [
        'a name without address',
        'STORAGE_UNAVAILABLE',
        () => ({ endpoint: 'http://nowhere.invalid', maxAttempts: 1 }),
      ],
    ])('%s: %s', async (_what, code, options) => {
      await open({}).create('x');
      const storage = open({ createBucket: false, ...options() });
      await expect(storage.check()).rejects.toMatchObject({ code });
      await expect(storage.stat('x')).rejects.toMatchObject({ code });
      await expect(storage.exists('x')).rejects.toMatchObject({ code });
      await expect(storage.open('x')).rejects.toMatchObject({ code });
      await expect(storage.create('x')).rejects.toMatchObject({ code });
      await expect(storage.create(inChunks(LARGE))).rejects.toMatchObject({ code });
      await expect(storage.stage('x')).rejects.toMatchObject({ code });
      await expect(storage.delete('x')).rejects.toMatchObject({ code });
      await expect(storage.list()[Symbol.asyncIterator]().next()).rejects.toMatchObject({ code });
    });

    test('a wrong clock, of which the SDK learns by it', async () => {
      const storage = open({ client: skewed(), createBucket: false });
      await expect(storage.check()).rejects.toMatchObject({ code: 'CLOCK_SKEW' });
      await expect(storage.check()).resolves.toBeUndefined();
    });

    test('a message names the bucket and says what to do', async () => {
      const storage = open({ bucket: 'missing-bucket', createBucket: false });
      await expect(storage.check()).rejects.toThrow(
        /^S3 bucket "missing-bucket" at http.*: NoSuchBucket .*; check its name and the endpoint, or set createBucket$/,
      );
    });

    test('what was wrong once is tried again', async () => {
      const name = `later-${randomUUID()}`;
      const storage = open({ bucket: name, createBucket: false });
      await expect(storage.create('x')).rejects.toMatchObject({ code: 'BUCKET_NOT_FOUND' });
      await bucket.client.send(new sdk.CreateBucketCommand({ Bucket: name }));
      expect(await (await storage.get(await storage.create('x'))).text()).toBe('x');
    });
  });

  describe('with a network in between', () => {
    let proxy: FaultProxy;

    async function through(options: Partial<S3StorageOptions> = {}): Promise<S3Storage> {
      proxy = await FaultProxy.start(server.endpoint);
      const storage = open({ endpoint: proxy.url, ...options });
      await storage.check();
      return storage;
    }

    afterEach(() => proxy.stop());

    const keys = (storage: S3Storage) => bucket.keys(storage.prefix);
    const leftovers = (storage: S3Storage) => bucket.leftovers(storage.prefix);

    test('3 of 10 answers are 503: everything succeeds, and once', async () => {
      const storage = await through({ maxAttempts: 8 });
      proxy.set({ unavailable: { probability: 0.3 } });
      const contents = Array.from({ length: 30 }, (_, index) => `content ${index}`);
      const ids = await Promise.all(contents.map((content) => storage.create(content)));
      const large = await storage.create(inChunks(LARGE));
      const texts = await Promise.all(ids.map(async (id) => (await storage.get(id)).text()));
      expect(texts).toEqual(contents);
      expect((await (await storage.get(large)).buffer()).equals(LARGE)).toBe(true);
      expect(await keys(storage)).toHaveLength(31);
      expect(await leftovers(storage)).toEqual([]);
    }, 60_000);

    test('all answers are 503: an error, and nothing stays', async () => {
      const storage = await through(IMPATIENT);
      proxy.set({ unavailable: {} });
      await expect(storage.create(SMALL)).rejects.toMatchObject({ code: 'STORAGE_UNAVAILABLE' });
      proxy.set({ unavailable: { matching: /partNumber=2/ } });
      await expect(storage.create(inChunks(LARGE))).rejects.toMatchObject({ code: 'STORAGE_UNAVAILABLE' });
      expect([...(await keys(storage)), ...(await leftovers(storage))]).toEqual([]);
    });

    test.each(['reset', 'stall'] as const)('%s in the midst of a PUT, once: it is repeated', async (kind) => {
      const storage = await through(IMPATIENT);
      proxy.set({ cut: { kind, direction: 'request', after: MiB / 2, times: 1 } });
      const id = await storage.create(SMALL);
      expect((await (await storage.get(id)).buffer()).equals(SMALL)).toBe(true);
      expect(await keys(storage)).toHaveLength(1);
    });

    test.each(['reset', 'stall'] as const)(
      '%s in the midst of each PUT: an error, and nothing stays',
      async (kind) => {
        const storage = await through(IMPATIENT);
        const id = await storage.create('old');
        proxy.set({ cut: { kind, direction: 'request', after: MiB / 2 } });
        for (const content of [SMALL, LARGE]) {
          await expect(storage.create(inChunks(content))).rejects.toMatchObject({
            code: 'STORAGE_UNAVAILABLE',
          });
          await expect(storage.replace(id, inChunks(content))).rejects.toMatchObject({
            code: 'STORAGE_UNAVAILABLE',
          });
        }
        proxy.dropConnections();
        proxy.clear();
        expect(await (await storage.get(id)).text()).toBe('old');
        expect(await keys(storage)).toEqual([storage.prefix + id]);
        expect(await leftovers(storage)).toEqual([]);
        await until(() => proxy.openConnections <= 2, 'the sockets of what failed');
      },
    );

    test.each(['small', 'large'])('the answer to a commit is lost: it counts (%s)', async (kind) => {
      const content = kind === 'small' ? SMALL : LARGE;
      const storage = await through(IMPATIENT);
      const expected = { filename: 'a' };
      for (const options of [{}, { expected }]) {
        const staged = await storage.stage(inChunks(content), options);
        proxy.set({ cut: { kind: 'reset', direction: 'response', after: 0, times: 1 } });
        const id = await staged.commit(expected);
        proxy.clear();
        expect((await (await storage.get(id)).buffer()).equals(content)).toBe(true);
        await storage.replace(id, 'small');
        const next = await storage.stage(inChunks(content));
        proxy.set({ cut: { kind: 'reset', direction: 'response', after: 0, times: 1 } });
        await next.replace(id);
        proxy.clear();
        expect((await (await storage.get(id)).buffer()).equals(content)).toBe(true);
        await storage.delete(id);
      }
      expect([...(await keys(storage)), ...(await leftovers(storage))]).toEqual([]);
    });

    test.each(['reset', 'truncate', 'stall'] as const)(
      '%s in the midst of content, once: the rest is fetched',
      async (kind) => {
        const storage = await through(IMPATIENT);
        const id = await storage.create(LARGE);
        const file = await storage.get(id);
        proxy.set({ cut: { kind, direction: 'response', after: 5 * MiB, times: 1 } });
        expect((await file.buffer()).equals(LARGE)).toBe(true);
        proxy.set({ cut: { kind, direction: 'response', after: 5 * MiB, times: 1 } });
        const { stream, close } = await storage.open(id);
        expect(Buffer.concat(await stream({ start: 7 }).toArray()).equals(LARGE.subarray(7))).toBe(true);
        await close();
      },
    );

    test('content that keeps breaking off is an error', async () => {
      const storage = await through(IMPATIENT);
      const file = await storage.get(await storage.create(SMALL));
      proxy.set({ cut: { kind: 'reset', direction: 'response', after: 50 } });
      await expect(file.buffer()).rejects.toMatchObject({ code: 'STORAGE_UNAVAILABLE' });
      proxy.set({ cut: { kind: 'stall', direction: 'response', after: 50 } });
      await expect(file.buffer()).rejects.toMatchObject({ code: 'STORAGE_UNAVAILABLE' });
    });

    test('a file that is replaced while it breaks off: the reader gets no mix', async () => {
      const storage = await through(IMPATIENT);
      const id = await storage.create(LARGE);
      const file = await storage.get(id);
      proxy.set({ cut: { kind: 'reset', direction: 'response', after: 5 * MiB, times: 1 } });
      const read = async () => {
        let isFirst = true;
        for await (const _chunk of file.stream()) {
          if (isFirst) await bucketPut(storage.prefix + id, Buffer.alloc(12 * MiB, 'other'));
          isFirst = false;
        }
      };
      await expect(read()).rejects.toMatchObject({ code: 'CONFLICT' });
    });

    test('a reader who leaves takes the connection along', async () => {
      const storage = await through();
      const id = await storage.create(LARGE);
      const { stream, close } = await storage.open(id);
      for await (const _chunk of stream()) break;
      await close();
      const unread = await storage.open(id);
      await unread.close();
      const controller = new AbortController();
      const left = (await storage.get(id)).stream({ signal: controller.signal });
      left.once('data', () => controller.abort());
      await expect(left.toArray()).rejects.toMatchObject({ name: 'AbortError' });
      await storage.close();
      await until(() => proxy.openConnections === 0, 'connections that are closed');
    });

    async function bucketPut(Key: string, Body: Buffer): Promise<void> {
      await bucket.client.send(new sdk.PutObjectCommand({ Bucket: bucket.name, Key, Body }));
    }
  });

  describe('a server unlike that of Amazon', () => {
    let odd: Server;
    afterEach(() => {
      odd.closeAllConnections();
      odd.close();
    });

    /** A storage of a server that has nothing, and answers all requests of some methods with an error. */
    async function answering(errors: Record<string, [status: number, code: string]>, createBucket = false) {
      odd = createServer(({ method = '' }, res) => {
        const [status, code] = errors[method] ?? [200];
        const error = `<Error><Code>${code}</Code><Message>So it is.</Message></Error>`;
        res.writeHead(status, { 'content-type': 'application/xml' });
        res.end(status === 200 ? '<ListBucketResult></ListBucketResult>' : error);
      });
      await once(odd.listen(0, '127.0.0.1'), 'listening');
      const { port } = odd.address() as AddressInfo;
      return open({ endpoint: `http://127.0.0.1:${port}`, createBucket, ...IMPATIENT });
    }

    test('and says of a file to delete that it is missing', async () => {
      const storage = await answering({ DELETE: [404, 'NoSuchKey'] });
      await expect(storage.delete('id')).resolves.toBeUndefined();
    });

    test('and knows no conditions of writes', async () => {
      const storage = await answering({ HEAD: [404, ''], PUT: [501, 'NotImplemented'] });
      await expect(storage.create('x')).rejects.toMatchObject({
        code: 'STORAGE_FAILED',
        message: expect.stringContaining('conditionalWrites: false'),
      });
    });

    test('or where we may not make the bucket', async () => {
      const ours = open({});
      const file = await ours.get(await ours.create('x'));
      const storage = await answering({ HEAD: [404, ''], PUT: [403, 'AccessDenied'] }, true);
      const refused = {
        code: 'STORAGE_ACCESS_DENIED',
        message: expect.stringMatching(/^S3 bucket ".*AccessDenied/),
      };
      await expect(storage.url(file)).rejects.toMatchObject(refused);
      await expect(storage.check()).rejects.toMatchObject(refused);
      await expect(storage.create('x')).rejects.toMatchObject(refused);
    });

    test.each(['BucketAlreadyOwnedByYou', 'BucketAlreadyExists', 'OperationAborted'])(
      'or where somebody else makes the bucket at the same moment: %s',
      async (code) => {
        const storage = await answering({ HEAD: [404, ''], PUT: [409, code] }, true);
        await expect(storage.check()).resolves.toBeUndefined();
      },
    );
  });

  describe('a server that knows a completed upload no more, where its answer was lost', () => {
    const noSuchUpload = () => {
      const $metadata = { httpStatusCode: 404 };
      throw Object.assign(new Error('It may have been completed'), { name: 'NoSuchUpload', $metadata });
    };

    test.each([true, false])('the file is there, with its digest (expected: %s)', async (isExpected) => {
      const storage = open({ client: clientWith({ CompleteMultipartUploadCommand: noSuchUpload }) });
      const staged = await storage.stage(inChunks(LARGE), isExpected ? { expected: {} } : {});
      const file = await storage.get(await staged.commit());
      expect(file.sha256).toBe(staged.sha256);
      expect((await file.buffer()).equals(LARGE)).toBe(true);
      expect(await bucket.leftovers(storage.prefix)).toEqual([]);
    });

    test('the digest is not given to what another one has put in its place', async () => {
      let isReplaced = false;
      const replace = async () => {
        if (isReplaced) return;
        isReplaced = true;
        const object = { Bucket: bucket.name, Key: `${storage.prefix}id` };
        await bucket.client.send(new sdk.PutObjectCommand({ ...object, Body: 'other' }));
      };
      const after = { CompleteMultipartUploadCommand: noSuchUpload, HeadObjectCommand: replace };
      const storage = open({ client: clientWith(after) });
      await storage.create(inChunks(LARGE), { id: 'id' });
      const file = await storage.get('id');
      expect(await file.text()).toBe('other');
      expect(file.sha256).toBeUndefined();
    });
  });

  test('all answers to a completion are lost: an error, and nothing staged stays', async () => {
    const lose = () => {
      throw Object.assign(new Error('socket hang up'), { code: 'ECONNRESET' });
    };
    const storage = open({ client: clientWith({ CompleteMultipartUploadCommand: lose }) });
    const staged = await storage.stage(inChunks(LARGE));
    await expect(staged.commit()).rejects.toMatchObject({ code: 'STORAGE_UNAVAILABLE' });
    expect([...(await bucket.keys(storage.prefix)), ...(await bucket.leftovers(storage.prefix))]).toEqual([]);
  });

  /** A client after whose requests something happens, by the names of their commands. */
  function clientWith(after: Readonly<Record<string, () => unknown>>): sdk.S3Client {
    const { endpoint, region, credentials } = server;
    const client = new sdk.S3Client({ endpoint, region, credentials, forcePathStyle: true });
    client.middlewareStack.add(
      (next, { commandName = '' }) =>
        async (args) => {
          const result = await next(args);
          await after[commandName]?.();
          return result;
        },
      { step: 'initialize' },
    );
    return client;
  }

  test('a server that is started again is found again', async () => {
    if (!server.isOwn) return;
    const storage = open({});
    const id = await storage.create('kept');
    await server.restart();
    expect(await (await storage.get(id)).text()).toBe('kept');
    await storage.replace(id, 'new');
    expect(await (await storage.get(id)).text()).toBe('new');
  });
});

function noCredentials(): Error {
  return Object.assign(new Error('Could not load credentials'), { name: 'CredentialsProviderError' });
}
