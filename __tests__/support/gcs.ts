import { randomUUID } from 'node:crypto';
import { Storage } from '@google-cloud/storage';
import { GCSStorage, type GCSStorageOptions } from '../../lib/storages/gcs.js';
import type { GcsServer } from './servers/index.js';

/** A bucket of the tests' own, and what tells what is in it behind the storage's back. */
export class TestGcsBucket {
  readonly name = `test-${randomUUID()}`;
  readonly client: Storage;
  readonly #server: GcsServer;

  constructor(server: GcsServer) {
    this.#server = server;
    this.client = new Storage({ apiEndpoint: server.endpoint, projectId: server.projectId });
  }

  /** Options of a storage with a prefix of its own. */
  options(options: Partial<GCSStorageOptions> = {}): GCSStorageOptions {
    const { endpoint: apiEndpoint, projectId, credentials } = this.#server;
    const prefix = `${randomUUID()}/`;
    return { bucket: this.name, apiEndpoint, projectId, credentials, prefix, createBucket: true, ...options };
  }

  open(options?: Partial<GCSStorageOptions>): GCSStorage {
    return new GCSStorage(this.options(options));
  }

  /** Writes an object as somebody else does. */
  async save(name: string, content: Buffer | string, metadata: object = {}): Promise<void> {
    await this.client.bucket(this.name).file(name).save(content, { resumable: false, metadata });
  }

  /** Names of all objects. */
  async names(prefix: string): Promise<string[]> {
    const [files] = await this.client.bucket(this.name).getFiles({ prefix });
    return files.map(({ name }) => name);
  }

  /** What is neither a file nor to be there: objects on their way. */
  async leftovers(prefix: string): Promise<string[]> {
    const names = await this.names(prefix);
    return names.filter((name) => name.slice(prefix.length).includes('/'));
  }
}
