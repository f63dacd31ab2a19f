import { randomUUID } from 'node:crypto';
import * as sdk from '@aws-sdk/client-s3';
import { S3Storage, type S3StorageOptions } from '../../lib/storages/s3.js';
import type { S3Server } from './servers/index.js';

/** A bucket of the tests' own, and what tells what is in it behind the storage's back. */
export class TestBucket {
  readonly name = `test-${randomUUID()}`;
  readonly client: sdk.S3Client;
  readonly #server: S3Server;

  constructor(server: S3Server) {
    const { endpoint, region, credentials } = server;
    this.#server = server;
    this.client = new sdk.S3Client({ endpoint, region, credentials, forcePathStyle: true });
  }

  /** Options of a storage with a prefix of its own. */
  options(options: Partial<S3StorageOptions> = {}): S3StorageOptions {
    const { endpoint, region, credentials } = this.#server;
    const prefix = `${randomUUID()}/`;
    return { bucket: this.name, endpoint, region, credentials, prefix, createBucket: true, ...options };
  }

  open(options?: Partial<S3StorageOptions>): S3Storage {
    return new S3Storage(this.options(options));
  }

  /** Keys of all objects. */
  async keys(Prefix: string): Promise<string[]> {
    const { Contents = [] } = await this.client.send(
      new sdk.ListObjectsV2Command({ Bucket: this.name, Prefix }),
    );
    return Contents.map(({ Key = '' }) => Key);
  }

  /** Keys of uploads that were neither completed nor aborted. */
  async uploads(Prefix: string): Promise<string[]> {
    const { Uploads = [] } = await this.client.send(
      new sdk.ListMultipartUploadsCommand({ Bucket: this.name, Prefix }),
    );
    return Uploads.map(({ Key = '' }) => Key);
  }

  /** What is neither a file nor to be there: parts of uploads, and objects on their way. */
  async leftovers(prefix: string): Promise<string[]> {
    const keys = await this.keys(prefix);
    const staged = keys.filter((key) => key.slice(prefix.length).includes('/'));
    return [...staged, ...(await this.uploads(prefix))];
  }
}
