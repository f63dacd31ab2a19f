import { randomUUID } from 'node:crypto';
import { existsSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, jest, test } from '@jest/globals';
import express from 'express';
import type { FileOrId } from '../../lib/contract/staged-file.js';
import type { StoredFile } from '../../lib/contract/stored-file.js';
import { DepotManager, type FileUrlOptions, type ManagerOptions } from '../../lib/depot/manager.js';
import type { ServeOptions } from '../../lib/serve/options.js';
import { GCSStorage } from '../../lib/storages/gcs.js';
import { MemoryStorage } from '../../lib/storages/memory.js';
import { S3Storage } from '../../lib/storages/s3.js';
import { faultyStorage } from '../../lib/testing/faulty-storage.js';
import { OpenFilesStorage } from '../support/open-files.js';
import { ask, problemOf, TestServers } from '../support/serving.js';

const KEY = 'a secret of more than thirty-two bytes';
const SIGNING: ManagerOptions = { signing: { keys: [KEY] } };
const CONTENT = Buffer.from('0123456789');

const servers = new TestServers();
afterAll(() => servers.close());
afterEach(() => {
  jest.restoreAllMocks();
});

function error(code: string, message?: RegExp) {
  return expect.objectContaining({ code, ...(message && { message: expect.stringMatching(message) }) });
}

/** Time goes on by so many seconds. */
function later(seconds: number): void {
  const now = Date.now() + seconds * 1000;
  jest.spyOn(Date, 'now').mockReturnValue(now);
}

describe('a private storage', () => {
  const depot = new DepotManager(SIGNING);
  depot.configure('files', { backend: 'memory', private: true });
  depot.configure('open', 'memory:');
  depot.alias('old', 'files');
  let port: number;
  let path: string;
  let id: string;

  beforeAll(async () => {
    port = await servers.listen(depot.middleware());
    ({ path, id } = await depot.create(CONTENT, { filename: 'digits.png' }));
  });

  const get = (url: string, options = {}) => ask(port, url, options);
  const codeOf = async (url: string) => {
    const answer = await get(url);
    return [answer.status, problemOf(answer).code];
  };

  test('serves nothing that is not signed, and does not tell what there is', async () => {
    for (const url of [
      `/depot/${path}`,
      `/depot/old/${id}`,
      '/depot/files/unknown',
      `/depot/${path}?expires=1`,
    ]) {
      expect(await codeOf(url)).toEqual([403, 'URL_NOT_SIGNED']);
    }
    expect((await get(`/depot/${path}`, { method: 'HEAD' })).status).toBe(403);
    expect((await get(`/depot/${path}`)).headers).toMatchObject({ 'cache-control': 'no-store' });
  });

  test('serves what is signed, with ranges and conditions', async () => {
    const url = depot.urlFor(path, { expiresIn: 60 });
    const whole = await get(url);
    expect(whole).toMatchObject({ status: 200, body: CONTENT });
    expect(whole.headers['content-disposition']).toMatch(/^inline/);
    const head = await get(url, { method: 'HEAD' });
    expect({ ...head.headers, date: '' }).toEqual({ ...whole.headers, date: '' });
    expect((await get(url, { headers: { Range: 'bytes=2-3' } })).body.toString()).toBe('23');
    const { etag = '' } = whole.headers;
    expect((await get(url, { headers: { 'If-None-Match': etag } })).status).toBe(304);
    expect((await get(depot.urlFor('files/unknown', { expiresIn: 60 }))).status).toBe(404);
  });

  test('a download, and a name for people', async () => {
    const url = depot.urlFor(path, { expiresIn: 60, disposition: 'attachment', filename: 'a/žluť?.png' });
    expect(url).toMatch(/\/%C5%BElu%C5%A5%3F\.png\?download&expires=\d+&signature=[\w-]{43}$/);
    expect((await get(url)).headers['content-disposition']).toMatch(/^attachment/);
    expect(await codeOf(url.replace('download&', ''))).toEqual([403, 'URL_INVALID']);
    expect(await codeOf(url.replace('.png', '.html'))).toEqual([403, 'URL_INVALID']);
  });

  test('under the name of an alias too, but not with the signature of another name', async () => {
    const url = depot.urlFor(`old/${id}`, { expiresIn: 60 });
    expect((await get(url)).status).toBe(200);
    expect(await codeOf(url.replace('/old/', '/files/'))).toEqual([403, 'URL_INVALID']);
  });

  test('not when the time is over, to the second', async () => {
    const url = depot.urlFor(path, { expiresIn: 60 });
    later(59.9);
    expect((await get(url)).status).toBe(200);
    later(2);
    expect(await codeOf(url)).toEqual([403, 'URL_EXPIRED']);
    expect((await get(url, { method: 'HEAD' })).status).toBe(403);
  });

  test.each([
    'signature=x',
    'signature=',
    'expires=99999999999&signature=%',
    'signature=%FF%00',
    '?signature=&signature=',
  ])('403 and nothing else: %s', async (query) => {
    expect(await codeOf(`/depot/${path}?${query}`)).toEqual([403, 'URL_INVALID']);
  });

  test('no cache keeps an answer for longer than the signature holds', async () => {
    const day = await servers.listen(depot.middleware({ cacheControl: 'public, max-age=86400' }));
    const { headers } = await ask(day, depot.urlFor(path, { expiresIn: 60 }));
    const maxAge = /^private, max-age=(\d+), must-revalidate$/.exec(headers['cache-control'] ?? '')?.[1];
    expect(Number(maxAge)).toBeGreaterThan(50);
    expect(Number(maxAge)).toBeLessThanOrEqual(60);
  });

  test('its URLs are signed without being asked, and stay the same for half an hour', async () => {
    jest.spyOn(Date, 'now').mockReturnValue(1_800_000 * 1000);
    const url = depot.urlFor(path);
    expect((await depot.info(path)).url).toBe(url);
    later(1799);
    expect(depot.urlFor(path)).toBe(url);
    expect((await get(url)).status).toBe(200);
    later(1);
    expect(depot.urlFor(path)).not.toBe(url);
    expect((await get(url)).status).toBe(200);
    later(1800);
    expect(await codeOf(url)).toEqual([403, 'URL_EXPIRED']);
  });

  test('is no hindrance to code', async () => {
    expect(await (await depot.getFile(path)).buffer()).toEqual(CONTENT);
  });

  test('another storage is as it was, but a signature counts there too', async () => {
    const info = await depot.create(CONTENT, { storage: 'open' });
    expect(info.url).toBe(`/depot/${info.path}`);
    expect((await get(info.url)).status).toBe(200);
    const url = depot.urlFor(info.path, { expiresIn: 60 });
    expect((await get(url)).status).toBe(200);
    expect(await codeOf(`${url}x`)).toEqual([403, 'URL_INVALID']);
    later(61);
    expect(await codeOf(url)).toEqual([403, 'URL_EXPIRED']);
  });
});

