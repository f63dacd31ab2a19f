import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';
import { pipeline, Transform, type TransformCallback } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';
import { HttpGateway, type Unavailability } from './http-gateway.js';

/** From the client to the server, or back. */
export type Direction = 'request' | 'response';

/** What happens to a connection at a byte. */
export interface Cut {
  /**
   * - `reset`: both sides see ECONNRESET
   * - `stall`: nothing passes any more, the connection stays open; other faults let it go on
   * - `truncate`: the receiver sees a regular end
   */
  readonly kind: 'reset' | 'stall' | 'truncate';
  readonly direction: Direction;
  /** How many bytes pass in this direction, counted for each connection from when the fault was set. */
  readonly after: number;
  /**
   * To how many connections it happens.
   * @default Infinity
   */
  readonly times?: number;
}

/** What is wrong with the network. */
export interface Faults {
  /** By how much each piece of data is late in both directions, in milliseconds. */
  readonly delay?: number;
  readonly cut?: Cut;
  /** Requests that are answered with 503 and do not reach the server; for HTTP only. */
  readonly unavailable?: Unavailability;
}

/** A network between a client and a server whose faults can be set while it is used. */
export class FaultProxy {
  /** How many connections there have been. */
  connections = 0;
  /** How many connections are open now. */
  openConnections = 0;
  readonly #target: URL;
  readonly #gateway: HttpGateway | undefined;
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  #network = new Network({});

  private constructor(target: URL, gateway: HttpGateway | undefined) {
    this.#target = target;
    this.#gateway = gateway;
    this.#server = createServer({ allowHalfOpen: true, noDelay: true }, (client) => this.#join(client));
  }

  /**
   * @param url of the server, `http:` or another protocol over TCP; with MongoDB that of a client which discovers no
   * members, and so stays behind the proxy
   */
  static async start(url: string): Promise<FaultProxy> {
    const target = new URL(url);
    const gateway = target.protocol === 'http:' ? await HttpGateway.start(target) : undefined;
    const proxy = new FaultProxy(target, gateway);
    proxy.#server.listen(0, '127.0.0.1');
    await once(proxy.#server, 'listening');
    return proxy;
  }

  /** The server's URL by way of the proxy. */
  get url(): string {
    const { port } = this.#server.address() as AddressInfo;
    const url = new URL(this.#target);
    url.host = `127.0.0.1:${port}`;
    return url.href.replace(/\/$/, '');
  }

  /** The HTTP requests that there have been, e.g. `GET /bucket/key`. */
  get requests(): readonly string[] {
    return this.#gateway?.requests ?? [];
  }

  /** Sets the faults from now on, in place of those before; those of open connections too. */
  set(faults: Faults): void {
    const former = this.#network;
    this.#network = new Network(faults);
    this.#gateway?.setUnavailable(faults.unavailable);
    former.end();
  }

  /** No faults from now on; what stalled goes on. */
  clear(): void {
    this.set({});
  }

  /** Resets all connections that are open; new ones are welcome. */
  dropConnections(): void {
    for (const socket of this.#sockets) socket.resetAndDestroy();
  }

  /** Closes all that is open. */
  async stop(): Promise<void> {
    const closed = once(this.#server, 'close');
    this.#server.close();
    this.dropConnections();
    this.#network.end();
    await closed;
    await this.#gateway?.stop();
  }

  #join(client: Socket): void {
    const server = this.#connect();
    this.connections++;
    this.openConnections++;
    client.once('close', () => this.openConnections--);
    const current = () => this.#network;
    const reset = () => [client, server].map((socket) => socket.resetAndDestroy());
    for (const socket of [client, server]) {
      this.#sockets.add(socket);
      socket.once('close', () => this.#sockets.delete(socket)).once('error', reset);
    }
    // An error has reset both sides already.
    pipeline(client, new Gate('request', current, reset), server, () => {});
    pipeline(server, new Gate('response', current, reset), client, () => {});
  }

  #connect(): Socket {
    const { hostname, port } = this.#gateway?.address ?? this.#target;
    return connect({ host: hostname, port: Number(port), allowHalfOpen: true, noDelay: true });
  }
}

/** The state of the network from one setting of faults to the next. */
class Network {
  readonly faults: Faults;
  /** When other faults are set. */
  readonly ended: Promise<void>;
  end: () => void = () => {};
  #cuts = 0;

  constructor(faults: Faults) {
    this.faults = faults;
    this.ended = new Promise((resolve) => {
      this.end = resolve;
    });
  }

  /** Whether the cut still happens to one more connection. */
  claimCut(): boolean {
    return this.#cuts++ < (this.faults.cut?.times ?? Number.POSITIVE_INFINITY);
  }
}

/** One direction of a connection. */
class Gate extends Transform {
  readonly #direction: Direction;
  readonly #current: () => Network;
  readonly #reset: () => void;
  #network: Network | undefined;
  #isWhole = true;
  /** How many bytes may pass until the cut. */
  #left = Number.POSITIVE_INFINITY;

  constructor(direction: Direction, current: () => Network, reset: () => void) {
    super();
    this.#direction = direction;
    this.#current = current;
    this.#reset = reset;
  }

  override _transform(piece: Buffer, _encoding: BufferEncoding, done: TransformCallback): void {
    this.#pass(piece).then(() => done(), done);
  }

  async #pass(piece: Buffer): Promise<void> {
    const { delay } = this.#current().faults;
    if (delay) await sleep(delay);
    if (this.destroyed || !this.#isWhole) return;
    this.#notice();
    if (piece.length <= this.#left) this.#forward(piece);
    else await this.#cut(piece, this.#current());
  }

  /** Counts anew where the faults have changed. */
  #notice(): void {
    const network = this.#current();
    if (network === this.#network) return;
    this.#network = network;
    const { cut } = network.faults;
    this.#left = cut?.direction === this.#direction ? cut.after : Number.POSITIVE_INFINITY;
  }

  #forward(piece: Buffer): void {
    this.#left -= piece.length;
    if (piece.length > 0) this.push(piece);
  }

  async #cut(piece: Buffer, network: Network): Promise<void> {
    const at = this.#left;
    this.#left = Number.POSITIVE_INFINITY;
    if (!network.claimCut()) return this.#forward(piece);
    this.push(piece.subarray(0, at));
    const { kind } = network.faults.cut ?? {};
    if (kind === 'truncate') return this.#truncate();
    if (kind === 'reset') return this.#resetSoon();
    await network.ended;
    await this.#pass(piece.subarray(at));
  }

  /** Nothing passes after the piece that was cut. */
  #resetSoon(): void {
    this.#isWhole = false;
    setImmediate(this.#reset);
  }

  /** What comes later is swallowed. */
  #truncate(): void {
    this.#isWhole = false;
    this.push(null);
  }
}
