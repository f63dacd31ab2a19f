import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { type CommandStartedEvent, ObjectId } from 'mongodb';
import { DepotManager } from '../../lib/depot/manager.js';
import { startMongoDatabase } from '../support/gridfs.js';
import { describeWith } from '../support/servers/index.js';
import { until } from '../support/until.js';

const CHUNK = 255 * 1024;
const CONTENT = Buffer.alloc(20 * CHUNK + 5, 'content ');

await describeWith('Files of GridFS, served', [startMongoDatabase], ({ client, db }) => {
  const depot = new DepotManager();
  const told: unknown[] = [];
  let front: Server;
  let origin: string;

  beforeAll(async () => {
    depot.configure('files', { backend: 'gridfs', db });
    front = createServer(depot.middleware({ onError: (error) => told.push(error) })).listen(0, '127.0.0.1');
    await once(front, 'listening');
    origin = `http://127.0.0.1:${(front.address() as AddressInfo).port}`;
    await depot.check();
  });

  afterAll(async () => {
    front.closeAllConnections();
    front.close();
    await depot.close();
  });

  const get = (path: string, init: RequestInit = {}) => fetch(origin + path, init);

  async function commandsOf(act: () => Promise<void>): Promise<string[]> {
    const commands: string[] = [];
    const note = ({ commandName, command }: CommandStartedEvent) =>
      commands.push(`${commandName} ${String(command[commandName]).replace(/.*\./, '')}`);
    client.on('commandStarted', note);
    await act();
    client.off('commandStarted', note);
    return commands;
  }

  test("a part is read by what it needs, the file's document and its own chunks", async () => {
    const { url, id } = await depot.create(CONTENT, { filename: 'a.bin' });
    const { etag } = await depot.get().stat(id);
    const last = CONTENT.byteLength - 1;
    const cases = [
      [{ headers: { range: 'bytes=5-9' } }, 206, CONTENT.subarray(5, 10), ['find files', 'find chunks']],
      [{ headers: { range: `bytes=${last}-` } }, 206, CONTENT.subarray(last), ['find files', 'find chunks']],
      [{ method: 'HEAD' }, 200, Buffer.alloc(0), ['find files']],
      [{ headers: { 'if-none-match': etag } }, 304, Buffer.alloc(0), ['find files']],
    ] as const;
    for (const [init, status, body, expected] of cases) {
      const commands = await commandsOf(async () => {
        const response = await get(url, init);
        expect(response.status).toBe(status);
        expect(Buffer.from(await response.arrayBuffer()).equals(body)).toBe(true);
      });
      expect(commands).toEqual(expected);
    }
    expect(Buffer.from(await (await get(url)).arrayBuffer()).equals(CONTENT)).toBe(true);
  });

  test('content that breaks off on its way is never a whole answer', async () => {
    const { url, id } = await depot.create(CONTENT);
    await db.collection('filedepot.chunks').deleteOne({ files_id: ObjectId.createFromHexString(id), n: 15 });
    const answer = await get(url);
    expect([answer.status, answer.headers.get('content-length')]).toEqual([200, `${CONTENT.byteLength}`]);
    await expect(answer.arrayBuffer()).rejects.toThrow();
    expect(told.splice(0)).toMatchObject([{ code: 'STORAGE_FAILED' }]);
  });

  test('nothing more is read for a client that leaves', async () => {
    const content = Buffer.alloc(60 * 1024 * 1024, 'content ');
    const { url } = await depot.create(content);
    const connections = promisify(front.getConnections.bind(front));
    const commands = await commandsOf(async () => {
      const leaving = new AbortController();
      const answer = await get(url, { signal: leaving.signal });
      await answer.body?.getReader().read();
      leaving.abort();
      await until(async () => (await connections()) === 0, 'the end of the connection');
      // What is on its way is answered before these.
      for (let round = 0; round < 10; round++) await db.command({ ping: 1 });
    });
    const batches = commands.filter((command) => command === 'find chunks').length;
    expect(batches).toBeLessThan(content.byteLength / (3 * 1024 * 1024) / 2);
  });

  test('a file without its chunks is a 404, and told of once; one that lacks some fails', async () => {
    const { url, id } = await depot.create(CONTENT);
    const files_id = ObjectId.createFromHexString(id);
    const chunks = db.collection('filedepot.chunks');
    await chunks.deleteOne({ files_id, n: 0 });
    expect((await get(url)).status).toBe(500);
    await chunks.deleteMany({ files_id });
    for (let index = 0; index < 2; index++) {
      const answer = await get(url);
      expect([answer.status, await answer.json()]).toMatchObject([404, { code: 'FILE_NOT_FOUND' }]);
    }
    expect(told).toEqual([
      expect.objectContaining({ code: 'STORAGE_FAILED' }),
      expect.objectContaining({ code: 'FILE_DAMAGED', message: `The file ${id} has no chunks` }),
    ]);
  });
});
