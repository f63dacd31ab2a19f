import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { createServer, type IncomingMessage, request as openRequest, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { pipeline } from 'node:stream';
import { text } from 'node:stream/consumers';
import { KeyedMutex } from '../../lib/internal/keyed-mutex.js';

/** Bytes of which each piece of an upload but the last has a multiple. */
const UNIT = 256 * 1024;

/** An upload in pieces. */
interface Session {
  /** Where the object is made, with its conditions. */
  readonly path: string;
  /** What is kept of it beside its content, as JSON. */
  readonly resource: string;
  content: Buffer;
  /** What was answered when it was complete. */
  done?: Outcome;
}

interface Outcome {
  readonly status: number;
  readonly body: string;
}

/**
 * What the tests' server leaves out of Google Cloud Storage, in front of it: tokens, the preconditions of deletions,
 * copies and beginning uploads, and uploads in pieces that go on after a failure.
 */
export class StrictGcs {
  /** What was asked, e.g. `GET /bucket/key`. */
  readonly requests: string[] = [];
  /** Uploads that were neither completed nor cancelled. */
  readonly sessions = new Map<string, Session>();
  /** The token that every request needs. @default none */
  token: string | undefined;
  /** Whether copies take several requests, as they do between storage classes. */
  copiesInSteps = false;
  /** Done when an upload has begun, before the answer. */
  onBegun: () => Promise<void> = async () => {};
  readonly #target: URL;
  readonly #server = createServer((req, res) => this.#answer(req, res));
  readonly #mutex = new KeyedMutex();

  private constructor(target: URL) {
    this.#target = target;
  }

  static async start(target: string): Promise<StrictGcs> {
    const gateway = new StrictGcs(new URL(target));
    gateway.#server.keepAliveTimeout = 0;
    await once(gateway.#server.listen(0, '127.0.0.1'), 'listening');
    return gateway;
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  async stop(): Promise<void> {
    const closed = once(this.#server, 'close');
    this.#server.close();
    this.#server.closeAllConnections();
    await closed;
  }

  #answer(req: IncomingMessage, res: ServerResponse): void {
    this.requests.push(`${req.method} ${req.url}`);
    this.#handle(req, res).catch(() => res.destroy());
  }

  async #handle(req: IncomingMessage, res: ServerResponse): Promise<void> {
    const { pathname, searchParams } = new URL(req.url ?? '', this.url);
    const session = searchParams.get('upload_id');
    if (session !== null) return this.#handleSession(session, req, res);
    if (this.token !== undefined && req.headers.authorization !== `Bearer ${this.token}`)
      return refuse(req, res, 401, 'Invalid Credentials');
    if (searchParams.get('uploadType') === 'resumable') return this.#begin(req, res);
    if (this.copiesInSteps && pathname.includes('/rewriteTo/') && !searchParams.has('rewriteToken'))
      return answerJson(req, res, 200, { done: false, rewriteToken: 'go on' });
    const condition = searchParams.get('ifGenerationMatch');
    const written =
      pathname
        .split('/rewriteTo')
        .at(-1)
        ?.replace(/^(?=\/b\/)/, '/storage/v1') ?? '';
    const isOurs = req.method === 'DELETE' || pathname.includes('/rewriteTo/');
    if (condition === null || !isOurs) return this.#forward(req, res);
    await this.#mutex.run(written, async () => {
      if (await this.#isMet(written, condition)) await this.#forward(req, res);
      else refuse(req, res, 412, 'conditionNotMet');
    });
  }

  async #isMet(path: string, condition: string): Promise<boolean> {
    const answer = await fetch(new URL(path, this.#target));
    const { generation = '0' } = (await answer.json()) as { generation?: string };
    return generation === condition;
  }

  async #begin(req: IncomingMessage, res: ServerResponse): Promise<void> {
    const { pathname, searchParams } = new URL(req.url ?? '', this.url);
    const resource = await text(req);
    const { name } = JSON.parse(resource);
    const object = `${pathname.replace('/upload', '')}/${encodeURIComponent(name)}`;
    const condition = searchParams.get('ifGenerationMatch');
    if (condition !== null && !(await this.#isMet(object, condition)))
      return refuse(req, res, 412, 'conditionNotMet');
    searchParams.set('uploadType', 'multipart');
    const id = randomUUID();
    this.sessions.set(id, { path: `${pathname}?${searchParams}`, resource, content: Buffer.alloc(0) });
    await this.onBegun();
    res.writeHead(200, { location: `http://${req.headers.host}${pathname}?upload_id=${id}` }).end();
  }

  async #handleSession(id: string, req: IncomingMessage, res: ServerResponse): Promise<void> {
    const session = this.sessions.get(id);
    if (!session) return refuse(req, res, 404, 'Not Found');
    if (req.method === 'DELETE') {
      this.sessions.delete(id);
      return refuse(req, res, 499, 'Client Closed Request');
    }
    const [, start = '*', total = '*'] =
      /^bytes (\d+|\*)(?:-\d+)?\/(\d+|\*)$/.exec(req.headers['content-range'] ?? '') ?? [];
    if (start === '*') req.resume();
    else await receive(session, Number(start), req);
    if (session.content.byteLength === Number(total)) session.done ??= await this.#complete(session);
    if (session.done) return res.writeHead(session.done.status).end(session.done.body) && undefined;
    if (session.content.byteLength % UNIT !== 0) return refuse(req, res, 400, 'Not a multiple of 256 KiB');
    const range = `bytes=0-${session.content.byteLength - 1}`;
    res.writeHead(308, session.content.byteLength > 0 ? { range } : {}).end();
  }

  /** By one request to the server. What was completed stays known for those who ask once more. */
  async #complete({ path, resource, content }: Session): Promise<Outcome> {
    const boundary = randomUUID();
    const { contentType = 'application/octet-stream' } = JSON.parse(resource);
    const parts = [
      `--${boundary}\r\ncontent-type: application/json\r\n\r\n${resource}\r\n`,
      `--${boundary}\r\ncontent-type: ${contentType}\r\n\r\n`,
    ].map((part) => Buffer.from(part));
    const answer = await fetch(new URL(path, this.#target), {
      method: 'POST',
      headers: { 'content-type': `multipart/related; boundary=${boundary}` },
      body: Buffer.concat([...parts, content, Buffer.from(`\r\n--${boundary}--\r\n`)]),
    });
    return { status: answer.status, body: await answer.text() };
  }

  async #forward(req: IncomingMessage, res: ServerResponse): Promise<void> {
    const { hostname: host, port } = this.#target;
    const { method, url: path, headers } = req;
    const onward = openRequest({ host, port, method, path, headers, agent: false });
    res.once('close', () => onward.destroy());
    onward.on('error', () => res.headersSent || res.destroy());
    pipeline(req, onward, () => {});
    onward.once('response', (answer: IncomingMessage) => {
      const { connection: _, ...others } = answer.headers;
      res.writeHead(answer.statusCode ?? 502, others);
      pipeline(answer, res, () => {});
    });
    await once(res, 'close');
  }
}

/** What has come of a piece that breaks off is kept in whole units, as Google does. */
async function receive(session: Session, start: number, req: IncomingMessage): Promise<void> {
  const chunks: Buffer[] = [];
  let isWhole = true;
  try {
    for await (const chunk of req) chunks.push(chunk);
  } catch {
    isWhole = false;
  }
  const known = session.content.byteLength;
  if (start > known) throw new Error('A piece is missing');
  const all = Buffer.concat([session.content.subarray(0, start), ...chunks]);
  const byteLength = isWhole ? all.byteLength : Math.floor(all.byteLength / UNIT) * UNIT;
  if (byteLength > known) session.content = all.subarray(0, byteLength);
  if (!isWhole) throw new Error('The client has left');
}

function refuse(req: IncomingMessage, res: ServerResponse, code: number, message: string): void {
  answerJson(req, res, code, { error: { code, message } });
}

function answerJson(req: IncomingMessage, res: ServerResponse, status: number, answer: object): void {
  req.resume();
  res.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(answer));
}