describe('authorize', () => {
  test('is asked of what is well signed, and has the last word', async () => {
    const depot = new DepotManager(SIGNING);
    depot.configure('files', new MemoryStorage(), { private: true });
    const { path, url } = await depot.create(CONTENT);
    const asked: string[] = [];
    const authorize: ServeOptions['authorize'] = (req) => asked.push(req.url ?? '') > 1;
    const app = express().use(depot.middleware({ authorize }));
    const port = await servers.listen(app);
    expect(problemOf(await ask(port, `/depot/${path}`)).code).toBe('URL_NOT_SIGNED');
    expect(problemOf(await ask(port, url)).code).toBe('FORBIDDEN');
    expect(asked).toEqual([url]);
    const answer = await ask(port, url);
    expect([answer.status, answer.headers['cache-control']]).toEqual([200, 'private, no-cache']);
  });
});

describe('keys', () => {
  const get = async (depot: DepotManager, url: string) =>
    ask(await servers.listen(express().use(depot.middleware())), url);

  test('rotate', async () => {
    const storage = new MemoryStorage();
    const opened = (...keys: string[]) => {
      const depot = new DepotManager({ signing: { keys } });
      depot.configure('files', storage, { private: true });
      return depot;
    };
    const NEW = 'the next secret of more than thirty-two bytes';
    const { url } = await opened(KEY).create(CONTENT);
    expect((await get(opened(NEW, KEY), url)).status).toBe(200);
    expect((await get(opened(NEW), url)).status).toBe(403);
    expect(opened(NEW, KEY).urlFor('files/a')).toBe(opened(NEW).urlFor('files/a'));
  });

  test('from settings', async () => {
    const depot = DepotManager.fromConfig(
      { DEPOT_URL: 'memory:?private=true', DEPOT_SIGNING_KEYS: `${KEY},${KEY}2` },
      'DEPOT_',
    );
    const { url } = await depot.create(CONTENT);
    expect((await get(depot, url)).body).toEqual(CONTENT);
  });

  test('are needed', () => {
    const depot = new DepotManager();
    expect(() => depot.configure('files', 'memory:?private=true')).toThrow(
      error('INVALID_OPTION', /^The storage "files" is private, .* new DepotManager\(\{ signing: \{ keys/),
    );
    expect(depot.names()).toEqual([]);
    const storagePath = join(tmpdir(), `filedepot-never-${randomUUID()}`);
    expect(() => depot.configure('files', { backend: 'local', storagePath, private: true })).toThrow(
      error('INVALID_OPTION', /keys/),
    );
    expect(existsSync(storagePath)).toBe(false);
    depot.configure('files', 'memory:');
    expect(() => depot.urlFor('files/a', { expiresIn: 60 })).toThrow(error('INVALID_OPTION', /keys/));
    expect(() => new DepotManager({ signing: { keys: ['short'] } })).toThrow(
      error('INVALID_OPTION', /32 bytes/),
    );
  });

  test('without any, a signature is a parameter like others', async () => {
    const depot = new DepotManager();
    depot.configure('files', 'memory:');
    const { url } = await depot.create(CONTENT);
    expect((await get(depot, `${url}?signature=x`)).status).toBe(200);
  });
});

describe('URLs that are not to expire', () => {
  const depot = new DepotManager();
  depot.configure('files', 'memory:');

  test('need no keys', () => {
    expect(depot.urlFor('files/a')).toBe('/depot/files/a');
    expect(depot.urlFor('files/a', { disposition: 'inline' })).toBe('/depot/files/a');
    expect(depot.urlFor('files/a', { disposition: 'attachment' })).toBe('/depot/files/a?download');
    expect(depot.urlFor('files/a', { filename: '../b c.txt' })).toBe('/depot/files/a/b%20c.txt');
    expect(depot.urlFor('files/a', { filename: '..' })).toBe('/depot/files/a/unnamed');
    expect(depot.urlFor('files/a', { variant: 'small' })).toBe('/depot/files/a?variant=small');
    expect(depot.urlFor('files/a', { variant: 'small', disposition: 'attachment', filename: 'b.png' })).toBe(
      '/depot/files/a/b.png?download&variant=small',
    );
  });

  test.each<[unknown]>([
    [{ expiresIn: 0 }],
    [{ expiresIn: -1 }],
    [{ expiresIn: Number.NaN }],
    [{ expiresIn: Number.POSITIVE_INFINITY }],
    [{ expiresIn: 1e300 }],
    [{ expiresIn: '60' }],
    [{ disposition: 'form-data' }],
    [{ expires: 60 }],
    [{ variant: '' }],
    [{ variant: 'a&download' }],
    [{ variant: 1 }],
    [{ variants: 'small' }],
    ['attachment'],
  ])('%j fails', (options) => {
    expect(() => new DepotManager(SIGNING).urlFor('files/a', options as FileUrlOptions)).toThrow(
      error('INVALID_OPTION'),
    );
  });
});

describe('a private storage that everybody can read elsewhere', () => {
  test.each([
    ['a bucket', () => new S3Storage({ bucket: 'photos', region: 'eu-west-1', policy: 'public-read' })],
    [
      'a CDN',
      () => new S3Storage({ bucket: 'photos', region: 'eu-west-1', publicUrl: 'https://cdn.example' }),
    ],
    ['a bucket of Google', () => new GCSStorage({ bucket: 'photos', policy: 'public-read' })],
    [
      'what is made of one',
      () => faultyStorage(new GCSStorage({ bucket: 'photos', publicUrl: 'https://cdn.example' }), []),
    ],
  ])('is refused: %s', (_what, create) => {
    const depot = new DepotManager(SIGNING);
    expect(() => depot.configure('photos', create(), { private: true })).toThrow(
      error('INVALID_OPTION', /^"photos" cannot be private/),
    );
    expect(depot.names()).toEqual([]);
    depot.configure('photos', create());
    depot.configure('vault', new S3Storage({ bucket: 'photos', region: 'eu-west-1' }), { private: true });
  });

  test('and does not say so is never redirected to its public URL', async () => {
    const PUBLIC = 'https://bucket.example/key';
    class PublicStorage extends OpenFilesStorage {
      override async get(fileOrId: FileOrId): Promise<StoredFile> {
        return Object.assign(await super.get(fileOrId), { publicUrl: PUBLIC });
      }
    }
    const depot = new DepotManager(SIGNING);
    depot.configure('vault', new PublicStorage({ url: () => PUBLIC }), { private: true });
    depot.configure('open', new PublicStorage({ url: () => PUBLIC }));
    const port = await servers.listen(depot.middleware());
    const [hidden, open] = [await depot.create(CONTENT), await depot.create(CONTENT, { storage: 'open' })];
    expect(await ask(port, hidden.url)).toMatchObject({ status: 200, body: CONTENT });
    expect((await ask(port, hidden.url, { method: 'HEAD' })).status).toBe(200);
    expect((await ask(port, open.url)).headers.location).toBe(PUBLIC);
    expect((await ask(port, open.url, { method: 'HEAD' })).status).toBe(302);
  });
});

describe('a private storage that has URLs of its own', () => {
  test('is redirected to only with a signature, and for no longer than that', async () => {
    const asked: unknown[] = [];
    const storage = new OpenFilesStorage({
      url: (options) => `https://bucket.example/${asked.push(options)}`,
    });
    const depot = new DepotManager(SIGNING);
    depot.configure('remote', storage, { private: true });
    const { path } = await depot.create(CONTENT, { filename: 'a.png' });
    const port = await servers.listen(express().use(depot.middleware()));
    expect((await ask(port, `/depot/${path}`)).status).toBe(403);
    const { status, headers } = await ask(
      port,
      depot.urlFor(path, { expiresIn: 100, disposition: 'attachment' }),
    );
    expect([status, headers.location]).toEqual([302, 'https://bucket.example/1']);
    expect(headers['cache-control']).toBe('private, max-age=30');
    expect(asked).toEqual([{ expiresIn: 60, disposition: 'attachment', onExpiry: expect.any(Function) }]);
  });
});
