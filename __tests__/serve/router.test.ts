import type { RequestListener } from 'node:http';
import { afterAll, beforeAll, describe, expect, jest, test } from '@jest/globals';
import connect from 'connect';
import express, { type ErrorRequestHandler } from 'express';
import express4 from 'express4';
import { DepotError } from '../../lib/errors.js';
import type { ServeOptions } from '../../lib/serve/options.js';
import { serveFiles } from '../../lib/serve/router.js';
import { MemoryStorage } from '../../lib/storages/memory.js';
import { OpenFilesStorage, readWell } from '../support/open-files.js';
import {
  type Answer,
  type AskOptions,
  ask,
  directoryOf,
  problemOf,
  TestServers,
} from '../support/serving.js';

const CONTENT = Buffer.from('0123456789'.repeat(10));

const servers = new TestServers();
const memory = new MemoryStorage();
const directory = directoryOf({ files: memory });
let id: string;

beforeAll(async () => {
  id = await memory.create(CONTENT, { filename: 'digits.png' });
});
afterAll(() => servers.close());

type CreateApplication = (options?: ServeOptions) => RequestListener;

const ofExpress =
  (create: () => express.Express): CreateApplication =>
  (options) => {
    const app = create();
    app.use(serveFiles(directory, options));
    app.use((_req, res) => void res.status(299).end('behind'));
    return app;
  };

const express5 = ofExpress(express);

const express5Below: CreateApplication = (options) => {
  const app = express();
  app.use('/files', serveFiles(directory, options));
  app.use((_req, res) => void res.status(299).end('behind'));
  return app;
};

const connect3: CreateApplication = (options) => {
  const app = connect();
  app.use(serveFiles(directory, options));
  app.use((_req, res) => void res.writeHead(299).end('behind'));
  return app;
};

const nodeHttp: CreateApplication = (options) => {
  const serve = serveFiles(directory, options);
  return (req, res) => serve(req, res, () => res.writeHead(299).end('behind'));
};

/** The same middleware everywhere, and something behind it. */
const APPLICATIONS: readonly [name: string, path: string, create: CreateApplication][] = [
  ['Express 5', '', express5],
  ['Express 5, below a path', '/files', express5Below],
  ['Express 4', '', ofExpress(express4)],
  ['Connect 3', '', connect3],
  ['node:http', '', nodeHttp],
];

