import type { IncomingMessage } from 'node:http';
import { text } from 'node:stream/consumers';
import type { Storage } from '@google-cloud/storage';
import { OptionalPeer } from '../../internal/peer.js';
import { refusalOf, toLoginError } from './errors.js';
import { HttpClient, type HttpRequest } from './http-client.js';
import type { GCSSettings } from './options.js';

const sdkPeer = new OptionalPeer('@google-cloud/storage', () => import('@google-cloud/storage'));

/** A request by its path. */
export interface ApiRequest extends Omit<HttpRequest, 'url'> {
  /** Below the endpoint, e.g. `/storage/v1/b`. */
  readonly path: string;
}

/** An answer that was read to its end. */
export interface Answer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
}

/** An upload that is not complete says so by this status, which HTTP knows as Permanent Redirect. */
export const INCOMPLETE = 308;

/** The way to the API: who we are is the SDK's business, requests are ours. Failures are not translated yet. */
export class Connection {
  readonly client: Storage;
  readonly #http: HttpClient;
  readonly #loginTime: number;
  readonly #place: string;

  private constructor(client: Storage, settings: GCSSettings, place: string) {
    this.client = client;
    this.#http = new HttpClient(settings);
    this.#loginTime = settings.connectTimeout + settings.idleTimeout;
    this.#place = place;
  }

  /** @throws DepotError `MISSING_PACKAGE` */
  static async create(settings: GCSSettings, place: string): Promise<Connection> {
    const { client, projectId, credentials, keyFilename, apiEndpoint, useAuthWithCustomEndpoint } = settings;
    const sdk = await sdkPeer.load();
    const given = { projectId, credentials, keyFilename, apiEndpoint, useAuthWithCustomEndpoint };
    const options = Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined));
    return new Connection((client as Storage | undefined) ?? new sdk.Storage(options), settings, place);
  }

  /** Without a slash at its end. */
  get endpoint(): string {
    return this.client.apiEndpoint;
  }

  /**
   * Sends a request once, and resolves to the answer when its headers are there.
   * @throws RefusedRequest; DepotError those of the login; errors of the network
   */
  async open({ path, headers, ...request }: ApiRequest): Promise<IncomingMessage> {
    const login = await this.#login(request.signal);
    return this.#send({ ...request, url: this.endpoint + path, headers: { ...login, ...headers } });
  }

  /** Sends a request once, and reads the answer. Fails as `open`. */
  async call(request: ApiRequest): Promise<Answer> {
    return read(await this.open(request));
  }

  /** As `call`, to a URL that is its own permission. */
  async callSession(request: HttpRequest): Promise<Answer> {
    return read(await this.#send(request));
  }

  close(): void {
    this.#http.close();
  }

  async #send(request: HttpRequest): Promise<IncomingMessage> {
    const answer = await this.#http.exchange(request);
    const { statusCode = 0 } = answer;
    if (statusCode < 300 || statusCode === INCOMPLETE) return answer;
    throw await refusalOf(answer);
  }

  /** The SDK asks for tokens without a time limit. It leaves them out for servers that are not Google's, unless told so. */
  async #login(signal: AbortSignal | undefined): Promise<Record<string, string>> {
    const { authClient, customEndpoint, useAuthWithCustomEndpoint } = this.client;
    if (customEndpoint && !useAuthWithCustomEndpoint) return {};
    try {
      return await withinTime(authClient.getRequestHeaders(this.endpoint), this.#loginTime, signal);
    } catch (error) {
      signal?.throwIfAborted();
      throw toLoginError(error, this.#place);
    }
  }
}

async function read(answer: IncomingMessage): Promise<Answer> {
  const { statusCode = 0, headers } = answer;
  return { status: statusCode, headers: headers as Record<string, string>, body: await text(answer) };
}

/** What a promise gives, unless it takes too long or nobody waits any more. */
export async function withinTime<Result>(
  promise: Promise<Result>,
  milliseconds: number,
  signal?: AbortSignal,
): Promise<Result> {
  let leave = () => {};
  const ending = new Promise<never>((_, reject) => {
    const tooLate = Object.assign(new Error('No answer came in time'), { name: 'TimeoutError' });
    const timer = setTimeout(reject, milliseconds, tooLate);
    const abort = () => reject(signal?.reason);
    signal?.addEventListener('abort', abort);
    leave = () => {
      clearTimeout(timer);
      signal?.removeEventListener('abort', abort);
    };
  });
  return Promise.race([promise, ending]).finally(leave);
}
