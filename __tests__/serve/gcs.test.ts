import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { DepotManager } from '../../lib/depot/manager.js';
import { TestGcsBucket } from '../support/gcs.js';
import { describeWith, startGcsServer } from '../support/servers/index.js';
import { StrictGcs } from '../support/strict-gcs.js';

const CONTENT = Buffer.alloc(3 * 1024 * 1024, 'content ');

await describeWith('Files of Google Cloud Storage, served', [startGcsServer], (server) => {
  const bucket = new TestGcsBucket(server);
  const depot = new DepotManager();
  let strict: StrictGcs;
  let front: Server;
  let origin: string;

  beforeAll(async () => {
    strict = await StrictGcs.start(server.endpoint);
    depot.configure('sent-on', bucket.open());
    depot.configure('streamed', bucket.open({ apiEndpoint: strict.url, serve: 'stream' }));
    depot.configure('public', bucket.open({ policy: 'public-read' }));
    front = createServer(depot.middleware()).listen(0, '127.0.0.1');
    await once(front, 'listening');
    origin = `http://127.0.0.1:${(front.address() as AddressInfo).port}`;
    await depot.check();
  });

  afterAll(async () => {
    front.closeAllConnections();
    front.close();
    await depot.close();
    await strict.stop();
  });

  const get = (path: string, init: RequestInit = {}) => fetch(origin + path, { redirect: 'manual', ...init });

  describe('sent on', () => {
    test('to a URL that stays the same, outlives its caches and carries type and name', async () => {
      const { url } = await depot.create('<p>', { storage: 'sent-on', filename: 'žluť.html' });
      const [one, other] = [await get(url), await get(url)];
      expect(one.status).toBe(302);
      expect(one.headers.get('cache-control')).toBe('private, max-age=1800');
      const location = one.headers.get('location') ?? '';
      expect(location).toContain('X-Goog-Signature=');
      expect(other.headers.get('location')).toBe(location);
      const content = await fetch(location);
      expect(await content.text()).toBe('<p>');
      expect(content.headers.get('content-type')).toBe('text/html');
      expect(content.headers.get('content-disposition')).toMatch(/^attachment; /);
    });

    test('to the public URL, if it does as is asked', async () => {
      const { id, url } = await depot.create('public', { storage: 'public', filename: 'a.txt' });
      const location = (await get(url)).headers.get('location') ?? '';
      expect(location).toMatch(new RegExp(`^${server.endpoint}/${bucket.name}/.*${id}$`));
      expect(await (await fetch(location)).text()).toBe('public');
      expect((await get(`${url}?download`)).headers.get('location')).toContain('X-Goog-Signature');
    });

    test('not, where there is no file', async () => {
      expect((await get('/depot/sent-on/missing')).status).toBe(404);
      expect((await get('/depot/public/missing')).status).toBe(404);
    });
  });

  describe('streamed', () => {
    async function requestsOf(act: () => Promise<void>): Promise<string[]> {
      const before = strict.requests.length;
      await act();
      return strict.requests.slice(before).map((request) => request.replace(/ .*/, ''));
    }

    test('by one request to the backend for one of ours', async () => {
      const { url, id } = await depot.create(CONTENT, { storage: 'streamed', filename: 'a.bin' });
      const { etag } = await depot.get('streamed').stat(id);
      const cases = [
        [{}, 200, CONTENT, 'GET'],
        [{ headers: { range: 'bytes=5-9' } }, 206, CONTENT.subarray(5, 10), 'GET'],
        [{ headers: { range: 'bytes=-3' } }, 206, CONTENT.subarray(-3), 'GET'],
        [{ method: 'HEAD' }, 200, Buffer.alloc(0), 'HEAD'],
        [{ headers: { 'if-none-match': etag } }, 304, Buffer.alloc(0), 'HEAD'],
      ] as const;
      for (const [init, status, body, request] of cases) {
        const requests = await requestsOf(async () => {
          const response = await get(url, init);
          expect(response.status).toBe(status);
          expect(Buffer.from(await response.arrayBuffer()).equals(body)).toBe(true);
        });
        expect(requests).toEqual([request]);
      }
    });

    test('ranges that are not there, and several at once', async () => {
      const { url } = await depot.create('0123456789', { storage: 'streamed' });
      const past = await get(url, { headers: { range: 'bytes=10-' } });
      expect([past.status, past.headers.get('content-range')]).toEqual([416, 'bytes */10']);
      const several = await get(url, { headers: { range: 'bytes=0-1,5-6' } });
      expect(several.status).toBe(206);
      expect(await several.text()).toMatch(/\r\n01\r\n[\s\S]*\r\n56\r\n/);
    });
  });
});