describe.each(APPLICATIONS)('%s', (_name, base, createApplication) => {
  let port: number;
  beforeAll(async () => {
    port = await servers.listen(createApplication());
  });

  const get = (path: string, options?: AskOptions) => ask(port, base + path, options);

  test('200: the file, and all that is to be told of it', async () => {
    const answer = await get(`/depot/files/${id}`);
    expect(answer.status).toBe(200);
    expect(answer.body).toEqual(CONTENT);
    expect(answer.headers).toMatchObject({
      'content-type': 'image/png',
      'content-length': '100',
      'content-disposition': 'inline; filename="digits.png"',
      'x-content-type-options': 'nosniff',
      'accept-ranges': 'bytes',
      'cache-control': 'public, max-age=0',
      etag: expect.stringMatching(/^"[\x21-\x7e]+"$/),
      'last-modified': expect.stringMatching(/ GMT$/),
      'content-security-policy': expect.stringMatching(/; sandbox$/),
    });
  });

  test('the name in the path is for people', async () => {
    expect((await get(`/depot/files/${id}/anything%20else.html`)).headers['content-type']).toBe('image/png');
  });

  test('HEAD: the same headers, and no content', async () => {
    const [head, whole] = await Promise.all([
      get(`/depot/files/${id}`, { method: 'HEAD' }),
      get(`/depot/files/${id}`),
    ]);
    expect(head).toMatchObject({ status: 200, body: Buffer.alloc(0) });
    expect({ ...head.headers, date: '' }).toEqual({ ...whole.headers, date: '' });
  });

  test('304', async () => {
    const { etag = '' } = (await get(`/depot/files/${id}`)).headers;
    const answer = await get(`/depot/files/${id}`, { headers: { 'If-None-Match': `"x", W/${etag}` } });
    expect(answer).toMatchObject({ status: 304, body: Buffer.alloc(0), headers: { etag } });
    expect(answer.headers).not.toHaveProperty('content-type');
  });

  test('206', async () => {
    const answer = await get(`/depot/files/${id}`, { headers: { Range: 'bytes=-3' } });
    expect(answer).toMatchObject({ status: 206, body: Buffer.from('789') });
    expect(answer.headers).toMatchObject({ 'content-range': 'bytes 97-99/100', 'content-length': '3' });
  });

  test('206: several parts', async () => {
    const answer = await get(`/depot/files/${id}`, { headers: { Range: 'bytes=0-0,5-9' } });
    const boundary = /^multipart\/byteranges; boundary=(\S+)$/.exec(
      answer.headers['content-type'] ?? '',
    )?.[1];
    const parts = ['0-0', '5-9'].map(
      (range) => `\r\n--${boundary}\r\nContent-Type: image/png\r\nContent-Range: bytes ${range}/100\r\n\r\n`,
    );
    expect(answer.status).toBe(206);
    expect(answer.body.toString()).toBe(`${parts[0]}0${parts[1]}56789\r\n--${boundary}--\r\n`);
    expect(answer.headers['content-length']).toBe(String(answer.body.byteLength));
  });

  test('412', async () => {
    const answer = await get(`/depot/files/${id}`, { headers: { 'If-Match': '"x"' } });
    expect(problemOf(answer)).toMatchObject({ status: 412, code: 'PRECONDITION_FAILED' });
  });

  test.each(['bytes=100-', `bytes=${Array(200).fill('0-')}`])('416: %.20s', async (range) => {
    const answer = await get(`/depot/files/${id}`, { headers: { Range: range } });
    expect(problemOf(answer)).toMatchObject({ status: 416, code: 'RANGE_NOT_SATISFIABLE' });
    expect(answer.headers['content-range']).toBe('bytes */100');
    expect(answer.headers).not.toHaveProperty('etag');
  });

  test.each(['POST', 'PUT', 'DELETE', 'OPTIONS', 'PATCH'])('%s goes on to what is behind', async (method) => {
    expect((await get(`/depot/files/${id}`, { method })).status).toBe(299);
  });

  test.each(['/', '/other', '/depotsomething/files/x', '//depot/files/x'])(
    '%s goes on to what is behind',
    async (path) => {
      expect((await get(path)).status).toBe(299);
    },
  );

  test.each([
    ['/depot', 'INVALID_PATH'],
    ['/depot/', 'INVALID_PATH'],
    ['/depot/files', 'INVALID_PATH'],
    ['/depot/files/', 'INVALID_PATH'],
    ['/depot/files/a/b/c', 'INVALID_PATH'],
    ['/depot/files/../../etc/passwd', 'INVALID_PATH'],
    ['/depot/files/..', 'INVALID_PATH'],
    ['/depot/files/%2e%2e', 'INVALID_PATH'],
    ['/depot/files/%2e%2e%2f%2e%2e%2fetc%2fpasswd', 'INVALID_PATH'],
    ['/depot/files/..%5c..%5cboot.ini', 'INVALID_PATH'],
    ['/depot/files/%252e%252e%252fpasswd', 'INVALID_FILE_ID'],
    ['/depot/files/a%00', 'INVALID_PATH'],
    ['/depot/files/%', 'INVALID_PATH'],
    ['/depot/files/%c0%ae', 'INVALID_PATH'],
    ['/depot/files/.staging', 'INVALID_FILE_ID'],
    ['/depot/files/metadata.json', 'INVALID_FILE_ID'],
    ['/depot/files/unknown', 'FILE_NOT_FOUND'],
    ['/depot/files/__proto__', 'INVALID_FILE_ID'],
    ['/depot/files/constructor', 'FILE_NOT_FOUND'],
    ['/depot/unknown/id', 'STORAGE_NOT_FOUND'],
    ['/depot/constructor/id', 'STORAGE_NOT_FOUND'],
    ['/depot/__proto__/id', 'STORAGE_NOT_FOUND'],
    ['/depot/toString/id', 'STORAGE_NOT_FOUND'],
  ])('404: %s', async (path, code) => {
    expect(problemOf(await get(path))).toMatchObject({ status: 404, title: 'Not Found', code });
  });

  test('a target can be a whole URL', async () => {
    expect((await ask(port, `http://example.org${base}/depot/files/${id}`)).body).toEqual(CONTENT);
  });
});

