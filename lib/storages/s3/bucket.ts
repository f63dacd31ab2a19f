import type * as Sdk from '@aws-sdk/client-s3';
import { OptionalPeer } from '../../internal/peer.js';
import { ObjectBucket } from '../../object-storage/object-bucket.js';
import { addBody, type CommandStack, giveBuffer, type RequestBody } from './body.js';
import { findEndpoint } from './endpoint.js';
import { isObjectMissing, isUnexplained, nameOf, statusOf, toStorageError } from './errors.js';
import type { S3Settings } from './options.js';
import { type Condition, isWriteRefused, type WriteParameters } from './parameters.js';
import { type PutAnswer, type PutRequest, SignedPut } from './signed-put.js';

const sdkPeer = new OptionalPeer('@aws-sdk/client-s3', () => import('@aws-sdk/client-s3'));

/** Sockets are as many as there are requests: a download by a slow client must not keep others waiting. */
const AGENT = { keepAlive: true, maxSockets: Number.POSITIVE_INFINITY };

type Command<Input extends Sdk.ServiceInputTypes, Output extends Sdk.ServiceOutputTypes> = Parameters<
  typeof Sdk.S3Client.prototype.send<Input, Output>
>[0];

/** Which part of which upload. */
export interface PartParameters {
  readonly Bucket: string;
  readonly Key: string;
  readonly UploadId: string;
  readonly PartNumber: number;
}

export interface RequestOptions {
  readonly signal?: AbortSignal | undefined;
  readonly body?: RequestBody | undefined;
}

interface Connection {
  readonly sdk: typeof Sdk;
  readonly client: Sdk.S3Client;
  /** Absent with a client of the application's own, whose middlewares may matter. */
  readonly signedPut: SignedPut | undefined;
}

/** A bucket that is used by the SDK, which is loaded at first use. */
export class S3Bucket extends ObjectBucket<S3Settings, Connection> {
  #address: Promise<string> | undefined;

  /** For error messages. */
  get place(): string {
    const { bucket, endpoint } = this.settings;
    return `S3 bucket ${JSON.stringify(bucket)}${endpoint ? ` at ${endpoint}` : ''}`;
  }

  /**
   * Sends a request; it is tried again as the SDK sees fit.
   * @throws DepotError those of S3's failures; other errors of S3 as they are where `isExpected` says so; the signal's
   *   reason
   */
  async send<Input extends Sdk.ServiceInputTypes, Output extends Sdk.ServiceOutputTypes>(
    createCommand: (sdk: typeof Sdk) => Command<Input, Output>,
    { signal, body }: RequestOptions = {},
    isExpected: (error: unknown) => boolean = () => false,
  ): Promise<Output> {
    try {
      const { sdk, client } = await this.connect();
      signal?.throwIfAborted();
      const command = createCommand(sdk);
      if (body && this.settings.client) giveBuffer(command.input, body);
      else if (body) addBody(command.middlewareStack as unknown as CommandStack, body);
      const output = await client.send(command, signal && { abortSignal: signal });
      this.isKnown = true;
      return output;
    } catch (error) {
      signal?.throwIfAborted();
      if (isUnexplained(error)) await this.#explain(error);
      if (isExpected(error)) throw error;
      throw toStorageError(error, this.place);
    }
  }

  /** What S3 tells of an object; nothing where there is none. */
  async head(key: string, options: RequestOptions = {}): Promise<Sdk.HeadObjectCommandOutput | undefined> {
    const { bucket: Bucket } = this.settings;
    try {
      return await this.send(
        (sdk) => new sdk.HeadObjectCommand({ Bucket, Key: key }),
        options,
        isObjectMissing,
      );
    } catch (error) {
      if (isObjectMissing(error)) return undefined;
      throw error;
    }
  }

  /**
   * Makes an object of what is in memory.
   * @throws S3's own error where it refuses the condition: see `isWriteRefused`
   */
  async put(key: string, parameters: WriteParameters & Condition, body: RequestBody): Promise<void> {
    if (await this.#attempt({ key, parameters }, body)) return;
    const object = { Bucket: this.settings.bucket, Key: key, ...parameters };
    await this.send((sdk) => new sdk.PutObjectCommand(object), { body }, isWriteRefused);
  }

  /** Uploads a part, and resolves to its entity tag. */
  async putPart(part: PartParameters, body: RequestBody, signal: AbortSignal): Promise<string | undefined> {
    const { Key: key, PartNumber, UploadId } = part;
    const query = { partNumber: String(PartNumber), uploadId: UploadId };
    const answer = await this.#attempt({ key, query, signal }, body);
    if (answer?.etag !== undefined) return answer.etag;
    const { ETag } = await this.send((sdk) => new sdk.UploadPartCommand(part), { signal, body });
    return ETag;
  }

  /** The short way, where there is one and it works. */
  async #attempt(put: PutRequest, body: RequestBody): Promise<PutAnswer | undefined> {
    const { signedPut } = await this.connect();
    const answer = await signedPut?.attempt(put, body);
    if (answer) this.isKnown = true;
    return answer;
  }

