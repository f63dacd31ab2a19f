// @ts-check
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { connect, createServer } from 'node:net';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { loaded } from './subjects.js';
import { resetPeakMemory, usageOf } from './usage.js';

const NGINX = process.env.NGINX ?? '/usr/sbin/nginx';

/** nginx is no package of npm: its rows appear where it is installed. */
export const hasNginx = process.platform === 'linux' && existsSync(NGINX);

/**
 * nginx in a single process, serving a folder.
 * @param {import('./types.js').LoadGenerator} client
 * @param {{ root: string, folder: string }} server `folder` is for its own files
 * @param {Parameters<typeof loaded>[2]} traffic
 * @returns {Promise<import('./types.js').Subject>}
 */
export async function startNginx(client, { root, folder }, traffic) {
  mkdirSync(folder, { recursive: true });
  const port = await freePort();
  writeFileSync(join(folder, 'nginx.conf'), configuration(root, port));
  const child = spawn(NGINX, ['-p', folder, '-c', join(folder, 'nginx.conf'), '-e', 'stderr'], {
    stdio: 'ignore',
  });
  const pid = /** @type {number} */ (child.pid);
  await listening(port);
  return {
    ...loaded(client, port, traffic),
    usage: async (reset) => {
      if (reset) resetPeakMemory(pid);
      return usageOf(pid);
    },
    stop: async () => {
      child.kill();
      await once(child, 'exit');
    },
  };
}

/** @param {string} root @param {number} port */
function configuration(root, port) {
  return `
    daemon off; master_process off; worker_processes 1; pid nginx.pid; error_log stderr crit;
    events { worker_connections 64; }
    http {
      access_log off; sendfile on; tcp_nopush on; keepalive_requests 1000000; default_type application/octet-stream;
      client_body_temp_path body; proxy_temp_path proxy; fastcgi_temp_path fastcgi; uwsgi_temp_path uwsgi; scgi_temp_path scgi;
      server { listen 127.0.0.1:${port}; root ${root}; }
    }`;
}

/** A port that nobody listens on. */
export async function freePort() {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = /** @type {import('node:net').AddressInfo} */ (server.address());
  server.close();
  await once(server, 'close');
  return port;
}

/** @param {number} port */
async function listening(port) {
  for (let tries = 0; tries < 200; tries += 1) {
    const socket = connect(port, '127.0.0.1');
    const open = await once(socket, 'connect').then(
      () => true,
      () => false,
    );
    socket.destroy();
    if (open) return;
    await sleep(25);
  }
  throw new Error('nginx did not start');
}