describe('without anything behind it', () => {
  let port: number;
  beforeAll(async () => {
    port = await servers.listen(serveFiles(directory, { fallthrough: true }));
  });

  test.each([
    ['GET', '/other'],
    ['GET', '/depot/files/unknown'],
    ['POST', '/depot/files/unknown'],
  ])('404: %s %s', async (method, path) => {
    expect(problemOf(await ask(port, path, { method }))).toMatchObject({ status: 404 });
  });

  test('an application that is mounted in another one', async () => {
    const [outer, inner] = [express(), express()];
    inner.use(serveFiles(directory));
    outer.use('/api', inner);
    const answer = await ask(await servers.listen(outer), `/api/depot/files/${id}`);
    expect(answer.body).toEqual(CONTENT);
  });
});

describe('options', () => {
  const serve = (options: ServeOptions) => servers.listen(express5(options));

  test('mountpoint: the root', async () => {
    const port = await serve({ mountpoint: '/' });
    expect((await ask(port, `/files/${id}`)).body).toEqual(CONTENT);
    expect((await ask(port, '/')).status).toBe(404);
  });

  test('mountpoint: another path', async () => {
    const port = await serve({ mountpoint: '/a/b/' });
    expect((await ask(port, `/a/b/files/${id}`)).body).toEqual(CONTENT);
    expect((await ask(port, `/depot/files/${id}`)).status).toBe(299);
  });

  test('fallthrough: what does not exist goes on, the rest is answered', async () => {
    const port = await serve({ fallthrough: true });
    for (const path of ['/depot/files/unknown', '/depot/unknown/x', '/depot/%', '/depot']) {
      expect((await ask(port, path)).status).toBe(299);
    }
    expect((await ask(port, `/depot/files/${id}`, { headers: { Range: 'bytes=100-' } })).status).toBe(416);
  });

  test('disposition, and a download that the query asks for', async () => {
    const attachment = 'attachment; filename="digits.png"';
    const port = await serve({ disposition: 'attachment' });
    expect((await ask(port, `/depot/files/${id}`)).headers['content-disposition']).toBe(attachment);
    const other = await serve({});
    expect((await ask(other, `/depot/files/${id}?download`)).headers['content-disposition']).toBe(attachment);
  });
});

describe('active content', () => {
  test.each([
    'text/html',
    'Text/HTML; charset=utf-8',
    'image/svg+xml',
    'application/xhtml+xml',
    'application/xml',
    'text/xml',
    'application/pdf',
    'text/javascript',
    'no type at all',
  ])('%s is downloaded, in a sandbox, under its own type', async (contentType) => {
    const page = await memory.create('<script>alert(1)</script>', { filename: 'page', contentType });
    const { headers } = await ask(await servers.listen(serveFiles(directory)), `/depot/files/${page}`);
    expect(headers['content-disposition']).toBe('attachment; filename="page"');
    expect(headers['content-security-policy']).toMatch(/^default-src 'none';.* sandbox$/);
    expect(headers['x-content-type-options']).toBe('nosniff');
  });
});

