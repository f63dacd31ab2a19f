import { once } from 'node:events';
import { mkdtemp, writeFile } from 'node:fs/promises';
import { createServer, request } from 'node:http';
import { type AddressInfo, connect } from 'node:net';
import { networkInterfaces, tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import { type ExampleProcess, ExampleProject } from '../support/example-server.js';
import { fileNamesIn, removeFolder } from '../support/folders.js';
import { pngOf } from '../support/png.js';
import { until } from '../support/until.js';

const addresses = Object.values(networkInterfaces()).flatMap((found) => found ?? []);
const testByIPv6 = addresses.some(({ address }) => address === '::1') ? test : test.skip;

const UNKNOWN_ID = '00000000-0000-4000-8000-000000000000';
const PNG = pngOf(30, 20, [200, 30, 30]);

interface Info {
  readonly id: string;
  readonly path: string;
  readonly url: string;
  readonly filename: string;
  readonly size: number;
}

interface FilePage {
  readonly files: readonly Info[];
  readonly next: string | null;
}

describe('The server of examples/basic', () => {
  let project: ExampleProject;
  let folder: string;
  let server: ExampleProcess;

  beforeAll(async () => {
    project = await ExampleProject.build();
  });

  afterAll(() => project?.remove());

  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'filedepot-server-'));
  });

  afterEach(async () => {
    await server?.stop();
    await removeFolder(folder);
  });

  async function start(settings: Record<string, string> = {}): Promise<void> {
    server = await project.run({ DEPOT_URL: `file:${folder}/depot`, ...settings });
  }

  const call = (path: string, options?: RequestInit) => fetch(server.url + path, options);
  const put = (path: string, body: string | Uint8Array, type = 'text/plain') =>
    call(path, { method: 'PUT', body, headers: { 'Content-Type': type } });

  function post(
    files: Record<string, string | Uint8Array>,
    field = 'file',
    type = 'text/plain',
  ): Promise<Response> {
    const form = new FormData();
    for (const [name, content] of Object.entries(files))
      form.append(field, new File([content], name, { type }));
    return call('/files', { method: 'POST', body: form });
  }

  async function create(name: string, content: string): Promise<Info> {
    return (await put(`/files/${encodeURIComponent(name)}`, content)).json() as Promise<Info>;
  }

  async function list(query = ''): Promise<FilePage> {
    return (await call(`/files${query}`)).json() as Promise<FilePage>;
  }

  async function expectProblem(answer: Response, status: number, code?: string): Promise<void> {
    expect(answer.status).toBe(status);
    expect(answer.headers.get('content-type')).toMatch('application/problem+json');
    expect(await answer.json()).toMatchObject(code ? { status, code } : { status });
  }

  const filesOnDisk = () => fileNamesIn(join(folder, 'depot'));

  describe('the page', () => {
    test('is served with a strict policy, and so is all that it needs', async () => {
      await start();
      const page = await call('/');
      expect(page.status).toBe(200);
      const policy = page.headers.get('content-security-policy');
      expect(policy).toContain("default-src 'none'");
      expect(policy).not.toContain('unsafe');
      expect(page.headers.get('x-content-type-options')).toBe('nosniff');
      const html = await page.text();
      expect(html).not.toMatch(/<script(?![^>]*src=)|<style|\sstyle=|\son[a-z]+=/);
      for (const [, address] of html.matchAll(/(?:src|href)="(\/[a-z]+\.[a-z]+)"/g)) {
        expect((await call(address ?? '')).status).toBe(200);
      }
    });

    test('learns the limits', async () => {
      await start({ MAX_FILE_SIZE: '2mb', ACCEPT: 'image/*, application/pdf' });
      const limits = await (await call('/config')).json();
      expect(limits).toEqual({ maxFileSize: 2 * 1024 * 1024, accept: ['image/*', 'application/pdf'] });
    });

    test('learns that any type will do, up to 100 MB', async () => {
      await start();
      expect(await (await call('/config')).json()).toEqual({ maxFileSize: 100 * 1024 * 1024, accept: [] });
    });
  });

  describe('POST /files', () => {
    test('stores each file of the form', async () => {
      await start();
      const answer = await post({ 'a.txt': 'hello', 'Übersicht – 表.txt': 'world' });
      expect(answer.status).toBe(201);
      const { files } = (await answer.json()) as FilePage;
      expect(files).toHaveLength(2);
      expect(files[0]).toMatchObject({
        storage: 'default',
        filename: 'a.txt',
        contentType: 'text/plain',
        size: 5,
        sha256: '2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824',
      });
      expect(files[1]?.filename).toBe('Übersicht – 表.txt');
      const download = await call(files[0]?.url ?? '');
      expect(await download.text()).toBe('hello');
      expect(await (await call(`/files/${files[0]?.path}`)).json()).toEqual(files[0]);
    });

    test('refuses a form without a file, or with another field', async () => {
      await start();
      await expectProblem(await post({}), 400, 'MISSING_FILE');
      await expectProblem(await post({ 'a.txt': 'hello' }, 'photo'), 400, 'UNEXPECTED_FILE');
    });

    test('refuses the whole form for one file that is too large, and keeps nothing', async () => {
      await start({ MAX_FILE_SIZE: '4kb' });
      const answer = await post({ 'small.txt': 'x', 'large.txt': 'x'.repeat(4097) });
      await expectProblem(answer, 413, 'FILE_TOO_LARGE');
      expect((await post({ 'fits.txt': 'x'.repeat(4096) })).status).toBe(201);
      expect((await list()).files.map(({ filename }) => filename)).toEqual(['fits.txt']);
    });

    test('refuses what is not accepted, by its content', async () => {
      await start({ ACCEPT: 'image/png' });
      const answer = await post({ 'fake.png': '%PDF-1.4\n'.padEnd(5000, 'x') }, 'file', 'image/png');
      expect(answer.status).toBe(415);
      expect((await post({ 'a.txt': 'hello' })).status).toBe(415);
      expect(await filesOnDisk()).toEqual([]);
      expect((await post({ 'real.png': PNG }, 'file', 'image/png')).status).toBe(201);
    });
  });

  describe('GET /files', () => {
    test('gives pages that follow each other, without a gap or a repetition', async () => {
      await start();
      const created = [];
      for (const name of ['a', 'b', 'c', 'd', 'e']) created.push((await create(name, name)).id);
      const first = await list('?limit=2');
      const second = await list(`?limit=2&after=${first.next}`);
      const third = await list(`?limit=2&after=${second.next}`);
      expect([first, second, third].map(({ files }) => files.length)).toEqual([2, 2, 1]);
      expect(third.next).toBeNull();
      const listed = [first, second, third].flatMap(({ files }) => files.map(({ id }) => id));
      expect(listed).toEqual(created.sort());
      expect((await list('?limit=5')).next).toBeNull();
    });

    test('takes what is no limit, or no id, for one', async () => {
      await start();
      await create('a', 'a');
      const limits = [
        '?limit=0',
        '?limit=-1',
        '?limit=x',
        '?limit=',
        '?limit=1e9',
        '?limit=1&limit=2',
        '?limit[a]=1',
      ];
      const places = ['?after=', '?after=..%2F..%2Fetc', '?after[a]=b', '?after=%00'];
      for (const query of [...limits, ...places]) {
        const { files, next } = await list(query);
        expect({ query, found: files.length, next }).toEqual({ query, found: 1, next: null });
      }
    });

    test('is empty where there is nothing', async () => {
      await start();
      expect(await list()).toEqual({ files: [], next: null });
    });
  });

  describe('/files/<storage>/<id>', () => {
    test('PUT replaces content, name and type, and keeps the path', async () => {
      await start();
      const { path, url } = await create('old.txt', 'old');
      const answer = await put(
        `/files/${path}?filename=${encodeURIComponent('neu ü.png')}`,
        PNG,
        'image/png',
      );
      expect(answer.status).toBe(200);
      const replaced = await answer.json();
      expect(replaced).toMatchObject({
        path,
        filename: 'neu ü.png',
        contentType: 'image/png',
        size: PNG.length,
      });
      expect(Buffer.from(await (await call(url)).arrayBuffer()).equals(PNG)).toBe(true);
      expect((await list()).files).toEqual([replaced]);
    });

    test('PUT keeps the name when none is given', async () => {
      await start();
      const { path } = await create('notes.txt', 'old');
      expect(await (await put(`/files/${path}`, 'new')).json()).toMatchObject({
        filename: 'notes.txt',
        size: 3,
      });
    });

    test('PUT refuses what POST refuses, and the old file stays', async () => {
      await start({ MAX_FILE_SIZE: '4kb', ACCEPT: 'image/png' });
      const created = await put('/files/a.png', PNG, 'image/png');
      const { path, url } = (await created.json()) as Info;
      await expectProblem(
        await put(`/files/${path}`, Buffer.alloc(4097), 'image/png'),
        413,
        'FILE_TOO_LARGE',
      );
      const fake = '%PDF-1.4\n'.padEnd(4096, 'x');
      expect((await put(`/files/${path}`, fake, 'image/png')).status).toBe(415);
      expect(Buffer.from(await (await call(url)).arrayBuffer()).equals(PNG)).toBe(true);
    });

    test('PUT does not create a file', async () => {
      await start();
      await expectProblem(await put(`/files/default/${UNKNOWN_ID}`, 'x'), 404, 'FILE_NOT_FOUND');
      expect(await filesOnDisk()).toEqual([]);
    });

    test('DELETE removes a file, and is content if there is none', async () => {
      await start();
      const { path, url } = await create('a.txt', 'a');
      const remove = () => call(`/files/${path}`, { method: 'DELETE' });
      expect((await remove()).status).toBe(204);
      expect((await remove()).status).toBe(204);
      await expectProblem(await call(`/files/${path}`), 404, 'FILE_NOT_FOUND');
      expect((await call(url)).status).toBe(404);
      await until(async () => (await filesOnDisk()).length === 0, 'the disk to be clean');
    });

    test('answers with 404 for what is not there, and for what cannot be', async () => {
      await start();
      for (const [path, code] of [
        [`default/${UNKNOWN_ID}`, 'FILE_NOT_FOUND'],
        [`photos/${UNKNOWN_ID}`, 'STORAGE_NOT_FOUND'],
        [`constructor/${UNKNOWN_ID}`, 'STORAGE_NOT_FOUND'],
        ['default/..%2F..%2Fetc%2Fpasswd', undefined],
        ['default/%00', undefined],
        ['default/..%5Cx', undefined],
        ['default/__proto__', undefined],
        [`default/${'x'.repeat(300)}`, undefined],
      ] as const) {
        await expectProblem(await call(`/files/${path}`), 404, code);
        await expectProblem(await put(`/files/${path}`, 'x'), 404, code);
        const deleted = await call(`/files/${path}`, { method: 'DELETE' });
        if (code === 'FILE_NOT_FOUND') expect(deleted.status).toBe(204);
        else await expectProblem(deleted, 404, code);
      }
    });

    test('answers a path that cannot be decoded with 400', async () => {
      await start();
      expect((await call('/files/default/%E0%A4%A')).status).toBe(400);
    });
  });

  describe('PUT /files/<name>', () => {
    test('creates a file of that name', async () => {
      await start();
      const answer = await put('/files/%C3%9Cbersicht%20%E8%A1%A8.txt', 'hello');
      expect(answer.status).toBe(201);
      const info = (await answer.json()) as Info;
      expect(info).toMatchObject({ filename: 'Übersicht 表.txt', contentType: 'text/plain', size: 5 });
      expect(answer.headers.get('location')).toBe(`/files/${info.path}`);
      expect(await (await call(info.url)).text()).toBe('hello');
    });

    test('refuses what is too large, told or found out', async () => {
      await start({ MAX_FILE_SIZE: '4kb' });
      await expectProblem(await put('/files/a', Buffer.alloc(4097)), 413, 'FILE_TOO_LARGE');
      const chunks = ReadableStream.from(Array.from({ length: 9 }, () => Buffer.alloc(512)));
      const untold = call('/files/b', { method: 'PUT', body: chunks, duplex: 'half' } as RequestInit);
      expect(await untold.then(({ status }) => status)).toBe(413);
      expect(await filesOnDisk()).toEqual([]);
    });

    test('leaves nothing of an upload that breaks off', async () => {
      await start();
      const upload = request(`${server.url}/files/a`, {
        method: 'PUT',
        headers: { 'Content-Length': 10_000_000 },
      });
      upload.on('error', () => {});
      upload.write(Buffer.alloc(5_000_000));
      await until(async () => (await filesOnDisk()).length > 0, 'the upload to reach the disk');
      upload.destroy();
      await until(async () => (await filesOnDisk()).length === 0, 'the disk to be clean');
      expect(await list()).toEqual({ files: [], next: null });
    });
  });

  describe('other sites', () => {
    test.each(['cross-site', 'same-site'])('cannot write through a browser (%s)', async (site) => {
      await start();
      const headers = { 'Sec-Fetch-Site': site };
      await expectProblem(await call('/files/a', { method: 'PUT', body: 'x', headers }), 403, 'FORBIDDEN');
      await expectProblem(
        await call('/files', { method: 'POST', body: new FormData(), headers }),
        403,
        'FORBIDDEN',
      );
      expect((await call('/files', { headers })).status).toBe(200);
    });
  });

  describe('starting and stopping', () => {
    test('files are there after a restart', async () => {
      await start();
      const info = await create('a.txt', 'hello');
      expect(await server.stop()).toBe(0);
      await start();
      expect((await list()).files).toEqual([info]);
      expect(await (await call(info.url)).text()).toBe('hello');
    });

    test.each(['SIGTERM', 'SIGINT'] as const)(
      '%s lets an upload that is under way finish',
      async (signal) => {
        await start();
        const upload = request(`${server.url}/files/a.txt`, {
          method: 'PUT',
          headers: { 'Content-Length': 2_000_000 },
        });
        upload.write(Buffer.alloc(1_500_000));
        await until(async () => (await filesOnDisk()).length > 0, 'the upload to reach the disk');
        const stopped = server.stop(signal);
        await until(() => isRefused(server.url), 'the server to take no more connections');
        upload.end(Buffer.alloc(500_000));
        const [answer] = await once(upload, 'response');
        expect(answer.statusCode).toBe(201);
        answer.resume();
        expect(await stopped).toBe(0);
        expect(await filesOnDisk()).not.toEqual([]);
      },
    );

    /** Whether nobody listens there any more. */
    function isRefused(url: string): Promise<boolean> {
      const probe = connect(Number(new URL(url).port), '127.0.0.1');
      return new Promise((resolve) => {
        probe.once('error', () => resolve(true));
        probe.once('connect', () => {
          probe.destroy();
          resolve(false);
        });
      });
    }

    test('memory: works as well', async () => {
      await start({ DEPOT_URL: 'memory:' });
      const { url } = await create('a.txt', 'hello');
      expect(await (await call(url)).text()).toBe('hello');
    });

    testByIPv6('says where it listens, also by IPv6', async () => {
      await start({ HOST: '::1' });
      expect(server.url).toMatch(/^http:\/\/\[::1\]:\d+$/);
      expect((await call('/config')).status).toBe(200);
    });

    async function expectRefusal(settings: Record<string, string>, said: string): Promise<void> {
      await start(settings);
      expect(await server.ended).toBe(1);
      expect(server.url).toBe('');
      expect(server.errors).toContain(said);
      expect(server.errors.trim().split('\n')).toHaveLength(1);
    }

    test('a file in place of the folder is named', async () => {
      await writeFile(join(folder, 'depot'), 'a file');
      await expectRefusal({}, join(folder, 'depot'));
    });

    test('a folder that cannot be made is named', async () => {
      await expectRefusal({ DEPOT_URL: 'file:/proc/filedepot/files' }, '/proc/filedepot/files');
    });

    test('a wrong setting is named', async () => {
      await expectRefusal({ DEPOT_URL: 'nonsense' }, 'URL');
      await expectRefusal({ MAX_FILE_SIZE: 'plenty' }, 'plenty');
    });

    test('a port that is taken is named', async () => {
      const other = createServer().listen(0, '127.0.0.1');
      await once(other, 'listening');
      const { port } = other.address() as AddressInfo;
      await expectRefusal({ PORT: String(port) }, String(port));
      other.close();
    });
  });
});
