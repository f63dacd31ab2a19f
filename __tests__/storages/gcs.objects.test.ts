import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, jest, test } from '@jest/globals';
import { ABANDONED_AFTER } from '../../lib/object-storage/staging-area.js';
import { GCSBucket } from '../../lib/storages/gcs/bucket.js';
import { checkedOptions } from '../../lib/storages/gcs/options.js';
import { sweep } from '../../lib/storages/gcs/sweep.js';
import type { GCSStorage, GCSStorageOptions } from '../../lib/storages/gcs.js';
import { TestGcsBucket } from '../support/gcs.js';
import { describeWith, startGcsServer } from '../support/servers/index.js';
import { StrictGcs } from '../support/strict-gcs.js';

const UNIT = 256 * 1024;

/** In chunks as they come from a socket; no two of them alike. */
async function* chunks(byteLength: number): AsyncGenerator<Buffer> {
  for (let position = 0; position < byteLength; position += 65_536) {
    const chunk = Buffer.alloc(Math.min(65_536, byteLength - position));
    chunk.write(String(position));
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

await describeWith('Objects of Google Cloud Storage', [startGcsServer], (server) => {
  const bucket = new TestGcsBucket(server);
  const opened: GCSStorage[] = [];
  let strict: StrictGcs;
  beforeAll(async () => {
    strict = await StrictGcs.start(server.endpoint);
  });
  afterAll(async () => {
    await Promise.all(opened.map((storage) => storage.close()));
    await strict.stop();
  });

  /** A storage with a prefix of its own, and what lies below it. */
  function open(options: Partial<GCSStorageOptions> = {}) {
    const storage = bucket.open({ apiEndpoint: strict.url, chunkSize: UNIT, ...options });
    const { prefix } = storage;
    opened.push(storage);
    return {
      storage,
      prefix,
      leftovers: () => bucket.leftovers(prefix),
      names: () => bucket.names(prefix),
      resource: async (id: string) =>
        (
          await bucket.client
            .bucket(bucket.name)
            .file(prefix + id)
            .getMetadata()
        )[0],
    };
  }

  /** Without those of the sweep and of the bucket, which come with the first use. */
  async function requestsOf(act: () => Promise<unknown>): Promise<string[]> {
    const before = strict.requests.length;
    await act();
    return strict.requests.slice(before).filter((request) => !/^GET \/storage/.test(request));
  }

  const methods = (requests: readonly string[]) => requests.map((request) => request.replace(/ .*/, ''));

  describe('large content', () => {
    const content = (byteLength: number) => bytes(byteLength);

    test.each([UNIT + 1, 2 * UNIT, 2 * UNIT + 1, 5 * UNIT - 1, 7 * UNIT])(
      'create: %d bytes in pieces, whole, with the digest',
      async (size) => {
        const { storage, leftovers, names, prefix } = open();
        const options = { filename: 'žluť.bin', contentType: 'image/x-a', metadata: { a: 'ž' } };
        const id = await storage.create(chunks(size), options);
        const file = await storage.get(id);
        expect(file).toMatchObject({ ...options, size, sha256: expect.stringMatching(/^[0-9a-f]{64}$/) });
        expect((await file.buffer()).equals(await content(size))).toBe(true);
        expect(await names()).toEqual([prefix + id]);
        expect(await leftovers()).toEqual([]);
      },
    );

    test('nothing is there before the commit; then it is known what the file was expected to be', async () => {
      const { storage, names } = open();
      await storage.check();
      const expected = { filename: 'a.txt', metadata: { a: 1 } };
      const requests = await requestsOf(async () => {
        const staged = await storage.stage(chunks(4 * UNIT), { expected: () => expected });
        expect(await names()).toEqual([]);
        const file = await storage.get(await staged.commit(expected));
        expect(file).toMatchObject({ ...expected, sha256: staged.sha256 });
      });
      expect(methods(requests).join(' ')).toMatch(/^POST( PUT){2,4} PATCH HEAD$/);
    });

    test('stage: of what is said only at commit', async () => {
      const { storage, leftovers } = open();
      const staged = await storage.stage(chunks(3 * UNIT));
      const id = await staged.commit({ id: 'late', filename: 'late.txt', metadata: { late: true } });
      const file = await storage.get(id);
      expect(file).toMatchObject({ id: 'late', filename: 'late.txt', metadata: { late: true } });
      expect((await file.buffer()).equals(await content(3 * UNIT))).toBe(true);
      expect(file.sha256).toBe(staged.sha256);
      expect(await leftovers()).toEqual([]);
    });

    test('stage: what is committed as something else than was expected', async () => {
      const { storage, names } = open();
      const staged = await storage.stage(chunks(3 * UNIT), { expected: { filename: 'a.txt' } });
      await expect(staged.commit({ filename: 'b.txt' })).rejects.toMatchObject({ code: 'CONFLICT' });
      const other = await storage.stage(chunks(3 * UNIT), { expected: { filename: 'a.txt' } });
      const id = await storage.create('old');
      await expect(other.replace(id)).rejects.toMatchObject({ code: 'CONFLICT' });
      await storage.delete(id);
      expect(await names()).toEqual([]);
      expect([...strict.sessions.values()].filter(({ done }) => !done)).toEqual([]);
    });

    test.each(['taken before', 'taken meanwhile', 'staged'])('create: an id that is %s', async (when) => {
      const { storage, leftovers } = open();
      const take = () => storage.create('first', { id: 'taken' });
      if (when !== 'taken meanwhile') await take();
      const source = async function* () {
        yield* chunks(3 * UNIT);
        if (when === 'taken meanwhile') await take();
        yield Buffer.alloc(10);
      };
      const act =
        when === 'staged'
          ? storage.stage(source()).then((staged) => staged.commit({ id: 'taken' }))
          : storage.create(source(), { id: 'taken' });
      await expect(act).rejects.toMatchObject({ code: 'FILE_EXISTS' });
      expect(await (await storage.get('taken')).text()).toBe('first');
      expect(await leftovers()).toEqual([]);
    });

    test('replace: keeps what is not given; a file that is gone stays gone', async () => {
      const { storage, names } = open();
      const id = await storage.create('old', { filename: 'old.txt', metadata: { old: true } });
      await storage.replace(id, chunks(3 * UNIT));
      const file = await storage.get(id);
      expect(file).toMatchObject({ filename: 'old.txt', contentType: 'text/plain', metadata: { old: true } });
      expect((await file.buffer()).equals(await content(3 * UNIT))).toBe(true);
      const source = async function* () {
        yield* chunks(3 * UNIT);
        await storage.delete(id);
        yield Buffer.alloc(10);
      };
      await expect(storage.replace(id, source())).rejects.toMatchObject({ code: 'FILE_NOT_FOUND' });
      expect(await names()).toEqual([]);
    });

    test('copies may take several requests', async () => {
      const { storage, leftovers } = open({ storageClass: 'NEARLINE' });
      strict.copiesInSteps = true;
      const staged = await storage.stage(chunks(3 * UNIT));
      const requests = await requestsOf(() => staged.commit({ id: 'copied' }));
      strict.copiesInSteps = false;
      const copies = requests.filter((request) => request.includes('/rewriteTo/'));
      expect(copies).toEqual([expect.any(String), expect.stringContaining('rewriteToken=go+on')]);
      expect((await storage.stat('copied')).size).toBe(3 * UNIT);
      expect(await leftovers()).toEqual([]);
    });

    test('replace: two at once, and the last one stays whole', async () => {
      const { storage, leftovers } = open();
      const id = await storage.create('old');
      await Promise.all([3, 4, 5].map((pieces) => storage.replace(id, chunks(pieces * UNIT))));
      const file = await storage.get(id);
      expect((await file.buffer()).equals(await content(file.size))).toBe(true);
      expect(await leftovers()).toEqual([]);
    });
  });

  describe('what is said of objects', () => {
    test('storage class; everybody may read what is public, unless the bucket decides', async () => {
      const { storage, resource } = open({ storageClass: 'NEARLINE', policy: 'public-read' });
      await storage.check();
      for (const content of ['small', chunks(3 * UNIT)]) {
        const requests = await requestsOf(async () => {
          const id = await storage.create(content);
          expect((await resource(id)).storageClass).toBe('NEARLINE');
        });
        expect(requests[0]).toMatch(/^POST .*predefinedAcl=publicRead/);
      }
      const staged = await storage.stage(chunks(3 * UNIT));
      const copying = await requestsOf(() => staged.commit());
      expect(copying.find((request) => request.includes('/rewriteTo/'))).toMatch(
        /destinationPredefinedAcl=publicRead/,
      );
      const uniform = open({ policy: 'public-read', uniformBucketLevelAccess: true });
      await uniform.storage.check();
      const [request] = await requestsOf(() => uniform.storage.create('x'));
      expect(request).not.toMatch(/Acl/);
      expect((await uniform.storage.get(await uniform.storage.create('y'))).publicUrl).toMatch(/^http/);
    });

    test('preconditions: there is none, it is this one, it is gone', async () => {
      const { storage } = open();
      await storage.check();
      const [creation] = await requestsOf(() => storage.create('x', { id: 'a' }));
      expect(creation).toMatch(/ifGenerationMatch=0$/);
      const generation = (await storage.stat('a')).etag.slice(1, -1);
      const replacement = await requestsOf(() => storage.replace('a', 'y'));
      expect(replacement.at(-1)).toMatch(new RegExp(`ifGenerationMatch=${generation}$`));
      const deletion = await requestsOf(() => storage.delete('a'));
      expect(deletion.at(-1)).toMatch(/^DELETE .*ifGenerationMatch=\d{10,}$/);
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
      const ids = Array.from({ length: 1005 }, (_, index) => `f${String(index).padStart(4, '0')}`);
      for (let index = 0; index < ids.length; index += 50) {
        await Promise.all(ids.slice(index, index + 50).map((id) => storage.create('', { id })));
      }
      const before = strict.requests.length;
      expect(await collect(storage.list())).toEqual(ids);
      expect(strict.requests.length - before).toBe(2);
      expect(await collect(storage.list({ after: 'f1002' }))).toEqual(['f1003', 'f1004']);
      expect(await collect(storage.list({ after: 'f1002', prefix: 'f1003' }))).toEqual(['f1003']);
    });
  });

  describe('one request', () => {
    test('opens a file and streams it, or the part that was hinted at', async () => {
      const { storage } = open();
      const content = await bytes(3 * 1024 * 1024);
      const id = await storage.create(content);
      const ranges = [
        [undefined, 0, content.byteLength - 1],
        ['bytes=5-9', 5, 9],
        ['bytes=100-', 100, content.byteLength - 1],
        ['bytes=-10', content.byteLength - 10, content.byteLength - 1],
      ] as const;
      for (const [range, start, end] of ranges) {
        const requests = await requestsOf(async () => {
          const file = await storage.open(id, { range });
          expect(file.file.size).toBe(content.byteLength);
          const read = Buffer.concat(await file.stream({ start, end }).toArray());
          expect(read.equals(content.subarray(start, end + 1))).toBe(true);
          await file.close();
        });
        expect(methods(requests)).toEqual(['GET']);
      }
    });

    test.each(['bytes=9999999-', 'bytes=-0', 'lines=1-2', 'bytes=1-2,5-6'])(
      'a hint of %s changes nothing',
      async (range) => {
        const { storage } = open();
        const id = await storage.create('content');
        const file = await storage.open(id, { range });
        expect(file.file.size).toBe(7);
        expect(Buffer.concat(await file.stream().toArray()).toString()).toBe('content');
        await file.close();
      },
    );

    test('creates a small file', async () => {
      const { storage } = open();
      await storage.create('x');
      expect(methods(await requestsOf(() => storage.create('y')))).toEqual(['POST']);
    });

    test.each(["it's (1)*!/", 'a b+c/ž&=?#/', ''])('below the prefix %j', async (folder) => {
      const { storage, prefix, names } = open({ prefix: `${randomUUID()}/${folder}` });
      const id = await storage.create('x');
      expect(await names()).toEqual([prefix + id]);
      expect(await (await storage.get(id)).text()).toBe('x');
      expect(await (await fetch(await storage.url(id))).text()).toBe('x');
      await storage.delete(id);
      expect(await names()).toEqual([]);
    });

    test('a client of the application', async () => {
      const { storage } = open({ client: bucket.client, apiEndpoint: undefined });
      const id = await storage.create(chunks(3 * UNIT));
      expect((await (await storage.get(id)).buffer()).byteLength).toBe(3 * UNIT);
    });
  });

  describe('what is left in the staging folder', () => {
    test('goes when it is a day old, and nothing else', async () => {
      const { storage, prefix, names } = open();
      const id = await storage.create('kept');
      const staged = `${prefix}.staging/left`;
      await bucket.save(staged, 'left');
      const settings = checkedOptions(bucket.options({ prefix }));
      const swept = new GCSBucket(settings);
      await sweep(swept, `${prefix}.staging/`);
      expect(await names()).toEqual([staged, prefix + id].sort());
      await sweep(swept, `${prefix}.staging/`, Date.now() + ABANDONED_AFTER + 1000);
      expect(await names()).toEqual([prefix + id]);
      await swept.close();
    });

    test('goes where something before it cannot go', async () => {
      const { storage, prefix, names } = open();
      await storage.check();
      for (const name of ['a', 'b', 'c']) await bucket.save(`${prefix}.staging/${name}`, 'left');
      const swept = new GCSBucket(checkedOptions(bucket.options({ prefix })));
      jest.spyOn(swept, 'remove').mockRejectedValueOnce(new Error('no'));
      await sweep(swept, `${prefix}.staging/`, Date.now() + ABANDONED_AFTER + 1000);
      expect(await names()).toEqual([`${prefix}.staging/a`]);
      await swept.close();
    });
  });

  describe('URLs', () => {
    test('are the same for a while, and carry type and name', async () => {
      const { storage } = open({ apiEndpoint: server.endpoint });
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
        const { searchParams } = new URL(await storage.url(file, { expiresIn }));
        const [, year, month, day, hour, minute, second] =
          /^(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)Z$/.exec(searchParams.get('X-Goog-Date') ?? '') ?? [];
        const signedAt = Date.parse(`${year}-${month}-${day}T${hour}:${minute}:${second}Z`);
        const remaining = signedAt / 1000 + Number(searchParams.get('X-Goog-Expires')) - Date.now() / 1000;
        expect(remaining).toBeGreaterThan(expiresIn / 2 - 2);
        expect(remaining).toBeLessThanOrEqual(expiresIn);
      }
    });

    test.each([0, -1, Number.NaN, 604_801])('cannot work for %d seconds', async (expiresIn) => {
      const { storage } = open();
      const id = await storage.create('x');
      await expect(storage.url(id, { expiresIn })).rejects.toMatchObject({ code: 'INVALID_OPTION' });
    });

    test('are public where files are', async () => {
      const { storage, prefix } = open({ publicUrl: 'https://cdn.example/files/' });
      const file = await storage.get(await storage.create('x'));
      expect(file.publicUrl).toBe(`https://cdn.example/files/${prefix}${file.id}`);
      expect(await storage.url(file)).toBe(file.publicUrl);
      expect(await storage.url(file, { disposition: 'attachment' })).toContain('X-Goog-Signature');
    });
  });

  test.each<[string, Partial<GCSStorageOptions>, RegExp]>([
    ['no bucket', { bucket: '' }, /bucket/],
    ['a prefix with a line', { prefix: 'a\nb' }, /prefix/],
    ['an odd piece', { chunkSize: 1_000_000 }, /multiple of 262144/],
    ['two logins', { keyFilename: 'key.json' }, /not both/],
    ['an endpoint without scheme', { apiEndpoint: 'localhost:80' }, /apiEndpoint/],
    ['no patience', { maxAttempts: 0 }, /maxAttempts/],
  ])('options: %s', (_what, options, message) => {
    expect(() => bucket.open(options)).toThrow(message);
  });
});
