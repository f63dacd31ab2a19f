import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { TestGcsBucket } from '../support/gcs.js';
import { describeWith, pythonWithDepot, startGcsServer } from '../support/servers/index.js';

const NAME = 'žluť "1" 100%.txt';

/** Runs one act of Python's filedepot on a bucket, with its options and those of the act as JSON. */
const SCRIPT = `
import json, sys
from google.auth.credentials import AnonymousCredentials
from depot.io.gcs import GCSStorage

options, act = json.loads(sys.argv[1]), json.loads(sys.argv[2])
storage = GCSStorage(credentials=AnonymousCredentials(), policy='private', **options)

def details(id):
    file = storage.get(id)
    return {
        'id': id, 'filename': file.filename, 'contentType': file.content_type, 'size': file.content_length,
        'lastModified': file.last_modified.isoformat() + 'Z', 'text': file.read().decode('utf-8'),
    }

if act['do'] == 'create':
    id = storage.create(act['text'].encode('utf-8'), act['filename'], act['contentType'])
elif act['do'] == 'replace':
    id = act['id']
    storage.replace(id, act['text'].encode('utf-8'), act['filename'], act['contentType'])
else:
    id = act['id']
print(json.dumps({**details(id), 'listed': options['prefix'] + id in storage.list()}))
`;

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

await describeWith(
  'Google Cloud Storage, shared with Python',
  [startGcsServer, async () => pythonWithDepot()],
  (server, python) => {
    const bucket = new TestGcsBucket(server);
    const storage = bucket.open({ chunkSize: 256 * 1024 });
    beforeAll(() => storage.check());
    afterAll(() => storage.close());

    async function inPython(act: object) {
      const options = { project_id: server.projectId, bucket: storage.bucket, prefix: storage.prefix };
      const parameters = ['-c', SCRIPT, JSON.stringify(options), JSON.stringify(act)];
      const env = { ...process.env, STORAGE_EMULATOR_HOST: server.endpoint };
      const { stdout } = await promisify(execFile)(python, parameters, { env, maxBuffer: 16 * 1024 * 1024 });
      return JSON.parse(stdout);
    }

    async function here(id: string) {
      const file = await storage.get(id);
      const { filename, contentType, size } = file;
      const lastModified = file.lastModified.toISOString().replace('.000Z', 'Z');
      return { id, filename, contentType, size, lastModified, text: await file.text() };
    }

    test.each([1, 200_000])('what we write, Python reads (%d times)', async (times) => {
      const content = Buffer.from('naše'.repeat(times));
      const parts = (async function* () {
        for (let start = 0; start < content.byteLength; start += 65_536)
          yield content.subarray(start, start + 65_536);
      })();
      const id = await storage.create(parts, { filename: NAME, contentType: 'text/x-a', metadata: { a: 1 } });
      const { text, ...details } = await inPython({ do: 'read', id });
      const { text: ours, ...expected } = await here(id);
      expect(details).toEqual({ ...expected, listed: true });
      expect(text === ours).toBe(true);
    });

    test('what Python writes, we read', async () => {
      const act = { text: 'její', filename: NAME, contentType: 'text/x-b' };
      const { listed: _, ...written } = await inPython({ do: 'create', ...act });
      expect(written).toMatchObject(act);
      expect(await here(written.id)).toEqual(written);
    });

    test('what one replaces, the other reads', async () => {
      const id = await storage.create('one', { filename: NAME, metadata: { a: 1 } });
      const act = { do: 'replace', id, text: 'two', filename: `2 ${NAME}`, contentType: 'text/x-b' };
      const { listed: _, ...replaced } = await inPython(act);
      expect(replaced).toMatchObject({ text: 'two', filename: `2 ${NAME}` });
      expect(await here(id)).toEqual(replaced);
      expect((await storage.stat(id)).sha256).toBeUndefined();
      await storage.replace(id, 'three');
      expect(await inPython({ do: 'read', id })).toMatchObject({ text: 'three', filename: `2 ${NAME}` });
    });
  },
);
