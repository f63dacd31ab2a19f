import { connect, type Socket } from 'node:net';

/** What a server has answered on a connection. */
export interface RawAnswer {
  readonly status: number;
  readonly head: string;
  readonly body: string;
  /** Body of problem details. */
  readonly problem: { readonly code?: string; readonly status?: number; readonly detail?: string };
}

/** The head of a request. */
export function requestHead(path: string, headers: Record<string, string | number>, method = 'POST'): string {
  const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`);
  return `${method} ${path} HTTP/1.1\r\nHost: localhost\r\n${lines.join('')}\r\n`;
}

/** A connection that a test can misuse while it uploads. */
export class UploadClient {
  readonly socket: Socket;
  /** Whether the server has closed the connection. */
  isClosed = false;
  #received = '';
  #onChange: () => void = () => {};

  constructor(port: number) {
    this.socket = connect(port, '127.0.0.1');
    this.socket.on('data', (chunk) => {
      this.#received += chunk.toString('latin1');
      this.#onChange();
    });
    this.socket.on('error', () => {});
    this.socket.on('close', () => {
      this.isClosed = true;
      this.#onChange();
    });
  }

  /** Resolves when the bytes are on their way, or cannot be any more. */
  send(bytes: string | Uint8Array): Promise<void> {
    return new Promise((resolve) => {
      if (this.isClosed) resolve();
      else this.socket.write(bytes, () => resolve());
    });
  }

  /** The first answer but `100 Continue`; fails when the connection is closed without one. */
  async answer(): Promise<RawAnswer> {
    for (;;) {
      const answer = parseAnswer(this.#received.replace(/^HTTP\/1\.1 100 .*?\r\n\r\n/s, ''));
      if (answer) return answer;
      if (this.isClosed) throw new Error(`Closed without an answer, after: ${this.#received}`);
      await this.#change();
    }
  }

  /** All that has come since the last `forget`. */
  get text(): string {
    return this.#received;
  }

  /** Makes room for another answer on the same connection. */
  forget(): void {
    this.#received = '';
  }

  /** Resolves when the server has closed the connection. */
  async closed(): Promise<void> {
    while (!this.isClosed) await this.#change();
  }

  /** Leaves without a goodbye: the server sees a reset. */
  reset(): void {
    this.socket.resetAndDestroy();
  }

  #change(): Promise<void> {
    return new Promise((resolve) => {
      this.#onChange = resolve;
    });
  }
}

function parseAnswer(text: string): RawAnswer | undefined {
  const [head = '', ...rest] = text.split('\r\n\r\n');
  const bytes = Buffer.from(rest.join('\r\n\r\n'), 'latin1');
  const length = Number(/^content-length: (\d+)/im.exec(head)?.[1] ?? 0);
  if (rest.length === 0 || bytes.length < length) return undefined;
  const body = bytes.toString('utf8');
  const problem = /^content-type: application\/problem\+json/im.test(head) ? JSON.parse(body) : {};
  return { status: Number(head.split(' ')[1]), head, body, problem };
}