describe('authorize', () => {
  const serve = (authorize: NonNullable<ServeOptions['authorize']>, options: ServeOptions = {}) => {
    const app = express();
    app.use(serveFiles(directory, { ...options, authorize }));
    app.use((_req, res) => void res.status(299).end());
    const onError: ErrorRequestHandler = (error, _req, res, _next) => {
      res.status(599).end(String(error.message));
    };
    app.use(onError);
    return servers.listen(app);
  };

  test('is asked once, with the request and the file', async () => {
    const asked: unknown[] = [];
    const port = await serve((req, file) => {
      asked.push([req.headers['x-user'], file.id, file.filename]);
      return true;
    });
    const headers = { 'X-User': 'me', 'If-None-Match': '"x"' };
    const answer = await ask(port, `/depot/files/${id}`, { headers });
    expect(answer).toMatchObject({ status: 200, body: CONTENT });
    expect(answer.headers['cache-control']).toBe('private, no-cache');
    expect(asked).toEqual([['me', id, 'digits.png']]);
  });

  test.each([
    ['GET', {}],
    ['HEAD', {}],
    ['GET', { 'If-None-Match': '*' }],
    ['GET', { 'If-Match': '"x"' }],
    ['GET', { Range: 'bytes=100-' }],
  ])('403 to a %s with %j, and nothing is told of the file', async (method, headers) => {
    const port = await serve(async () => false);
    const answer = await ask(port, `/depot/files/${id}`, { method, headers });
    expect(answer.status).toBe(403);
    expect(answer.headers).not.toHaveProperty('etag');
    if (method === 'GET') expect(problemOf(answer).code).toBe('FORBIDDEN');
  });

  test('anything but a yes is a no', async () => {
    const port = await serve((() => undefined) as unknown as () => boolean);
    expect((await ask(port, `/depot/files/${id}`)).status).toBe(403);
  });

  test('what it throws goes to the error handler', async () => {
    const fails = () => {
      throw new Error('no database');
    };
    const rejects = () => Promise.reject(new Error('no database'));
    for (const authorize of [fails, rejects]) {
      const answer = await ask(await serve(authorize), `/depot/files/${id}`);
      expect([answer.status, answer.body.toString()]).toEqual([599, 'no database']);
    }
  });

  test('what it throws is answered where nobody else does, and no failure if its status is one of 4xx', async () => {
    const refuse = { 401: { status: 401 }, 503: { statusCode: 503 }, 500: {} };
    for (const [status, fields] of Object.entries(refuse)) {
      const onError = jest.fn();
      const authorize = () => Promise.reject(Object.assign(new Error('who?'), fields));
      const answer = await ask(
        await servers.listen(serveFiles(directory, { authorize, onError })),
        `/depot/files/${id}`,
      );
      expect(problemOf(answer).status).toBe(Number(status));
      expect(onError).toHaveBeenCalledTimes(status === '401' ? 0 : 1);
    }
  });

  test('can hide a file', async () => {
    const hide = () => {
      throw new DepotError('FILE_NOT_FOUND');
    };
    expect((await ask(await serve(hide), `/depot/files/${id}`)).status).toBe(404);
    expect((await ask(await serve(hide, { fallthrough: true }), `/depot/files/${id}`)).status).toBe(299);
  });

  test('is asked again of a file that is replaced before it is sent', async () => {
    const storage = new MemoryStorage();
    const file = await storage.create('for all', { metadata: { isOpen: true } });
    const asked: unknown[] = [];
    const authorize: ServeOptions['authorize'] = async (_req, { metadata }) => {
      asked.push(metadata);
      if (asked.length === 1) await storage.replace(file, 'for all', { metadata: { isOpen: false } });
      return metadata.isOpen === true;
    };
    const port = await servers.listen(serveFiles(directoryOf({ files: storage }), { authorize }));
    const answer = await ask(port, `/depot/files/${file}`, { headers: { 'If-None-Match': '"x"' } });
    expect(problemOf(answer)).toMatchObject({ status: 403, code: 'FORBIDDEN' });
    expect(asked).toEqual([{ isOpen: true }, { isOpen: false }]);
  });

  test('is not asked of a file that does not exist', async () => {
    const port = await serve(() => Promise.reject(new Error('asked')));
    expect((await ask(port, '/depot/files/unknown')).status).toBe(404);
  });
});

