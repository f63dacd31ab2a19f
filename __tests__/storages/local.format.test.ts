import { execFile } from 'node:child_process';
import { mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, expect, test } from '@jest/globals';
import { LocalStorage } from '../../lib/storages/local.js';
import { removeFolder } from '../support/folders.js';
import { describeWith, pythonWithDepot } from '../support/servers/index.js';

const NAME = 'žluť "1" 100%.txt';

/** Runs one act of Python's filedepot on a folder, with the act as JSON. */
const SCRIPT = `
import json, sys
from depot.io.local import LocalFileStorage

storage, act = LocalFileStorage(sys.argv[1]), json.loads(sys.argv[2])

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
if act['do'] == 'delete':
    storage.delete(id)
    print(json.dumps({'exists': storage.exists(id)}))
else:
    print(json.dumps({**details(id), 'listed': id in storage.list()}))
`;

await describeWith('Local storage, shared with Python', [async () => pythonWithDepot()], (python) => {
  const opening = mkdtemp(join(tmpdir(), 'filedepot-shared-')).then((storagePath) => {
    return new LocalStorage({ storagePath, durability: 'rename' });
  });
  afterAll(async () => {
    const storage = await opening;
    await storage.close();
    await removeFolder(storage.storagePath);
  });

  async function inPython(act: object) {
    const { storagePath } = await opening;
    const { stdout } = await promisify(execFile)(python, ['-c', SCRIPT, storagePath, JSON.stringify(act)]);
    return JSON.parse(stdout);
  }

  async function here(id: string) {
    const file = await (await opening).get(id);
    const { filename, contentType, size } = file;
    const lastModified = file.lastModified.toISOString().replace('.000Z', 'Z');
    return { id, filename, contentType, size, lastModified, text: await file.text() };
  }

  async function listed(): Promise<string[]> {
    const ids: string[] = [];
    for await (const id of (await opening).list()) ids.push(id);
    return ids;
  }

  test('what we write, Python reads', async () => {
    const options = { filename: NAME, contentType: 'text/x-a', metadata: { a: 1 } };
    const id = await (await opening).create('naše', options);
    expect(await inPython({ do: 'read', id })).toEqual({ ...(await here(id)), listed: true });
  });

  test('what Python writes, we read', async () => {
    const act = { text: 'její', filename: NAME, contentType: 'text/x-b' };
    const { listed: _, ...written } = await inPython({ do: 'create', ...act });
    expect(written).toMatchObject(act);
    expect(await here(written.id)).toEqual(written);
    expect(await listed()).toContain(written.id);
    expect((await (await opening).stat(written.id)).sha256).toBeUndefined();
  });

  test('what one replaces, the other reads', async () => {
    const storage = await opening;
    const id = await storage.create('one', { filename: NAME, metadata: { a: 1 } });
    const act = { do: 'replace', id, text: 'two', filename: `2 ${NAME}`, contentType: 'text/x-b' };
    const { listed: _, ...replaced } = await inPython(act);
    expect(replaced).toMatchObject({ text: 'two', filename: `2 ${NAME}` });
    expect(await here(id)).toEqual(replaced);
    await storage.replace(id, 'three');
    expect(await inPython({ do: 'read', id })).toMatchObject({
      text: 'three',
      filename: `2 ${NAME}`,
      contentType: 'text/x-b',
    });
  });

  test('what one deletes is gone for the other', async () => {
    const storage = await opening;
    const [first, second] = [await storage.create('first'), await storage.create('second')];
    expect(await inPython({ do: 'delete', id: first })).toEqual({ exists: false });
    expect(await storage.exists(first)).toBe(false);
    await storage.delete(second);
    await expect(inPython({ do: 'read', id: second })).rejects.toThrow(/not existing/);
    expect(await listed()).not.toContain(first);
  });
});
