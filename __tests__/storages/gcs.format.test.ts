import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { TestGcsBucket } from '../support/gcs.js';
import { describeWith, startGcsServer } from '../support/servers/index.js';

const NAME = 'žluť "1" 100%.txt';

await describeWith('Google Cloud Storage, in the format of Python', [startGcsServer], (server) => {
  const bucket = new TestGcsBucket(server);
  const storage = bucket.open();
  beforeAll(() => storage.check());
  afterAll(() => storage.close());

  async function listed(): Promise<string[]> {
    const ids: string[] = [];
    for await (const id of storage.list()) ids.push(id);
    return ids;
  }

  test('what we write has all that Python reads', async () => {
    const id = await storage.create('naše', { filename: NAME, contentType: 'text/x-a', metadata: { a: 1 } });
    const { lastModified, sha256 } = await storage.stat(id);
    const file = bucket.client.bucket(bucket.name).file(storage.prefix + id);
    const [resource] = await file.getMetadata();
    expect(resource).toMatchObject({ contentType: 'text/x-a', size: '5' });
    expect(resource.contentDisposition).toMatch(/^inline; filename=.*; filename\*=UTF-8''/);
    expect(resource.metadata).toEqual({
      'x-depot-filename': encodeURIComponent(NAME),
      'x-depot-modified': lastModified.toISOString().slice(0, 19).replace('T', ' '),
      'x-depot-content-type': 'text/x-a',
      'x-depot-sha256': sha256,
      'x-depot-metadata': '{"a":1}',
      'x-depot-revision': expect.any(String),
    });
    expect(String((await file.download())[0])).toBe('naše');
  });

  test('what Python writes, we read', async () => {
    const id = '0a4eb0ae-c8e5-11f0-8de9-0242ac120002';
    await bucket.save(storage.prefix + id, 'její', {
      contentType: 'text/x-b',
      contentDisposition: "inline; filename*=UTF-8''x",
      metadata: {
        'x-depot-modified': '2024-02-29 23:59:59',
        // As urllib.parse.quote with the characters that Python's filedepot says are safe.
        'x-depot-filename': '%C5%BElu%C5%A5%20%221%22%20100%25.txt',
        'x-depot-content-type': 'text/x-b',
      },
    });
    const file = await storage.get(id);
    expect(file).toMatchObject({
      filename: NAME,
      contentType: 'text/x-b',
      size: 5,
      lastModified: new Date('2024-02-29T23:59:59Z'),
      sha256: undefined,
      metadata: {},
    });
    expect(await file.text()).toBe('její');
    expect(await listed()).toContain(id);
    await storage.replace(id, 'naše');
    expect(await storage.stat(id)).toMatchObject({ filename: NAME, contentType: 'text/x-b', size: 5 });
  });

  test('what anybody else writes is a file too', async () => {
    await bucket.save(`${storage.prefix}other`, 'x', {
      contentType: 'text/plain',
      contentDisposition: 'attachment; filename="their.txt"',
      metadata: { 'x-depot-metadata': '{' },
    });
    expect(await storage.stat('other')).toMatchObject({
      filename: 'their.txt',
      contentType: 'text/plain',
      size: 1,
      metadata: {},
    });
  });

  test('names in any language, in pieces too', async () => {
    const small = bucket.open({ chunkSize: 256 * 1024, prefix: 'složka ž&=?#+%/' });
    const metadata = { note: 'žluťoučký' };
    const parts = async function* () {
      yield Buffer.alloc(300_000, 'a');
      yield Buffer.alloc(300_000, 'b');
    };
    for (const filename of [NAME, '名前.txt', "it's (1)*!.txt", `${'ž'.repeat(125)}.txt`]) {
      const id = await small.create(parts(), { filename, metadata });
      expect(await small.stat(id)).toMatchObject({ filename, metadata, size: 600_000 });
      expect(await bucket.names(small.prefix)).toContain(small.prefix + id);
      expect((await fetch(await small.url(id))).status).toBe(200);
    }
    await small.close();
  });
});