describe('redirects', () => {
  const SIGNED = 'https://bucket.example/key?signature=x';

  async function redirected(
    url: string | undefined,
    options: ServeOptions = {},
    request: AskOptions = {},
    query = '',
  ) {
    const asked: unknown[] = [];
    const storage = new OpenFilesStorage({
      url: (given) => {
        asked.push(given);
        return url;
      },
    });
    const file = await storage.create(CONTENT, { filename: 'a.png' });
    const port = await servers.listen(serveFiles(directoryOf({ remote: storage }), options));
    const answer = await ask(port, `/depot/remote/${file}${query}`, request);
    return { answer, asked, storage };
  }

  test('302 to the storage, for less time than the signature holds', async () => {
    const { answer, asked, storage } = await redirected(SIGNED);
    expect(answer).toMatchObject({ status: 302, body: Buffer.alloc(0), headers: { location: SIGNED } });
    const { expiresIn, disposition } = asked[0] as { expiresIn: number; disposition: string };
    const maxAge = /^private, max-age=(\d+)$/.exec(answer.headers['cache-control'] ?? '')?.[1];
    expect(Number(maxAge)).toBeLessThan(expiresIn);
    expect(disposition).toBe('inline');
    expect(storage.opened).toBe(0);
  });

  test('a download is asked for there as well', async () => {
    expect((await redirected(SIGNED, {}, {}, '?download')).asked).toMatchObject([
      { disposition: 'attachment' },
    ]);
  });

  test('RFC 9110 section 13.2.1: conditions and ranges are not ours to evaluate', async () => {
    const headers = { 'If-None-Match': '*', 'If-Match': '"x"', Range: 'bytes=100-' };
    expect((await redirected(SIGNED, {}, { headers })).answer.status).toBe(302);
  });

  test('a HEAD is answered by us where the URL is signed for GET alone', async () => {
    const { answer, storage } = await redirected(SIGNED, {}, { method: 'HEAD' });
    expect(answer).toMatchObject({
      status: 200,
      headers: { 'content-length': '100', 'content-type': 'image/png' },
    });
    expect(storage.opened).toBe(0);
  });

  /** A storage that has URLs, a file of it, and how often the backend was asked for the file. */
  async function remembering(options: ServeOptions = {}) {
    const storage = new OpenFilesStorage({ url: () => SIGNED });
    const looks = jest.spyOn(storage, 'get');
    const file = await storage.create(CONTENT, { filename: 'a.png' });
    const port = await servers.listen(serveFiles(directoryOf({ remote: storage }), options));
    const get = (method = 'GET') => ask(port, `/depot/remote/${file}`, { method });
    return { storage, looks, file, get };
  }

  test('what was found out of a file is used again, for a while', async () => {
    const { looks, get } = await remembering();
    const now = jest.spyOn(Date, 'now').mockReturnValue(0);
    for (let index = 0; index < 3; index++) expect((await get()).status).toBe(302);
    expect(looks).toHaveBeenCalledTimes(1);
    now.mockReturnValue(10_000);
    expect((await get()).status).toBe(302);
    expect(looks).toHaveBeenCalledTimes(2);
    now.mockRestore();
  });

  test('a HEAD, and each request with `verify`, looks anew', async () => {
    const { looks, get } = await remembering();
    for (const method of ['GET', 'GET', 'HEAD', 'HEAD']) await get(method);
    expect(looks).toHaveBeenCalledTimes(3);
    const verifying = await remembering({ verify: true });
    for (let index = 0; index < 3; index++) await verifying.get();
    expect(verifying.looks).toHaveBeenCalledTimes(3);
  });

  test('what is deleted here is missed at once', async () => {
    const { storage, file, get } = await remembering();
    expect((await get()).status).toBe(302);
    await storage.delete(file);
    expect(problemOf(await get())).toMatchObject({ status: 404, code: 'FILE_NOT_FOUND' });
    await storage.create(CONTENT, { id: file });
    expect((await get()).status).toBe(302);
  });

  test('what is replaced here is seen at once', async () => {
    const asked: string[] = [];
    const storage = new OpenFilesStorage({ url: () => SIGNED });
    const file = await storage.create(CONTENT, { filename: 'a.png' });
    const authorize = (_req: unknown, { filename }: { filename: string }) => asked.push(filename) > 0;
    const port = await servers.listen(serveFiles(directoryOf({ remote: storage }), { authorize }));
    await ask(port, `/depot/remote/${file}`);
    await storage.replace(file, CONTENT, { filename: 'b.html' });
    await ask(port, `/depot/remote/${file}`);
    expect(asked).toEqual(['a.png', 'b.html']);
  });

  test('permission is asked for each time', async () => {
    let isAllowed = true;
    const { looks, get } = await remembering({ authorize: () => isAllowed });
    expect((await get()).status).toBe(302);
    isAllowed = false;
    expect((await get()).status).toBe(403);
    expect(looks).toHaveBeenCalledTimes(1);
  });

  test('a file that is missing is looked for each time', async () => {
    const storage = new OpenFilesStorage({ url: () => SIGNED });
    const port = await servers.listen(serveFiles(directoryOf({ remote: storage })));
    expect((await ask(port, '/depot/remote/later')).status).toBe(404);
    await storage.create(CONTENT, { id: 'later' });
    expect((await ask(port, '/depot/remote/later')).status).toBe(302);
  });

  test.each<Record<string, string>>([
    { Host: 'evil.example' },
    { 'X-Forwarded-Host': 'evil.example' },
    { Forwarded: 'host=evil.example' },
    { 'X-Original-URL': 'https://evil.example' },
  ])('nothing of %j reaches Location', async (headers) => {
    const { answer } = await redirected(SIGNED, {}, { headers });
    expect(answer.headers.location).toBe(SIGNED);
    expect(JSON.stringify(answer.headers)).not.toContain('evil');
  });

  test.each([
    '//evil.example',
    '//evil.example/',
    '//evil.example/..',
    '///evil.example/%2e%2e',
    '/\\evil.example',
  ])('%s is redirected nowhere', async (path) => {
    const port = await servers.listen(serveFiles(directory));
    const answer = await ask(port, path);
    expect([answer.status, answer.headers.location]).toEqual([404, undefined]);
  });

  test('not without permission', async () => {
    const { answer, asked } = await redirected(SIGNED, { authorize: () => false });
    expect([answer.status, asked]).toEqual([403, []]);
  });

  test('where there is no URL, or none is wanted, the file is sent', async () => {
    expect((await redirected(undefined)).answer).toMatchObject({ status: 200, body: CONTENT });
    expect((await redirected(SIGNED, { redirect: false })).answer).toMatchObject({
      status: 200,
      body: CONTENT,
    });
  });

  test('a URL that is no header is a failure of ours', async () => {
    const { answer } = await redirected('https://bucket.example/\r\nX-Evil: 1');
    expect(problemOf(answer)).toMatchObject({ status: 500 });
    expect(answer.headers).not.toHaveProperty('x-evil');
  });
});

