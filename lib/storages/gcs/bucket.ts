import type { IncomingHttpHeaders, IncomingMessage } from 'node:http';
import { DepotError } from '../../errors.js';
import { encodePath, ObjectBucket } from '../../object-storage/object-bucket.js';
import { type Answer, type ApiRequest, Connection } from './connection.js';
import { isConditionRefused, isMissing, statusOf, toStorageError } from './errors.js';
import type { HttpRequest } from './http-client.js';
import type { GCSSettings } from './options.js';
import { type Patience, retrying } from './retry.js';

/** How often a file that others keep replacing is looked at again before it is deleted as it is. */
const MAX_LOOKS = 3;

export interface RequestOptions {
  readonly signal?: AbortSignal | undefined;
  /** Errors that are given as they are. */
  readonly isExpected?: ((error: unknown) => boolean) | undefined;
}

/** Values of a query; those that are absent are left out. */
export type Query = Readonly<Record<string, string | undefined>>;

/** A bucket of Google Cloud Storage. The SDK is loaded at first use. */
export class GCSBucket extends ObjectBucket<GCSSettings, Connection> {
  /** For error messages. */
  get place(): string {
    const { bucket, apiEndpoint } = this.settings;
    const where = apiEndpoint ? ` at ${apiEndpoint}` : '';
    return `Bucket ${JSON.stringify(bucket)} of Google Cloud Storage${where}`;
  }

  /** Path of the bucket's objects, or of one of them, in the JSON API; below `/upload` it takes content. */
  objectsPath(key: string | undefined, query: Query = {}): string {
    const object = key === undefined ? '' : `/${encodeURIComponent(key)}`;
    return `/storage/v1/b/${encodeURIComponent(this.settings.bucket)}/o${object}${formatQuery(query)}`;
  }

  /** Path of a copy within the bucket. */
  rewritePath(from: string, to: string, query: Query): string {
    return `${this.objectsPath(from)}/rewriteTo${this.objectsPath(to, query).replace('/storage/v1', '')}`;
  }

  /** Path of an object's content, in the XML API: its answers tell all that is kept of the object too. */
  contentPath(key: string, query: Query = {}): string {
    return `/${encodeURIComponent(this.settings.bucket)}/${encodePath(key)}${formatQuery(query)}`;
  }

  /**
   * Sends a request, again where it fails in passing, and reads the answer.
   * @throws DepotError those of failures; other errors as they are where `isExpected` says so; the signal's reason
   */
  call(request: ApiRequest, options: RequestOptions = {}): Promise<Answer> {
    const { signal } = options;
    return this.#sending(options, (connection) => connection.call({ ...request, signal }));
  }

  /** As `call`, but resolves when the headers of the answer are there. */
  open(request: ApiRequest, options: RequestOptions = {}): Promise<IncomingMessage> {
    const { signal } = options;
    return this.#sending(options, (connection) => connection.open({ ...request, signal }));
  }

  /** Sends a request of an upload once. Its failures are given as they are. */
  async callSession(request: HttpRequest): Promise<Answer> {
    const connection = await this.connect();
    return connection.callSession(request);
  }

  /** What is told of an object; nothing where there is none. */
  async head(key: string, { signal }: RequestOptions = {}): Promise<IncomingHttpHeaders | undefined> {
    const request = { method: 'HEAD', path: this.contentPath(key) } as const;
    try {
      return (await this.call(request, { signal, isExpected: isMissing })).headers;
    } catch (error) {
      if (isMissing(error)) return undefined;
      throw error;
    }
  }

  /** Deletes what is there now, and not what comes while the request is repeated. That there is nothing is no error. */
  async delete(key: string): Promise<void> {
    for (let look = 1; look <= MAX_LOOKS; look++) {
      const head = await this.head(key);
      if (!head || (await this.remove(key, generationOf(head)))) return;
    }
    await this.remove(key);
  }

