import { mkdtemp, readdir } from 'node:fs/promises';
import { createServer, type RequestListener, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { FileStorage } from '../../lib/contract/storage.js';
import type { StorageDirectory } from '../../lib/contract/storage-directory.js';
import { DepotError } from '../../lib/errors.js';
import { LocalStorage } from '../../lib/storages/local.js';
import { removeFolder } from './folders.js';
import { FORM_TYPE, formBody, type Part } from './multipart.js';
import { type RawAnswer, requestHead, UploadClient } from './upload-client.js';

/** Storages by name, the first of them the default. */
export function directoryOf(storages: Record<string, FileStorage>): StorageDirectory {
  const resolveAlias = (name = Object.keys(storages)[0] ?? '') => {
    if (!Object.hasOwn(storages, name)) throw new DepotError('STORAGE_NOT_FOUND');
    return name;
  };
  return {
    resolveAlias,
    get: (name) => storages[resolveAlias(name)] as FileStorage,
    urlFor: (path) => `/depot/${path}`,
  };
}

/** Ids of all files of a storage. */
export async function idsIn(storage: FileStorage): Promise<string[]> {
  const ids: string[] = [];
  for await (const id of storage.list()) ids.push(id);
  return ids;
}

/** A Local storage in a folder of its own. */
export class TemporaryStorage {
  readonly folder: string;
  readonly storage: LocalStorage;

  static async open(): Promise<TemporaryStorage> {
    const folder = await mkdtemp(join(tmpdir(), 'filedepot-upload-'));
    const temporary = new TemporaryStorage(folder);
    await temporary.storage.check();
    return temporary;
  }

  private constructor(folder: string) {
    this.folder = folder;
    this.storage = new LocalStorage({ storagePath: folder, durability: 'rename' });
  }

  /** Names of everything that is staged, by any process. */
  async staged(): Promise<string[]> {
    const staging = join(this.folder, '.staging');
    const owners = await readdir(staging);
    return (await Promise.all(owners.map((owner) => readdir(join(staging, owner))))).flat();
  }

  async remove(): Promise<void> {
    await this.storage.close();
    await removeFolder(this.folder);
  }
}

/** A server on a free port, and clients for it. */
export class TestServer {
  readonly server: Server;

  static async listen(listener: RequestListener): Promise<TestServer> {
    const server = createServer(listener);
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    return new TestServer(server);
  }

  private constructor(server: Server) {
    this.server = server;
  }

  get port(): number {
    return (this.server.address() as AddressInfo).port;
  }

  get url(): string {
    return `http://127.0.0.1:${this.port}`;
  }

  connect(): UploadClient {
    return new UploadClient(this.port);
  }

  /** Sends a form as it is described, and gives the answer. */
  async post(
    parts: readonly Part[] | Buffer,
    headers: Record<string, string> = {},
    path = '/',
  ): Promise<RawAnswer> {
    const body = Buffer.isBuffer(parts) ? parts : formBody(parts);
    return this.send(
      requestHead(path, { 'Content-Type': FORM_TYPE, 'Content-Length': body.length, ...headers }),
      body,
    );
  }

  /** Sends bytes, and gives the answer. */
  async send(...pieces: (string | Uint8Array)[]): Promise<RawAnswer> {
    const client = this.connect();
    for (const piece of pieces) client.send(piece);
    const answer = await client.answer();
    client.socket.destroy();
    return answer;
  }

  async close(): Promise<void> {
    this.server.closeAllConnections();
    await new Promise((resolve) => this.server.close(resolve));
  }
}
