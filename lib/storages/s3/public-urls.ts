import type { S3Bucket } from './bucket.js';
import { resolveEndpoint } from './signed-put.js';

/** Where everybody can read objects, if they can. */
export class PublicUrls {
  readonly #bucket: S3Bucket;
  #base: Promise<string | undefined> | undefined;

  constructor(bucket: S3Bucket) {
    this.#bucket = bucket;
  }

  async of(id: string): Promise<string | undefined> {
    this.#base ??= this.#findBase();
    const base = await this.#base;
    const path = this.#bucket.key(id).split('/').map(encodeURIComponent).join('/');
    return base === undefined ? undefined : `${base}/${path}`;
  }

  /** Of public objects, the address that the SDK itself uses. */
  async #findBase(): Promise<string | undefined> {
    const { publicUrl, policy, bucket } = this.#bucket.settings;
    const base = publicUrl ?? (policy === 'public-read' ? await this.#addressOf(bucket) : undefined);
    return base?.replace(/\/+$/, '');
  }

  async #addressOf(bucket: string): Promise<string> {
    const { client } = await this.#bucket.connect();
    return (await resolveEndpoint(client.config, bucket)).url.href;
  }
}
