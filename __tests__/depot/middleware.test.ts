import type { RequestListener } from 'node:http';
import { afterEach, describe, expect, test } from '@jest/globals';
import connect from 'connect';
import express from 'express';
import type { FileInfo } from '../../lib/contract/file-info.js';
import { DepotManager } from '../../lib/depot/manager.js';
import { TestServers } from '../support/serving.js';

const servers = new TestServers();
afterEach(() => servers.close());

async function listen(listener: RequestListener): Promise<string> {
  return `http://127.0.0.1:${await servers.listen(listener)}`;
}

async function depotWithFile(): Promise<{ depot: DepotManager; file: FileInfo }> {
  const depot = new DepotManager();
  depot.configure('default', { backend: 'memory' });
  return { depot, file: await depot.create('content', { filename: 'a.txt' }) };
}

/** That a file is served where the manager says, and that all else goes on to the next handler. */
async function expectService(listener: RequestListener, depot: DepotManager, file: FileInfo): Promise<void> {
  const origin = await listen(listener);
  const answer = await fetch(origin + depot.urlFor(file.path));
  expect(answer.status).toBe(200);
  expect(await answer.text()).toBe('content');
  expect(await (await fetch(`${origin}/other`)).text()).toBe('other');
}

describe('Express', () => {
  test('has the manager as app.locals.depot when app.use returns', async () => {
    const { depot, file } = await depotWithFile();
    const app = express();
    app.use(depot.middleware());
    expect(app.locals.depot).toBe(depot);
    app.get('/other', (req, res) => void res.send(req.app === app ? 'other' : 'another app'));
    expect(depot.urlFor(file.path)).toBe(`/depot/${file.path}`);
    await expectService(app, depot, file);
  });

  test('below a path', async () => {
    const { depot, file } = await depotWithFile();
    const app = express();
    app.use('/files/', depot.middleware({ mountpoint: '/public' }));
    app.get('/other', (_req, res) => void res.send('other'));
    expect(app.locals.depot).toBe(depot);
    expect(depot.urlFor(file.path)).toBe(`/files/public/${file.path}`);
    expect((await depot.info(file.path)).url).toBe(`/files/public/${file.path}`);
    await expectService(app, depot, file);
  });

  test('below several paths: URLs are those of the first', async () => {
    const { depot, file } = await depotWithFile();
    const app = express();
    app.use(['/a', '/b'], depot.middleware());
    app.get('/other', (_req, res) => void res.send('other'));
    expect(depot.urlFor(file.path)).toBe(`/a/depot/${file.path}`);
    await expectService(app, depot, file);
  });

  test('below a pattern: URLs are those without it', async () => {
    const { depot, file } = await depotWithFile();
    express().use(/^\/[ab]/, depot.middleware());
    expect(depot.urlFor(file.path)).toBe(`/depot/${file.path}`);
  });

  test('in an application that is mounted later', async () => {
    const { depot, file } = await depotWithFile();
    const [outer, inner] = [express(), express()];
    inner.use('/files', depot.middleware());
    outer.use('/api', inner);
    outer.get('/other', (_req, res) => void res.send('other'));
    expect(inner.locals.depot).toBe(depot);
    expect(outer.locals.depot).toBeUndefined();
    expect(depot.urlFor(file.path)).toBe(`/api/files/depot/${file.path}`);
    await expectService(outer, depot, file);
  });

  test.each([
    ['/', `/depot/`],
    ['/api/', '/api/depot/'],
    [['/a', '/b'], '/a/depot/'],
  ])('in an application that is mounted below %j', async (path, base) => {
    const { depot, file } = await depotWithFile();
    const [outer, inner] = [express(), express()];
    inner.use(depot.middleware());
    outer.use(path, inner);
    outer.get('/other', (_req, res) => void res.send('other'));
    expect(depot.urlFor(file.path)).toBe(base + file.path);
    await expectService(outer, depot, file);
  });

  test('in a router, which has neither locals nor a path to tell', async () => {
    const { depot, file } = await depotWithFile();
    const app = express();
    app.use(express.Router().use(depot.middleware()));
    app.get('/other', (_req, res) => void res.send('other'));
    expect(app.locals.depot).toBeUndefined();
    await expectService(app, depot, file);
  });

  test('a failure goes to the error handler', async () => {
    const { depot, file } = await depotWithFile();
    const app = express();
    const authorize = () => Promise.reject(new Error('no database'));
    app.use(depot.middleware({ authorize }));
    app.use(((error, _req, res, _next) => {
      res.status(500).send(error.message);
    }) satisfies express.ErrorRequestHandler);
    const answer = await fetch((await listen(app)) + file.url);
    expect([answer.status, await answer.text()]).toEqual([500, 'no database']);
  });

  test('two managers in one application', async () => {
    const [one, two] = [await depotWithFile(), await depotWithFile()];
    const app = express();
    app.use(one.depot.middleware());
    app.use('/two', two.depot.middleware());
    expect(app.locals.depot).toBe(two.depot);
    app.get('/other', (_req, res) => void res.send('other'));
    await expectService(app, one.depot, one.file);
    await expectService(app, two.depot, two.file);
  });
});

describe('Connect', () => {
  test.each(['/', '/files'])('below %s', async (path) => {
    const { depot, file } = await depotWithFile();
    const mountpoint = '/depot';
    const app = connect();
    app.use(path, depot.middleware({ mountpoint }));
    app.use('/other', (_req, res) => void res.end('other'));
    const origin = await listen(app);
    const answer = await fetch(`${origin}${path.replace(/\/$/, '')}${mountpoint}/${file.path}`);
    expect([answer.status, await answer.text()]).toEqual([200, 'content']);
    expect(await (await fetch(`${origin}/other`)).text()).toBe('other');
  });
});

describe('node:http', () => {
  test('with something behind it', async () => {
    const { depot, file } = await depotWithFile();
    const serve = depot.middleware();
    await expectService((req, res) => serve(req, res, () => void res.end('other')), depot, file);
  });

  test('alone, as the listener of a server', async () => {
    const { depot, file } = await depotWithFile();
    const origin = await listen(depot.middleware());
    expect(await (await fetch(origin + file.url)).text()).toBe('content');
    expect((await fetch(`${origin}/other`)).status).toBe(404);
  });
});
