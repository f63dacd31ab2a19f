import {
  type ClientRequest,
  Agent as HttpAgent,
  request as httpRequest,
  type IncomingMessage,
} from 'node:http';
import { Agent as HttpsAgent, request as httpsRequest } from 'node:https';
import { urlToHttpOptions } from 'node:url';

export interface HttpRequest {
  readonly method: 'GET' | 'HEAD' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';
  /** Absolute; its path is sent as it is written. */
  readonly url: string;
  readonly headers?: Readonly<Record<string, string>> | undefined;
  readonly body?: readonly Buffer[] | undefined;
  /** Gives up, the answer's body included. */
  readonly signal?: AbortSignal | undefined;
}

export interface TimeLimits {
  /** Milliseconds to establish a connection. */
  readonly connectTimeout: number;
  /** Milliseconds without a byte in either direction. */
  readonly idleTimeout: number;
}

const ORIGIN = /^\w+:\/\/[^/?#]*/;

/** Sockets are as many as there are requests: a download by a slow client must not keep others waiting. */
const AGENT = { keepAlive: true, maxSockets: Number.POSITIVE_INFINITY };

/**
 * Sends requests, once each. The SDK's own way has no signal, no time limit for silence, and hashes and copies what it
 * sends and receives.
 */
export class HttpClient {
  readonly #limits: TimeLimits;
  readonly #http = new HttpAgent(AGENT);
  readonly #https = new HttpsAgent(AGENT);

  constructor(limits: TimeLimits) {
    this.#limits = limits;
  }

  /** Resolves to the answer when its headers are there; its errors are heard from the beginning. */
  exchange(request: HttpRequest): Promise<IncomingMessage> {
    return new Promise((resolve, reject) => {
      const sent = this.#open(request)
        .on('error', reject)
        .on('response', (answer) => resolve(answer.on('error', ignore)));
      endSilence(sent, this.#limits.idleTimeout);
      send(sent, request.body);
    });
  }

  #open({ method, url, headers, body = [], signal }: HttpRequest): ClientRequest {
    const { origin, protocol } = new URL(url);
    const [request, agent] = protocol === 'https:' ? [httpsRequest, this.#https] : [httpRequest, this.#http];
    return request({
      ...urlToHttpOptions(new URL(origin)),
      path: url.replace(ORIGIN, ''),
      method,
      agent,
      headers: { ...headers, ...(hasBody(method) && { 'content-length': byteLengthOf(body) }) },
      timeout: this.#limits.connectTimeout,
      ...(signal && { signal }),
    });
  }

  close(): void {
    this.#http.destroy();
    this.#https.destroy();
  }
}

/** Until there is a connection, the time limit is that of the request's options. */
function endSilence(request: ClientRequest, idleTimeout: number): void {
  let answer: IncomingMessage | undefined;
  request
    .on('socket', (socket) => {
      const setIdle = () => request.setTimeout(idleTimeout);
      if (socket.connecting) socket.once('connect', setIdle);
      else setIdle();
    })
    .on('response', (response) => {
      answer = response;
    })
    .on('timeout', () => (answer ?? request).destroy(timedOut()));
}

/** All at once: it is in memory anyway, and the system takes it in as few calls as it can. */
function send(request: ClientRequest, body: readonly Buffer[] = []): void {
  request.cork();
  for (const chunk of body) request.write(chunk);
  request.end();
  request.uncork();
}

function hasBody(method: HttpRequest['method']): boolean {
  return method === 'POST' || method === 'PUT' || method === 'PATCH';
}

function byteLengthOf(body: readonly Buffer[]): number {
  return body.reduce((sum, chunk) => sum + chunk.byteLength, 0);
}

function timedOut(): Error {
  return Object.assign(new Error('No byte came in time'), { code: 'ETIMEDOUT' });
}

function ignore(): void {}