  /** Servers that are not Amazon's may say that there is no such object. */
  async delete(key: string): Promise<void> {
    const { bucket: Bucket } = this.settings;
    try {
      await this.send((sdk) => new sdk.DeleteObjectCommand({ Bucket, Key: key }), {}, isObjectMissing);
    } catch (error) {
      if (!isObjectMissing(error)) throw error;
    }
  }

  async check(): Promise<void> {
    const { bucket: Bucket, prefix: Prefix } = this.settings;
    await this.send((sdk) => new sdk.ListObjectsV2Command({ Bucket, Prefix, MaxKeys: 1 }));
  }

  protected findAddress(): Promise<string> {
    this.#address ??= this.#resolveAddress().catch((error) => {
      this.#address = undefined;
      throw toStorageError(error, this.place);
    });
    return this.#address;
  }

  /** The one that the SDK itself uses. */
  async #resolveAddress(): Promise<string> {
    const { sdk, client } = await this.connect();
    return (await findEndpoint(sdk, client, this.settings.bucket)).url.href;
  }

  protected closeConnection({ client }: Connection): void {
    if (!this.settings.client) client.destroy();
  }

  protected async openConnection(): Promise<Connection> {
    const sdk = await sdkPeer.load();
    const own = this.settings.client as Sdk.S3Client | undefined;
    const client = own ?? new sdk.S3Client(clientConfig(this.settings));
    try {
      if (this.settings.createBucket) await createBucket(sdk, client, this.settings);
    } catch (error) {
      if (!this.settings.client) client.destroy();
      throw toStorageError(error, this.place);
    }
    const find = () => findEndpoint(sdk, client, this.settings.bucket);
    return { sdk, client, signedPut: own ? undefined : new SignedPut(client, find) };
  }

  /**
   * An answer to HEAD does not say what is wrong. Where nothing has ever worked, or access is refused, the bucket is
   * listed: that fails with a reason.
   */
  async #explain(error: unknown): Promise<void> {
    if (statusOf(error) === 404 && (this.isKnown || nameOf(error) === 'NoSuchKey')) return;
    if (statusOf(error) === 412 || statusOf(error) === 416) return;
    await this.check();
  }
}

function clientConfig(settings: S3Settings): Sdk.S3ClientConfig {
  const { region, endpoint, forcePathStyle = endpoint !== undefined, connectTimeout, idleTimeout } = settings;
  const { accessKeyId, secretAccessKey, sessionToken, maxAttempts } = settings;
  const keys = accessKeyId !== undefined && secretAccessKey !== undefined;
  const credentials = keys
    ? { accessKeyId, secretAccessKey, ...(sessionToken !== undefined && { sessionToken }) }
    : settings.credentials;
  return {
    ...(region !== undefined && { region }),
    ...(endpoint !== undefined && { endpoint }),
    ...(credentials !== undefined && { credentials }),
    forcePathStyle,
    maxAttempts,
    // Servers that are not Amazon's, and older ones, do not know the checksums that the SDK adds of its own accord.
    requestChecksumCalculation: 'WHEN_REQUIRED',
    responseChecksumValidation: 'WHEN_REQUIRED',
    // It would cost a connection for each part.
    expectContinueHeader: false,
    requestHandler: {
      connectionTimeout: connectTimeout,
      socketTimeout: idleTimeout,
      httpAgent: AGENT,
      httpsAgent: AGENT,
    },
  };
}

/**
 * Makes the bucket as Python's filedepot does: objects that are to be public need access control lists. Whoever may not look
 * for it may use it nevertheless; who comes first makes it.
 */
async function createBucket(sdk: typeof Sdk, client: Sdk.S3Client, settings: S3Settings): Promise<void> {
  const { bucket: Bucket, policy } = settings;
  const isPublic = policy === 'public-read';
  try {
    await client.send(new sdk.HeadBucketCommand({ Bucket }));
    return;
  } catch (error) {
    if (statusOf(error) !== 404) return;
  }
  try {
    const ownership = isPublic ? ({ ObjectOwnership: 'BucketOwnerPreferred' } as const) : {};
    await client.send(new sdk.CreateBucketCommand({ Bucket, ...ownership }));
    if (isPublic) await allowPublicObjects(sdk, client, Bucket);
  } catch (error) {
    if (statusOf(error) !== 409) throw error;
  }
}

/** Servers other than Amazon's may have no such thing, nor need it. */
async function allowPublicObjects(sdk: typeof Sdk, client: Sdk.S3Client, Bucket: string): Promise<void> {
  const PublicAccessBlockConfiguration = {
    BlockPublicAcls: false,
    IgnorePublicAcls: false,
    BlockPublicPolicy: true,
    RestrictPublicBuckets: true,
  };
  try {
    await client.send(new sdk.PutPublicAccessBlockCommand({ Bucket, PublicAccessBlockConfiguration }));
  } catch (error) {
    if (statusOf(error) !== 501) throw error;
  }
}
