import type { S3Client } from '@aws-sdk/client-s3';
import type { S3Bucket } from './bucket.js';

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

  async #addressOf(Bucket: string): Promise<string> {
    const { client } = await this.#bucket.connect();
    const { config } = client;
    const { url } = config.endpointProvider({
      Bucket,
      Region: await config.region(),
      ForcePathStyle: config.forcePathStyle === true,
      UseFIPS: await config.useFipsEndpoint(),
      UseDualStack: await config.useDualstackEndpoint(),
      ...(config.endpoint && { Endpoint: addressOf(await config.endpoint()) }),
    });
    return url.href;
  }
}

type Endpoint = Awaited<ReturnType<NonNullable<S3Client['config']['endpoint']>>>;

function addressOf({ protocol, hostname, port, path }: Endpoint): string {
  return `${protocol}//${hostname}${port === undefined ? '' : `:${port}`}${path}`;
}
