import { once } from 'node:events';
import { createServer, type IncomingMessage, request, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

/** A proxy that can hold answers back, for clients that give up while the server is done already. */
export class HoldingProxy {
  readonly #server: Server;
  readonly #target: string;
  #released = Promise.resolve();
  release = () => {};

  private constructor(target: string) {
    this.#target = target;
    this.#server = createServer((req, res) => this.#forward(req, res));
  }

  static async start(target: string): Promise<HoldingProxy> {
    const proxy = new HoldingProxy(target);
    await once(proxy.#server.listen(0, '127.0.0.1'), 'listening');
    return proxy;
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  /** Holds answers until they are released. */
  hold(): void {
    this.#released = new Promise((resolve) => {
      this.release = resolve;
    });
  }

  async close(): Promise<void> {
    this.#server.closeAllConnections();
    this.#server.close();
    await once(this.#server, 'close');
  }

  #forward(req: IncomingMessage, res: ServerResponse): void {
    const { method, headers } = req;
    const forwarded = request(this.#target + req.url, { method, headers }, async (answer) => {
      await this.#released;
      res.writeHead(answer.statusCode ?? 502, answer.headers);
      answer.pipe(res);
    });
    forwarded.on('error', () => res.destroy());
    req.pipe(forwarded);
  }
}
