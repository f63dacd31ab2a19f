import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { DeleteObjectCommand } from '@aws-sdk/client-s3';
import { afterAll, beforeAll, describe, expect, jest, test } from '@jest/globals';
import sharp from 'sharp';
import { DepotManager } from '../../lib/depot/manager.js';
import { imageVariant } from '../../lib/images/image-variant.js';
import { FaultProxy } from '../support/fault-proxy.js';
import { photo } from '../support/images.js';
import { TestBucket } from '../support/s3.js';
import { describeWith, startS3Server } from '../support/servers/index.js';
import { until } from '../support/until.js';

const CONTENT = Buffer.alloc(3 * 1024 * 1024, 'content ');

await describeWith('Files of S3, served', [startS3Server], (server) => {
  const bucket = new TestBucket(server);
  const depot = new DepotManager();
  const sentOn = bucket.open();
  let proxy: FaultProxy;
  let front: Server;
  let origin: string;

  beforeAll(async () => {
    proxy = await FaultProxy.start(server.endpoint);
    depot.configure('sent-on', sentOn);
    depot.configure('watched', bucket.open({ endpoint: proxy.url }));
    depot.configure('streamed', bucket.open({ endpoint: proxy.url, serve: 'stream' }));
    // As machines and containers get them: asked for others, they give the same until these are about to end.
    const expiration = new Date(Date.now() + 420_000);
    const shortLived = async () => ({ ...server.credentials, expiration });
    depot.configure('short-lived', bucket.open({ credentials: shortLived }));
    depot.configure('public', bucket.open({ publicUrl: 'https://cdn.example' }));
    const serve = depot.middleware({ variants: { small: imageVariant({ size: 50 }) } });
    front = createServer((req, res) => {
      if (req.method !== 'PUT') return serve(req, res);
      depot.receive(req, { storage: 'streamed', limits: { fileSize: '100mb' } }).then(
        (info) => res.end(JSON.stringify(info)),
        (error) => res.writeHead(500).end(String(error)),
      );
    }).listen(0, '127.0.0.1');
    await once(front, 'listening');
    origin = `http://127.0.0.1:${(front.address() as AddressInfo).port}`;
    await depot.check();
  });

  afterAll(async () => {
    front.closeAllConnections();
    front.close();
    await depot.close();
    await proxy.stop();
    bucket.client.destroy();
  });

  const get = (path: string, init: RequestInit = {}) => fetch(origin + path, { redirect: 'manual', ...init });

  test('a variant is made here, also where the file is sent on', async () => {
    const content = await photo(600, 400).jpeg().toBuffer();
    const { path, url } = await depot.create(content, { storage: 'sent-on', filename: 'a.jpg' });
    expect((await get(url)).status).toBe(302);
    const answer = await get(depot.urlFor(path, { variant: 'small' }));
    expect([answer.status, answer.headers.get('content-type')]).toEqual([200, 'image/png']);
    expect(await sharp(await answer.arrayBuffer()).metadata()).toMatchObject({ width: 50, height: 33 });
  });

  describe('sent on', () => {
    test('to a URL that stays the same, outlives its caches and carries type and name', async () => {
      const { url } = await depot.create('<p>', { storage: 'sent-on', filename: 'žluť.html' });
      const [one, other] = [await get(url), await get(url)];
      expect(one.status).toBe(302);
      expect(one.headers.get('cache-control')).toBe('private, max-age=1800');
      const location = one.headers.get('location') ?? '';
      expect(other.headers.get('location')).toBe(location);
      const content = await fetch(location);
      expect(await content.text()).toBe('<p>');
      expect(content.headers.get('content-type')).toBe('text/html');
      expect(content.headers.get('content-disposition')).toMatch(/^attachment; /);
    });

    test('to a URL that caches forget before the credentials end that have signed it', async () => {
      const { url } = await depot.create('x', { storage: 'short-lived', filename: 'a.png' });
      const cacheControl = (await get(url)).headers.get('cache-control') ?? '';
      const maxAge = Number(/^private, max-age=(\d+)$/.exec(cacheControl)?.[1]);
      expect(maxAge).toBeGreaterThan(360);
      expect(maxAge).toBeLessThanOrEqual(420);
    });

    test('to the public URL, if it does as is asked', async () => {
      const { id, url } = await depot.create('x', { storage: 'public', filename: 'a.txt' });
      const response = await get(url);
      expect(response.headers.get('location')).toMatch(new RegExp(`^https://cdn.example/.*${id}$`));
      expect((await get(`${url}?download`)).headers.get('location')).toContain('X-Amz-Signature');
    });

    test('for a HEAD, told by us what the URL gives', async () => {
      const { url } = await depot.create(CONTENT, { storage: 'sent-on', filename: 'a.png' });
      const content = await fetch((await get(url)).headers.get('location') ?? '');
      const head = await get(url, { method: 'HEAD' });
      expect(head.status).toBe(200);
      for (const name of ['content-length', 'content-type', 'content-disposition', 'etag'])
        expect([name, head.headers.get(name)]).toEqual([name, content.headers.get(name)]);
      await content.body?.cancel();
      const unchanged = { 'if-none-match': head.headers.get('etag') ?? '' };
      expect((await get(url, { method: 'HEAD', headers: unchanged })).status).toBe(304);
    });

    test('by one look at the file for all that ask, unless each is to be verified', async () => {
      const looksBy = async (origin: string) => {
        const { url } = await depot.create('x', { storage: 'watched' });
        const before = proxy.requests.length;
        for (let index = 0; index < 5; index++) {
          expect((await fetch(origin + url, { redirect: 'manual' })).status).toBe(302);
        }
        return proxy.requests.slice(before).filter((request) => request.startsWith('HEAD ')).length;
      };
      expect(await looksBy(origin)).toBe(1);
      const verifying = createServer(depot.middleware({ verify: true })).listen(0, '127.0.0.1');
      await once(verifying, 'listening');
      const { port } = verifying.address() as AddressInfo;
      expect(await looksBy(`http://127.0.0.1:${port}`)).toBe(5);
      verifying.closeAllConnections();
      verifying.close();
    });

    test('not to what was deleted here; for a moment to what others have deleted', async () => {
      const [one, other] = await Promise.all(
        ['a', 'b'].map((text) => depot.create(text, { storage: 'sent-on' })),
      );
      for (const info of [one, other]) expect((await get(info?.url ?? '')).status).toBe(302);
      await depot.delete(one?.path ?? '');
      expect((await get(one?.url ?? '')).status).toBe(404);
      const Key = sentOn.prefix + other?.id;
      await bucket.client.send(new DeleteObjectCommand({ Bucket: bucket.name, Key }));
      const location = (await get(other?.url ?? '')).headers.get('location') ?? '';
      expect((await fetch(location)).status).toBe(404);
      const now = Date.now() + 10_000;
      const clock = jest.spyOn(Date, 'now').mockReturnValue(now);
      expect((await get(other?.url ?? '')).status).toBe(404);
      clock.mockRestore();
    });

    test('not, where there is no file', async () => {
      expect((await get('/depot/sent-on/missing')).status).toBe(404);
      expect((await get('/depot/public/missing')).status).toBe(404);
    });
  });

  describe('streamed', () => {
    async function requestsOf(act: () => Promise<void>): Promise<string[]> {
      const before = proxy.requests.length;
      await act();
      return proxy.requests.slice(before).map((request) => request.replace(/ .*/, ''));
    }

    test('by one request to S3 for one of ours', async () => {
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

  describe('broken off', () => {
    const LARGE = Buffer.alloc(24 * 1024 * 1024, 'large ');

    /** An answer of which something has come, and what is to come of it. */
    async function begun(): Promise<ReadableStreamDefaultReader<Uint8Array>> {
      const { url } = await depot.create(LARGE, { storage: 'streamed' });
      const response = await get(url);
      expect(response.status).toBe(200);
      const reader = response.body?.getReader();
      if (!reader) throw new Error('An answer without a body');
      await reader.read();
      return reader;
    }

    test.each(['truncate', 'reset'] as const)('by S3 (%s): never a whole answer', async (kind) => {
      const reader = await begun();
      proxy.set({ cut: { kind, direction: 'response', after: 0 } });
      const readAll = async () => {
        while (!(await reader.read()).done);
      };
      await expect(readAll()).rejects.toThrow();
      proxy.clear();
    });

    test('by a client who leaves: S3 is left too', async () => {
      const reader = await begun();
      const before = proxy.openConnections;
      await reader.cancel();
      await until(() => proxy.openConnections < before, 'the connection to S3 to be closed');
    });
  });

  test('an upload of many parts: its type is known, and no second object is made', async () => {
    const before = proxy.requests.length;
    const body = Buffer.alloc(20 * 1024 * 1024, 'x');
    const response = await fetch(`${origin}/`, {
      method: 'PUT',
      body,
      headers: { 'content-type': 'text/x-large' },
    });
    const info = (await response.json()) as { id: string };
    expect(info).toMatchObject({ contentType: 'text/x-large', size: body.byteLength });
    const { sha256, contentType } = await depot.get('streamed').stat(info.id);
    expect(info).toMatchObject({ sha256, contentType });
    expect(
      proxy.requests.slice(before).filter((request) => /^(PUT|POST|DELETE) .*\.staging/.test(request)),
    ).toEqual([]);
  });
});
