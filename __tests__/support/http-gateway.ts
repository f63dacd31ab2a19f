import { once } from 'node:events';
import {
  createServer,
  type IncomingHttpHeaders,
  type IncomingMessage,
  request as openRequest,
  type Server,
  type ServerResponse,
} from 'node:http';
import type { AddressInfo } from 'node:net';
import { pipeline } from 'node:stream';

/** Which requests are answered with 503. */
export interface Unavailability {
  /**
   * How many.
   * @default Infinity
   */
  readonly requests?: number;
  /**
   * How likely each is, from 0 to 1. The sequence is the same each time.
   * @default 1
   */
  readonly probability?: number;
  /** Only these, e.g. `/^PUT /`; a request is written as `PUT /bucket/key?query`. */
  readonly matching?: RegExp;
}

/** Those that are for the connection, not for the message (RFC 9110, 7.6.1), or answered here (10.1.1). */
const OWN_HEADERS = ['connection', 'keep-alive', 'expect'];

/** Passes requests on to an HTTP server, or answers in its place that it is unavailable. */
export class HttpGateway {
  /** What was asked, e.g. `GET /bucket/key`. */
  readonly requests: string[] = [];
  readonly #target: URL;
  readonly #server: Server;
  #refuses: (line: string) => boolean = () => false;

  private constructor(target: URL) {
    this.#target = target;
    this.#server = createServer((request, response) => this.#handle(request, response));
    // Connections stay open for as long as both sides want.
    Object.assign(this.#server, { keepAliveTimeout: 0, requestTimeout: 0, headersTimeout: 0 });
  }

  static async start(target: URL): Promise<HttpGateway> {
    const gateway = new HttpGateway(target);
    gateway.#server.listen(0, '127.0.0.1');
    await once(gateway.#server, 'listening');
    return gateway;
  }

  /** Where it listens. */
  get address(): URL {
    const { port } = this.#server.address() as AddressInfo;
    return new URL(`http://127.0.0.1:${port}`);
  }

  setUnavailable(unavailability: Unavailability | undefined): void {
    this.#refuses = unavailability ? refusal(unavailability) : () => false;
  }

  async stop(): Promise<void> {
    const closed = once(this.#server, 'close');
    this.#server.close();
    this.#server.closeAllConnections();
    await closed;
  }

  #handle(request: IncomingMessage, response: ServerResponse): void {
    const line = `${request.method} ${request.url}`;
    this.requests.push(line);
    if (this.#refuses(line)) refuse(request, response);
    else this.#forward(request, response);
  }

  #forward(request: IncomingMessage, response: ServerResponse): void {
    const { hostname: host, port } = this.#target;
    const { method, url: path } = request;
    const onward = openRequest({
      host,
      port,
      method,
      path,
      headers: endToEnd(request.headers),
      agent: false,
    });
    // A client that leaves, or a server that does: the other one sees a broken connection.
    response.once('close', () => onward.destroy());
    onward.on('error', () => response.headersSent || response.destroy());
    pipeline(request, onward, () => {});
    onward.once('response', (answer: IncomingMessage) => {
      response.writeHead(answer.statusCode ?? 502, answer.statusMessage, endToEnd(answer.headers));
      response.flushHeaders();
      pipeline(answer, response, () => {});
    });
  }
}

/** Decides on requests, one after the other. */
function refusal({ requests = Number.POSITIVE_INFINITY, probability = 1, matching = /^/ }: Unavailability) {
  const random = randomSequence();
  let left = requests;
  return (line: string): boolean => left > 0 && matching.test(line) && random() < probability && left-- > 0;
}

/** The answer comes when the whole request was read: the client is not busy sending it any more. */
function refuse(request: IncomingMessage, response: ServerResponse): void {
  request.resume().once('end', () => response.writeHead(503, { 'Content-Length': 0 }).end());
}

function endToEnd(headers: IncomingHttpHeaders): IncomingHttpHeaders {
  return Object.fromEntries(Object.entries(headers).filter(([name]) => !OWN_HEADERS.includes(name)));
}

/** Numbers from 0 to 1, the same each time (the generator "mulberry32"). */
function randomSequence(): () => number {
  let state = 0;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}
