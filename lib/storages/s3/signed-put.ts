import type { S3Client } from '@aws-sdk/client-s3';
import { type RequestBody, toSendable } from './body.js';
import type { Endpoint } from './endpoint.js';
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

/** How a bucket wants its requests signed. */
interface AuthScheme {
  readonly name: string;
  readonly signingName?: string;
  readonly signingRegion?: string;
}

/** What a PUT says besides its body. */
export interface PutRequest {
  readonly key: string;
  /** Of an object: how it is kept, and on which condition. */
  readonly parameters?: WriteParameters & Condition;
  /** Of a part: which one of which upload. */
  readonly query?: Record<string, string>;
  readonly signal?: AbortSignal | undefined;
}

/** Of an answer. */
export interface PutAnswer {
  /** The entity tag. */
  readonly etag: string | undefined;
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
 * Puts small objects and parts by a request that the SDK signs and sends, but past its middlewares: they cost more than all
 * the rest. What comes to nothing, for whatever reason, is for the SDK to do again, with its retries and its errors.
 */
export class SignedPut {
  readonly #config: S3Client['config'];
  readonly #findEndpoint: () => Promise<Endpoint>;
  #target: Promise<Target | undefined> | undefined;

  constructor({ config }: S3Client, findEndpoint: () => Promise<Endpoint>) {
    this.#config = config;
    this.#findEndpoint = findEndpoint;
  }

  /** What the server answers when it has the body; nothing where it did not work. Never fails. */
  async attempt(put: PutRequest, body: RequestBody): Promise<PutAnswer | undefined> {
    try {
      this.#target ??= this.#findTarget();
      const target = await this.#target;
      return target && (await this.#send(target, put, body));
    } catch {
      this.#target = undefined;
      return undefined;
    }
  }

  /** Nothing for buckets that are addressed or signed for in another way. */
  async #findTarget(): Promise<Target | undefined> {
    const config = this.#config;
    const region = await config.region();
    const { url, headers = {}, properties } = await this.#findEndpoint();
    if (Object.keys(headers).length > 0) return undefined;
    const [scheme] = (properties?.authSchemes ?? []) as readonly AuthScheme[];
    if (scheme && (scheme.name !== 'sigv4' || scheme.signingName !== 's3')) return undefined;
    const signer = (await config.signer?.()) as Signer | undefined;
    return signer && { url, region: scheme?.signingRegion ?? region, signer };
  }

  async #send(target: Target, put: PutRequest, body: RequestBody): Promise<PutAnswer | undefined> {
    const signingDate = new Date(Date.now() + this.#config.systemClockOffset);
    const { region: signingRegion, signer } = target;
    const signing = { signingDate, signingRegion, signingService: 's3' };
    const signed = await signer.sign(toRequest(target, put, body), signing);
    const { requestHandler } = this.#config;
    const sent = { ...signed, body: toSendable(body) } as unknown as HandledRequest;
    const { response } = await requestHandler.handle(sent, put.signal && { abortSignal: put.signal });
    // The answer was read to where it tells all.
    response.body.on('error', () => {}).resume();
    return response.statusCode === 200 ? { etag: response.headers.etag } : undefined;
  }
}

function toRequest(
  { url }: Target,
  { key, query = {}, parameters }: PutRequest,
  body: RequestBody,
): SignedRequest {
  return {
    method: 'PUT',
    protocol: url.protocol,
    hostname: url.hostname,
    ...(url.port && { port: Number(url.port) }),
    path: `${url.pathname.replace(/\/$/, '')}/${key.split('/').map(encode).join('/')}`,
    query,
    headers: {
      host: url.host,
      'content-length': String(body.byteLength),
      'x-amz-content-sha256': body.sha256 ?? 'UNSIGNED-PAYLOAD',
      ...(parameters && headersOf(parameters)),
    },
  };
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
