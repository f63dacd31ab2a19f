import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readFile, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { DepotManager } from '../../lib/depot/manager.js';
import { ROOT } from '../support/consumer-project.js';
import { findExecutable } from '../support/executables.js';
import { removeFolder } from '../support/folders.js';
import { freePort } from '../support/servers/free-port.js';
import { ask, TestServers } from '../support/serving.js';
import { until } from '../support/until.js';

const CONTENT = Buffer.from('0123456789');

/** What the documents tell to write into nginx's configuration. */
async function documentedLocations(): Promise<string> {
  const text = await readFile(join(ROOT, 'docs/serving.md'), 'utf8');
  return /^```nginx\n(.*?)^```$/ms.exec(text)?.[1] ?? '';
}

/** Where it is missing the tests are skipped, and say so; with `CI=true` that is a failure. */
function findNginx(): string | undefined {
  const found = findExecutable(['nginx'], '/usr/sbin');
  if (!found && process.env.CI === 'true') throw new Error('There is no nginx');
  return found;
}

const configuration = (port: number, locations: string) => `
  daemon off; master_process off; pid nginx.pid; error_log stderr crit;
  events { worker_connections 64; }
  http {
    access_log off; default_type application/octet-stream;
    client_body_temp_path body; proxy_temp_path proxy; fastcgi_temp_path fastcgi; uwsgi_temp_path uwsgi; scgi_temp_path scgi;
    server { listen 127.0.0.1:${port}; ${locations} }
  }`;

const nginx = findNginx();

(nginx ? describe : describe.skip)('files that nginx sends, set up as the documents say', () => {
  const servers = new TestServers();
  const depot = new DepotManager();
  let folder: string;
  let child: ChildProcess;
  let port: number;
  let url: string;

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'filedepot-nginx-'));
    const root = join(folder, 'files');
    depot.configure('files', { backend: 'local', storagePath: root, durability: 'rename' });
    const authorize = async (req: { headers: Record<string, unknown> }) => req.headers['x-user'] === 'me';
    const sendfile = { header: 'X-Accel-Redirect', root, prefix: '/internal/' } as const;
    const application = await servers.listen(depot.middleware({ sendfile, authorize }));
    ({ url } = await depot.create(CONTENT, { filename: 'žluť.html' }));
    port = await freePort();
    const locations = (await documentedLocations())
      .replace('127.0.0.1:3000', `127.0.0.1:${application}`)
      .replace('/srv/files', root);
    await writeFile(join(folder, 'nginx.conf'), configuration(port, locations));
    const parameters = ['-p', folder, '-c', join(folder, 'nginx.conf'), '-e', 'stderr'];
    child = spawn(nginx as string, parameters, { stdio: ['ignore', 'ignore', 'inherit'] });
    await until(() => ask(port, '/').then(Boolean, () => false), 'nginx');
  });

  afterAll(async () => {
    child.kill();
    if (child.exitCode === null && child.signalCode === null) await once(child, 'exit');
    await servers.close();
    await depot.close();
    await removeFolder(folder);
  });

  const get = (headers: Record<string, string> = {}) =>
    ask(port, url, { headers: { 'X-User': 'me', ...headers } });

  test('are as safe as those that we send', async () => {
    const { status, headers, body } = await get();
    expect([status, body]).toEqual([200, CONTENT]);
    expect(headers).toMatchObject({
      server: expect.stringMatching(/^nginx/),
      'content-type': 'text/html',
      'content-disposition': expect.stringMatching(/^attachment; .*filename\*=UTF-8''%C5%BElu%C5%A5\.html$/),
      'cache-control': 'private, no-cache',
      'x-content-type-options': 'nosniff',
      'content-security-policy': expect.stringMatching(/^default-src 'none';.* sandbox$/),
    });
    expect(headers).not.toHaveProperty('x-accel-redirect');
  });

  test('in parts, and not again if they are unchanged', async () => {
    expect(await get({ Range: 'bytes=-3' })).toMatchObject({ status: 206, body: Buffer.from('789') });
    const { etag = '' } = (await get()).headers;
    expect((await get({ 'If-None-Match': etag })).status).toBe(304);
  });

  test('only to those who may have them, and by no other way', async () => {
    expect((await get({ 'X-User': 'you' })).status).toBe(403);
    const id = url.split('/').at(-1);
    expect((await ask(port, `/internal/${id}/file`)).status).toBe(404);
  });
});
