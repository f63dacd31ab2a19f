import { connect, type Socket } from 'node:net';
import { until } from './until.js';

/** A client that reads only when it is told to, and leaves when it likes. */
export class RawClient {
  readonly socket: Socket;
  #received: Buffer[] = [];

  constructor(port: number) {
    this.socket = connect(port, '127.0.0.1');
    this.socket.on('error', () => {});
    this.socket.on('data', (chunk) => this.#received.push(chunk));
  }

  get received(): Buffer {
    return Buffer.concat(this.#received);
  }

  send(...requests: string[]): void {
    this.socket.write(requests.map((line) => `${line} HTTP/1.1\r\nHost: localhost\r\n\r\n`).join(''));
  }

  /** Waits for the first bytes of an answer, then reads no more. */
  async stall(): Promise<void> {
    await until(() => this.#received.length > 0, 'the first bytes of an answer');
    this.socket.pause();
  }

  leave(): void {
    this.socket.destroy();
  }
}
