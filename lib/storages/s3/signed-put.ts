import type { S3Client } from '@aws-sdk/client-s3';
import { type RequestBody, toSendable } from './body.js';
import type { Condition, WriteParameters } from './parameters.js';

/** The SDK's handler takes more than it uses. */
type HandledRequest = Parameters<S3Client['config']['requestHandler']['handle']>[0];

interface Signer {
  sign(request: SignedRequest, options: object): Promise<SignedRequest>;
}

interface SignedRequest {
  readonly method: string;
  readonly protocol: string;
  readonly hostname: string;
  readonly port?: number;
  readonly path: string;
  readonly query: Record<string, string>;
  readonly headers: Record<string, string>;
}

/** Where objects are put, and who signs for it. */
interface Target {
  readonly url: URL;
  readonly region: string;
  readonly signer: Signer;
}

/** What `encodeURIComponent` leaves alone, and signatures do not (RFC 3986 section 2.2). */
const RESERVED = /[!'()*]/g;

/**
 * Puts small objects by one request that the SDK signs and sends, but past its middlewares: they cost more than all the
 * rest. What comes to nothing, for whatever reason, is for the SDK to do again, with its retries and its errors.
 */
export class SignedPut {
  readonly #config: S3Client['config'];
  readonly #bucket: string;
  #target: Promise<Target | undefined> | undefined;

  constructor({ config }: S3Client, bucket: string) {
    this.#config = config;
    this.#bucket = bucket;
  }

  /** Whether the object is there. Never fails. */
  async attempt(key: string, parameters: WriteParameters & Condition, body: RequestBody): Promise<boolean> {
    try {
      this.#target ??= this.#findTarget();
      const target = await this.#target;
      return target !== undefined && (await this.#send(target, key, parameters, body));
    } catch {
      this.#target = undefined;
      return false;
    }
  }

  /** Nothing for buckets that are addressed or signed for in another way. */
  async #findTarget(): Promise<Target | undefined> {
    const config = this.#config;
    const region = await config.region();
    const { url, properties } = await resolveEndpoint(config, this.#bucket);
    const [scheme] = (properties?.authSchemes ?? []) as readonly { name: string; signingName?: string }[];
    if (scheme && (scheme.name !== 'sigv4' || scheme.signingName !== 's3')) return undefined;
    const signer = (await config.signer?.()) as Signer | undefined;
    return signer && { url, region, signer };
  }

  async #send(
    { url, region, signer }: Target,
    key: string,
    parameters: WriteParameters & Condition,
    body: RequestBody,
  ): Promise<boolean> {
    const request: SignedRequest = {
      method: 'PUT',
      protocol: url.protocol,
      hostname: url.hostname,
      ...(url.port && { port: Number(url.port) }),
      path: `${url.pathname.replace(/\/$/, '')}/${key.split('/').map(encode).join('/')}`,
      query: {},
      headers: {
        host: url.host,
        'content-length': String(body.byteLength),
        'x-amz-content-sha256': body.sha256 ?? 'UNSIGNED-PAYLOAD',
        ...headersOf(parameters),
      },
    };
    const signingDate = new Date(Date.now() + this.#config.systemClockOffset);
    const signed = await signer.sign(request, { signingDate, signingRegion: region, signingService: 's3' });
    const { requestHandler } = this.#config;
    const sent = { ...signed, body: toSendable(body) } as unknown as HandledRequest;
    const { response } = await requestHandler.handle(sent);
    // The answer was read to where it tells all.
    response.body.on('error', () => {}).resume();
    return response.statusCode === 200;
  }
}

/** The address of a bucket, as the SDK finds it. */
export async function resolveEndpoint(config: S3Client['config'], Bucket: string) {
  const endpoint = await config.endpoint?.();
  return config.endpointProvider({
    Bucket,
    Region: await config.region(),
    ForcePathStyle: config.forcePathStyle === true,
    UseFIPS: await config.useFipsEndpoint(),
    UseDualStack: await config.useDualstackEndpoint(),
    ...(endpoint && {
      Endpoint: `${endpoint.protocol}//${endpoint.hostname}${endpoint.port ? `:${endpoint.port}` : ''}${endpoint.path}`,
    }),
  });
}

/** https://docs.aws.amazon.com/AmazonS3/latest/API/API_PutObject.html */
function headersOf(parameters: WriteParameters & Condition): Record<string, string> {
  const { Metadata = {}, ...others } = parameters;
  const given = {
    'content-type': others.ContentType,
    'content-disposition': others.ContentDisposition,
    'x-amz-acl': others.ACL,
    'x-amz-storage-class': others.StorageClass,
    'x-amz-server-side-encryption': others.ServerSideEncryption,
    'x-amz-server-side-encryption-aws-kms-key-id': others.SSEKMSKeyId,
    'if-match': others.IfMatch,
    'if-none-match': others.IfNoneMatch,
    ...Object.fromEntries(Object.entries(Metadata).map(([key, value]) => [`x-amz-meta-${key}`, value])),
  };
  return Object.fromEntries(
    Object.entries(given).filter((header): header is [string, string] => header[1] !== undefined),
  );
}

function encode(segment: string): string {
  return encodeURIComponent(segment).replace(
    RESERVED,
    (character) => `%${character.charCodeAt(0).toString(16).toUpperCase()}`,
  );
}
