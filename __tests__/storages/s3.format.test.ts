import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { afterAll, expect, test } from '@jest/globals';
import { TestBucket } from '../support/s3.js';
import { describeWith, pythonWithDepot, startS3Server } from '../support/servers/index.js';

const NAME = 'žluť "1" 100%.txt';

/** Runs one act of Python's filedepot on a bucket, with its options and those of the act as JSON. */
const SCRIPT = `
import json, sys
from datetime import datetime
from depot.io.boto3 import S3Storage

options, act = json.loads(sys.argv[1]), json.loads(sys.argv[2])
storage = S3Storage(**options)

def details(id):
    file = storage.get(id)
    return {
        'id': id, 'filename': file.filename, 'contentType': file.content_type, 'size': file.content_length,
        'lastModified': file.last_modified.isoformat() + 'Z', 'text': file.read().decode('utf-8'),
    }

if act['do'] == 'create':
    id = storage.create(act['text'].encode('utf-8'), act['filename'], act['contentType'])
elif act['do'] == 'replace':
    id = storage.replace(act['id'], act['text'].encode('utf-8'), act['filename'], act['contentType'])
else:
    id = act['id']
print(json.dumps({**details(id), 'listed': id in storage.list()}))
`;

await describeWith(
  'S3, shared with Python',
  [startS3Server, async () => pythonWithDepot()],
  (server, python) => {
    const bucket = new TestBucket(server);
    const storage = bucket.open();
    afterAll(async () => {
      await storage.close();
      bucket.client.destroy();
    });

    async function inPython(act: object) {
      const options = {
        access_key_id: server.credentials.accessKeyId,
        secret_access_key: server.credentials.secretAccessKey,
        endpoint_url: server.endpoint,
        region_name: server.region,
        bucket: storage.bucket,
        prefix: storage.prefix,
        policy: 'private',
      };
      const parameters = ['-c', SCRIPT, JSON.stringify(options), JSON.stringify(act)];
      const { stdout } = await promisify(execFile)(python, parameters);
      return JSON.parse(stdout);
    }

    async function here(id: string) {
      const file = await storage.get(id);
      const { filename, contentType, size } = file;
      const lastModified = file.lastModified.toISOString().replace('.000Z', 'Z');
      return { id, filename, contentType, size, lastModified, text: await file.text() };
    }

    async function listed(): Promise<string[]> {
      const ids: string[] = [];
      for await (const id of storage.list()) ids.push(id);
      return ids;
    }

    test('what we write, Python reads', async () => {
      const id = await storage.create('naše', {
        filename: NAME,
        contentType: 'text/x-a',
        metadata: { a: 1 },
      });
      expect(await inPython({ do: 'read', id })).toEqual({ ...(await here(id)), listed: true });
    });

    test('what Python writes, we read', async () => {
      const act = { text: 'její', filename: NAME, contentType: 'text/x-b' };
      const { listed: _, ...written } = await inPython({ do: 'create', ...act });
      expect(written).toMatchObject(act);
      expect(await here(written.id)).toEqual(written);
      expect(await listed()).toContain(written.id);
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
