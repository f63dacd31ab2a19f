import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { mkdtemp, writeFile } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, test } from '@jest/globals';
import type { DepotErrorCode } from '../../lib/errors.js';
import type { GCSStorage, GCSStorageOptions } from '../../lib/storages/gcs.js';
import { FaultProxy } from '../support/fault-proxy.js';
import { removeFolder } from '../support/folders.js';
import { TestGcsBucket } from '../support/gcs.js';
import { describeWith, startGcsServer } from '../support/servers/index.js';
import { StrictGcs } from '../support/strict-gcs.js';
import { until } from '../support/until.js';

const MiB = 1024 * 1024;
const SMALL = Buffer.alloc(MiB, 'small ');
const LARGE = Buffer.alloc(6 * MiB + 7, 'large ');

/** Patience for tests. */
const IMPATIENT = { maxAttempts: 2, idleTimeout: 400, connectTimeout: 400 };

/** In chunks, so that it is uploaded in pieces. */
async function* inChunks(content: Buffer): AsyncGenerator<Buffer> {
  for (let start = 0; start < content.byteLength; start += 65_536)
    yield content.subarray(start, start + 65_536);
}

await describeWith('Google Cloud Storage and its faults', [startGcsServer], (server) => {
  const bucket = new TestGcsBucket(server);
  const opened: GCSStorage[] = [];
  let strict: StrictGcs;
  beforeAll(async () => {
    strict = await StrictGcs.start(server.endpoint);
    const storage = open({});
    await storage.check();
  });
  afterAll(async () => {
    await Promise.all(opened.map((storage) => storage.close()));
    await strict.stop();
  });

  function open(options: Partial<GCSStorageOptions>): GCSStorage {
    const storage = bucket.open({ chunkSize: 2 * MiB, ...options });
    opened.push(storage);
    return storage;
  }

  const names = (storage: GCSStorage) => bucket.names(storage.prefix);

  async function leftovers({ prefix }: GCSStorage): Promise<string[]> {
    const waiting = [...strict.sessions.values()].filter(({ done }) => !done);
    const uploads = waiting.map(({ resource }) => JSON.parse(resource).name);
    return [...(await bucket.leftovers(prefix)), ...uploads.filter((name) => name.startsWith(prefix))];
  }

  describe('what is set up wrongly has an error of its own', () => {
    test.each<[string, DepotErrorCode, () => Partial<GCSStorageOptions>]>([
      ['a bucket that is missing', 'BUCKET_NOT_FOUND', () => ({ bucket: `missing-${randomUUID()}` })],
      ['nobody there', 'STORAGE_UNAVAILABLE', () => ({ apiEndpoint: 'http://127.0.0.1:9', maxAttempts: 1 })],
      [
        'a name without address',
        'STORAGE_UNAVAILABLE',
        () => ({ apiEndpoint: 'http://nowhere.invalid', maxAttempts: 1 }),
      ],
      [
        'a key file that is missing',
        'STORAGE_LOGIN_FAILED',
        () => ({ credentials: undefined, keyFilename: '/missing.json', useAuthWithCustomEndpoint: true }),
      ],
    ])('%s: %s', async (_what, code, options) => {
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

    test('a message names the bucket and says what to do', async () => {
      const storage = open({ bucket: 'missing-bucket', createBucket: false });
      await expect(storage.check()).rejects.toThrow(
        /^Bucket "missing-bucket" of Google Cloud Storage at http.*: 404 .*; check its name and apiEndpoint, or set createBucket$/,
      );
    });

    test('what was wrong once is tried again', async () => {
      const name = `later-${randomUUID()}`;
      const storage = open({ bucket: name, createBucket: false });
      await expect(storage.create('x')).rejects.toMatchObject({ code: 'BUCKET_NOT_FOUND' });
      await bucket.client.createBucket(name);
      expect(await (await storage.get(await storage.create('x'))).text()).toBe('x');
    });
  });

  describe('with a login', () => {
    let folder: string;
    let tokens: Server;
    /** What is answered to whoever wants a token. */
    let answer: { status: number; body: object };

    beforeAll(async () => {
      folder = await mkdtemp(join(tmpdir(), 'filedepot-gcs-'));
      await writeFile(join(folder, 'subject'), 'who we are elsewhere');
      tokens = createServer((_req, res) => {
        res.writeHead(answer.status, { 'content-type': 'application/json' });
        res.end(JSON.stringify(answer.body));
      });
      await once(tokens.listen(0, '127.0.0.1'), 'listening');
      const account = {
        type: 'external_account',
        audience: 'nobody',
        subject_token_type: 'urn:ietf:params:oauth:token-type:jwt',
        token_url: `http://127.0.0.1:${(tokens.address() as AddressInfo).port}/token`,
        credential_source: { file: join(folder, 'subject') },
      };
      await writeFile(join(folder, 'key.json'), JSON.stringify(account));
      strict.token = 'secret';
    });
    afterAll(async () => {
      strict.token = undefined;
      tokens.closeAllConnections();
      tokens.close();
      await removeFolder(folder);
    });

    function login(): GCSStorage {
      const keyFilename = join(folder, 'key.json');
      const options = { credentials: undefined, keyFilename, useAuthWithCustomEndpoint: true };
      return open({ apiEndpoint: strict.url, ...IMPATIENT, ...options });
    }

    function grant(access_token: string): void {
      const issued_token_type = 'urn:ietf:params:oauth:token-type:access_token';
      answer = {
        status: 200,
        body: { access_token, issued_token_type, token_type: 'Bearer', expires_in: 3600 },
      };
    }

    test('that is right: each request has a token', async () => {
      grant('secret');
      const storage = login();
      const id = await storage.create(inChunks(LARGE));
      expect((await (await storage.get(id)).buffer()).equals(LARGE)).toBe(true);
      await storage.replace(id, 'new');
      await storage.delete(id);
      expect(await names(storage)).toEqual([]);
    });

    test('that the server does not take', async () => {
      grant('wrong');
      await expect(login().check()).rejects.toMatchObject({ code: 'STORAGE_LOGIN_FAILED' });
      await expect(login().create('x')).rejects.toMatchObject({ code: 'STORAGE_LOGIN_FAILED' });
    });

    test.each<[string, DepotErrorCode, number, object]>([
      [
        'unknown',
        'STORAGE_LOGIN_FAILED',
        400,
        { error: 'invalid_grant', error_description: 'account not found' },
      ],
      [
        'of a wrong clock',
        'CLOCK_SKEW',
        400,
        {
          error: 'invalid_grant',
          error_description:
            'Invalid JWT: Token must be a short-lived token (60 minutes) and in a reasonable timeframe.',
        },
      ],
      ['that nobody can check now', 'STORAGE_UNAVAILABLE', 503, {}],
    ])('%s: %s', async (_what, code, status, body) => {
      answer = { status, body };
      await expect(login().check()).rejects.toMatchObject({ code });
    });

    test('that never comes', async () => {
      const authClient = { getRequestHeaders: () => new Promise(() => {}) };
      const client = { apiEndpoint: strict.url, authClient, bucket: () => ({}) };
      await expect(open({ client, ...IMPATIENT }).check()).rejects.toMatchObject({
        code: 'STORAGE_UNAVAILABLE',
      });
    });

    test('that cannot sign', async () => {
      grant('secret');
      const storage = login();
      const id = await storage.create('x');
      await expect(storage.url(id)).rejects.toMatchObject({
        code: 'STORAGE_LOGIN_FAILED',
        message: expect.stringMatching(/signed by a service account/),
      });
    });
  });

  describe('with a network in between', () => {
    let proxy: FaultProxy;

    async function through(options: Partial<GCSStorageOptions> = {}): Promise<GCSStorage> {
      proxy = await FaultProxy.start(strict.url);
      const storage = open({ apiEndpoint: proxy.url, ...options });
      await storage.check();
      return storage;
    }

    afterEach(() => proxy.stop());

    test('3 of 10 answers are 503: everything succeeds, and once', async () => {
      const storage = await through({ maxAttempts: 8 });
      proxy.set({ unavailable: { probability: 0.3 } });
      const contents = Array.from({ length: 30 }, (_, index) => `content ${index}`);
      const ids = await Promise.all(contents.map((content) => storage.create(content)));
      const large = await storage.create(inChunks(LARGE));
      await storage.replace(large, inChunks(LARGE));
      const texts = await Promise.all(ids.map(async (id) => (await storage.get(id)).text()));
      expect(texts).toEqual(contents);
      expect((await (await storage.get(large)).buffer()).equals(LARGE)).toBe(true);
      expect(await names(storage)).toHaveLength(31);
      expect(await leftovers(storage)).toEqual([]);
    }, 60_000);

    test('all answers are 503: an error, and nothing stays', async () => {
      const storage = await through(IMPATIENT);
      proxy.set({ unavailable: {} });
      await expect(storage.create(SMALL)).rejects.toMatchObject({ code: 'STORAGE_UNAVAILABLE' });
      proxy.set({ unavailable: { matching: /^PUT / } });
      await expect(storage.create(inChunks(LARGE))).rejects.toMatchObject({ code: 'STORAGE_UNAVAILABLE' });
      expect([...(await names(storage)), ...(await leftovers(storage))]).toEqual([]);
    });

    test.each(['reset', 'stall'] as const)(
      '%s in the midst of content, once: it is sent again',
      async (kind) => {
        const storage = await through({ ...IMPATIENT, maxAttempts: 4 });
        for (const content of [SMALL, LARGE]) {
          proxy.set({ cut: { kind, direction: 'request', after: MiB / 2, times: 1 } });
          const id = await storage.create(inChunks(content));
          expect((await (await storage.get(id)).buffer()).equals(content)).toBe(true);
        }
        expect(await names(storage)).toHaveLength(2);
        expect(await leftovers(storage)).toEqual([]);
      },
    );

    test('a piece whose answer is lost is not sent again', async () => {
      const storage = await through({ ...IMPATIENT, maxAttempts: 4 });
      const content = async function* () {
        yield* inChunks(LARGE.subarray(0, 4 * MiB));
        proxy.set({ cut: { kind: 'reset', direction: 'response', after: 0, times: 1 } });
        yield* inChunks(LARGE.subarray(4 * MiB));
      };
      const id = await storage.create(content());
      expect((await (await storage.get(id)).buffer()).equals(LARGE)).toBe(true);
    });

    test.each(['reset', 'stall'] as const)(
      '%s in the midst of each request: an error, and nothing stays',
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
        expect(await names(storage)).toEqual([storage.prefix + id]);
        expect(await leftovers(storage)).toEqual([]);
        await until(() => proxy.openConnections <= 2, 'the sockets of what failed');
      },
    );

    test.each(['small', 'large'])('the answer to a commit is lost: it counts (%s)', async (kind) => {
      const content = kind === 'small' ? SMALL : LARGE;
      const storage = await through({ ...IMPATIENT, maxAttempts: 3 });
      const expected = { filename: 'a' };
      const loseOneAnswer = () =>
        proxy.set({ cut: { kind: 'reset', direction: 'response', after: 0, times: 1 } });
      for (const options of [{}, { expected }]) {
        const staged = await storage.stage(inChunks(content), options);
        loseOneAnswer();
        const id = await staged.commit(expected);
        proxy.clear();
        expect((await (await storage.get(id)).buffer()).equals(content)).toBe(true);
        await storage.replace(id, 'small');
        const next = await storage.stage(inChunks(content));
        loseOneAnswer();
        await next.replace(id);
        proxy.clear();
        expect((await (await storage.get(id)).buffer()).equals(content)).toBe(true);
        loseOneAnswer();
        await storage.delete(id);
        proxy.clear();
      }
      expect([...(await names(storage)), ...(await leftovers(storage))]).toEqual([]);
    });

    test('all answers to a commit are lost: an error, and nothing staged stays', async () => {
      const storage = await through(IMPATIENT);
      const staged = await storage.stage(inChunks(LARGE));
      proxy.set({ cut: { kind: 'reset', direction: 'response', after: 0 } });
      await expect(staged.commit()).rejects.toMatchObject({ code: 'STORAGE_UNAVAILABLE' });
      proxy.clear();
      expect([...(await names(storage)), ...(await leftovers(storage))]).toEqual([]);
    });

    test.each(['reset', 'truncate', 'stall'] as const)(
      '%s in the midst of content, once: the rest is fetched',
      async (kind) => {
        const storage = await through(IMPATIENT);
        const id = await storage.create(LARGE);
        const file = await storage.get(id);
        proxy.set({ cut: { kind, direction: 'response', after: 3 * MiB, times: 1 } });
        expect((await file.buffer()).equals(LARGE)).toBe(true);
        proxy.set({ cut: { kind, direction: 'response', after: 3 * MiB, times: 1 } });
        const { stream, close } = await storage.open(id);
        expect(Buffer.concat(await stream({ start: 7 }).toArray()).equals(LARGE.subarray(7))).toBe(true);
        await close();
      },
    );

    test('content that keeps breaking off is an error', async () => {
      const storage = await through(IMPATIENT);
      const file = await storage.get(await storage.create(SMALL));
      for (const kind of ['reset', 'truncate', 'stall'] as const) {
        proxy.set({ cut: { kind, direction: 'response', after: 50 } });
        await expect(file.buffer()).rejects.toMatchObject({ code: 'STORAGE_UNAVAILABLE' });
      }
    });

    test('a file that is replaced while it breaks off: the reader gets no mix', async () => {
      const storage = await through(IMPATIENT);
      const id = await storage.create(LARGE);
      const file = await storage.get(id);
      proxy.set({ cut: { kind: 'reset', direction: 'response', after: 3 * MiB, times: 1 } });
      const read = async () => {
        let isFirst = true;
        for await (const _chunk of file.stream()) {
          if (isFirst) await bucket.save(storage.prefix + id, Buffer.alloc(LARGE.byteLength, 'other'));
          isFirst = false;
        }
      };
      await expect(read()).rejects.toMatchObject({ code: 'CONFLICT' });
    });

    test('an answer that is late is no failure', async () => {
      const storage = await through();
      proxy.set({ delay: 30 });
      const id = await storage.create('late');
      expect(await (await storage.get(id)).text()).toBe('late');
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

    test('who gives up an upload has it cancelled', async () => {
      const storage = await through();
      const controller = new AbortController();
      const content = async function* () {
        yield* inChunks(LARGE);
        controller.abort(new Error('enough'));
        yield SMALL;
      };
      await expect(storage.create(content(), { signal: controller.signal })).rejects.toThrow('enough');
      expect([...(await names(storage)), ...(await leftovers(storage))]).toEqual([]);
    });
  });
});

await describeWith(
  'A Google Cloud Storage server',
  [() => startGcsServer({ persistent: true })],
  (server) => {
    test('that is started again is found again', async () => {
      if (!server.isOwn) return;
      const storage = new TestGcsBucket(server).open();
      const id = await storage.create('kept');
      await server.restart();
      expect(await (await storage.get(id)).text()).toBe('kept');
      await storage.replace(id, 'new');
      expect(await (await storage.get(id)).text()).toBe('new');
      await storage.close();
    });
  },
);