describe('files that a proxy sends', () => {
  async function handedOver(sendfile: NonNullable<ServeOptions['sendfile']>, options: AskOptions = {}) {
    const storage = new OpenFilesStorage({ localPath: (name) => `/var/files/${name}/file`, read: readWell });
    const file = await storage.create(CONTENT, { filename: 'a.html' });
    const port = await servers.listen(serveFiles(directoryOf({ local: storage }), { sendfile }));
    return { answer: await ask(port, `/depot/local/${file}`, options), file, storage };
  }
  const NGINX = { header: 'X-Accel-Redirect', root: '/var/files', prefix: '/internal/' } as const;

  test('X-Accel-Redirect', async () => {
    const { answer, file, storage } = await handedOver(NGINX);
    expect(answer).toMatchObject({ status: 200, body: Buffer.alloc(0) });
    expect(answer.headers).toMatchObject({
      'x-accel-redirect': `/internal/${file}/file`,
      'content-type': 'text/html',
      'content-disposition': 'attachment; filename="a.html"',
      'cache-control': 'public, max-age=0',
    });
    expect(storage.closed).toBe(storage.opened);
  });

  test('X-Sendfile', async () => {
    const { answer, file } = await handedOver({ header: 'X-Sendfile' });
    expect(answer.headers['x-sendfile']).toBe(`/var/files/${file}/file`);
  });

  test('the proxy sees to conditions and ranges', async () => {
    const headers = { 'If-None-Match': '*', 'If-Match': '"x"', Range: 'bytes=100-' };
    const { answer } = await handedOver(NGINX, { headers });
    expect([answer.status, answer.headers['content-range']]).toEqual([200, undefined]);
  });

  test('a file outside of the root is sent by us', async () => {
    const { answer } = await handedOver({ ...NGINX, root: '/var/other' });
    expect(answer).toMatchObject({ status: 200, body: CONTENT });
    expect(answer.headers).not.toHaveProperty('x-accel-redirect');
  });
});

