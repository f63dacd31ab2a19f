import {
  createServer,
  type IncomingHttpHeaders,
  type RequestListener,
  request,
  type Server,
} from 'node:http';
import type { AddressInfo } from 'node:net';
import type { FileStorage } from '../../lib/contract/storage.js';
import type { StorageDirectory } from '../../lib/contract/storage-directory.js';
import { DepotError } from '../../lib/errors.js';

/** Storages by their names. */
export function directoryOf(storages: Readonly<Record<string, FileStorage>>): StorageDirectory {
  const byName = new Map(Object.entries(storages));
  const get = (name = '') => {
    const storage = byName.get(name);
    if (!storage) throw new DepotError('STORAGE_NOT_FOUND', `There is no storage ${JSON.stringify(name)}`);
    return storage;
  };
  return { get, resolveAlias: (name = '') => name, urlFor: (path) => `/depot/${path}` };
}

/** Servers of one test file, closed together. */
export class TestServers {
  readonly #servers: Server[] = [];

  /** Starts a server on a free port, and resolves to that. */
  async listen(listener: RequestListener): Promise<number> {
    const server = createServer(listener);
    this.#servers.push(server);
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    return (server.address() as AddressInfo).port;
  }

  async close(): Promise<void> {
    for (const server of this.#servers.splice(0)) {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    }
  }
}

export interface Answer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly body: Buffer;
}

export interface AskOptions {
  readonly method?: string;
  readonly headers?: Readonly<Record<string, string>>;
}

/**
 * Sends a request whose path nobody tidies up, as `fetch` does, and reads the answer.
 * Rejects where the answer is cut off.
 */
export function ask(
  port: number,
  path: string,
  { method = 'GET', headers = {} }: AskOptions = {},
): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const req = request({ host: '127.0.0.1', port, path, method, headers, agent: false }, (res) => {
      const chunks: Buffer[] = [];
      res.on('data', (chunk: Buffer) => chunks.push(chunk));
      res.on('error', reject);
      res.on('end', () => {
        resolve({ status: res.statusCode ?? 0, headers: res.headers, body: Buffer.concat(chunks) });
      });
    });
    req.on('error', reject);
    req.end();
  });
}

/** The problem details that an answer has for a body. */
export function problemOf({ headers, body }: Answer): {
  status: number;
  code?: string;
  title: string;
  detail?: string;
} {
  if (headers['content-type'] !== 'application/problem+json')
    throw new Error(`Not a problem: ${body.toString()}`);
  return JSON.parse(body.toString());
}