  /**
   * Whether the object, or this generation of it, is gone now.
   * @param generation what must be there; anything if it is left out
   */
  async remove(key: string, generation?: string): Promise<boolean> {
    const path = this.objectsPath(key, { ifGenerationMatch: generation });
    const isExpected = (error: unknown) => isMissing(error) || isConditionRefused(error);
    try {
      await this.call({ method: 'DELETE', path }, { isExpected });
      return true;
    } catch (error) {
      if (!isExpected(error)) throw error;
      return isMissing(error);
    }
  }

  async check(): Promise<void> {
    const query = { prefix: this.settings.prefix, maxResults: '1', fields: 'kind' };
    await this.call({ method: 'GET', path: this.objectsPath(undefined, query) });
  }

  protected async findAddress(): Promise<string> {
    const { endpoint } = await this.connect();
    return `${endpoint}/${encodeURIComponent(this.settings.bucket)}`;
  }

  protected closeConnection(connection: Connection): void {
    connection.close();
  }

  protected async openConnection(): Promise<Connection> {
    const connection = await Connection.create(this.settings, this.place);
    try {
      if (this.settings.createBucket) await createBucket(connection, this.settings);
      return connection;
    } catch (error) {
      connection.close();
      throw toStorageError(error, this.place);
    }
  }

  async #sending<Result>(
    { signal, isExpected }: RequestOptions,
    send: (connection: Connection) => Promise<Result>,
  ): Promise<Result> {
    try {
      signal?.throwIfAborted();
      const connection = await this.connect();
      const result = await retrying(() => send(connection), this.#patience(signal));
      this.isKnown = true;
      return result;
    } catch (error) {
      signal?.throwIfAborted();
      if (isMissing(error) && !this.isKnown && isExpected) await this.check();
      if (isExpected?.(error)) throw error;
      throw toStorageError(error, this.place);
    }
  }

  #patience(signal: AbortSignal | undefined): Patience {
    return { maxAttempts: this.settings.maxAttempts, signal };
  }
}

/** The number of an object's content: each write gives it another one. */
export function generationOf(head: IncomingHttpHeaders): string {
  return String(head['x-goog-generation'] ?? '');
}

function formatQuery(query: Query): string {
  const given = Object.entries(query).filter((one): one is [string, string] => one[1] !== undefined);
  return given.length === 0 ? '' : `?${new URLSearchParams(given)}`;
}

/** Whoever may not look for the bucket may use it nevertheless; who comes first makes it. */
async function createBucket(connection: Connection, settings: GCSSettings): Promise<void> {
  const { bucket: name, location, uniformBucketLevelAccess: enabled, projectId, maxAttempts } = settings;
  const attempt = (request: ApiRequest) => retrying(() => connection.call(request), { maxAttempts });
  try {
    await attempt({ method: 'GET', path: `/storage/v1/b/${encodeURIComponent(name)}?fields=name` });
    return;
  } catch (error) {
    if (!isMissing(error)) return;
  }
  const project = projectId ?? (await projectOf(connection));
  const access = { iamConfiguration: { uniformBucketLevelAccess: { enabled } } };
  try {
    await attempt({
      method: 'POST',
      path: `/storage/v1/b${formatQuery({ project })}`,
      ...asJson({ name, ...(location !== undefined && { location }), ...access }),
    });
  } catch (error) {
    if (statusOf(error) !== 409) throw error;
  }
}

async function projectOf({ client }: Connection): Promise<string> {
  try {
    return await client.getProjectId();
  } catch (cause) {
    throw new DepotError('INVALID_OPTION', 'createBucket needs a projectId', { cause });
  }
}

/** Headers and body of a request. */
export function asJson(value: object): Required<Pick<ApiRequest, 'headers' | 'body'>> {
  return { headers: { 'content-type': 'application/json' }, body: [Buffer.from(JSON.stringify(value))] };
}