describe('failures of a storage', () => {
  async function failing(error: unknown): Promise<Answer[]> {
    const storage = new OpenFilesStorage({
      read: () => Promise.reject(error),
    });
    const file = await storage.create(CONTENT);
    const serve = serveFiles(directoryOf({ files: storage }));
    const app = express();
    app.use(serve);
    const onError: ErrorRequestHandler = (given, _req, res, _next) => {
      res.status(599).json(given === error);
    };
    app.use(onError);
    const ports = await Promise.all([servers.listen(app), servers.listen(serve)]);
    const answers = await Promise.all(ports.map((port) => ask(port, `/depot/files/${file}`)));
    expect(storage.closed).toBe(storage.opened);
    return answers;
  }

  test('go to the error handler; without one they are answered, and tell nothing', async () => {
    for (const error of [new DepotError('STORAGE_UNAVAILABLE', '/secret'), new Error('/secret')]) {
      const [handled, answered] = await failing(error);
      expect([handled?.status, handled?.body.toString()]).toEqual([599, 'true']);
      expect(answered?.status).toBe(error instanceof DepotError ? 503 : 500);
      expect(answered?.body.toString()).not.toContain('secret');
    }
  });

  test('a file that has gone since is a 404', async () => {
    for (const answer of await failing(new DepotError('FILE_NOT_FOUND'))) {
      expect(problemOf(answer)).toMatchObject({ status: 404, code: 'FILE_NOT_FOUND' });
    }
  });

  test('a file that was replaced since is opened anew', async () => {
    let conflicts = 3;
    const storage = new OpenFilesStorage({
      read: (...range) => {
        if (conflicts-- > 0) return Promise.reject(new DepotError('CONFLICT'));
        return readWell(...range);
      },
    });
    const file = await storage.create(CONTENT);
    const port = await servers.listen(serveFiles(directoryOf({ files: storage })));
    expect(await ask(port, `/depot/files/${file}`)).toMatchObject({ status: 200, body: CONTENT });
    expect([storage.opened, storage.closed]).toEqual([4, 4]);
    conflicts = Number.POSITIVE_INFINITY;
    expect(problemOf(await ask(port, `/depot/files/${file}`))).toMatchObject({
      status: 409,
      code: 'CONFLICT',
    });
  });
});
