import { createHash, randomBytes } from 'node:crypto';
import { type RequestListener, request, type ServerResponse } from 'node:http';
import { Readable } from 'node:stream';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { afterAll, describe, expect, test } from '@jest/globals';
import { DepotError } from '../../lib/errors.js';
import { PIECE_BYTES } from '../../lib/serve/piece-buffers.js';
import { type ServeMiddleware, serveFiles } from '../../lib/serve/router.js';
import { type Behaviour, OpenFilesStorage, type ReadContent, readWell } from '../support/open-files.js';
import { RawClient } from '../support/raw-client.js';
import { ask, directoryOf, problemOf, TestServers } from '../support/serving.js';
import { until } from '../support/until.js';

const LARGE = randomBytes(5 * PIECE_BYTES + 12_345);
/** More than the buffers of two sockets take. */
const HUGE = Buffer.alloc(20 * 1024 * 1024, 'huge');

const servers = new TestServers();
afterAll(() => servers.close());

interface Served {
  readonly storage: OpenFilesStorage;
  readonly serve: ServeMiddleware;
  readonly port: number;
  readonly path: string;
}

/** One file, behind a middleware that can be wrapped. */
async function serveOne(
  content: Buffer,
  behaviour: Behaviour = {},
  wrap = (serve: ServeMiddleware): RequestListener => serve,
): Promise<Served> {
  const storage = new OpenFilesStorage(behaviour);
  const id = await storage.create(content);
  const serve = serveFiles(directoryOf({ files: storage }));
  return { storage, serve, port: await servers.listen(wrap(serve)), path: `/depot/files/${id}` };
}

async function expectClosed(storage: OpenFilesStorage): Promise<void> {
  await until(() => storage.closed === storage.opened, 'the file to be closed');
  for (const stream of storage.streams) expect(stream.destroyed).toBe(true);
}

/** Reads like a disk that seldom gives all that it is asked for. */
const readLittle: ReadContent = (content, buffer, length, position) =>
  readWell(content, buffer, Math.ceil(length / 3), position);

const WAYS: [name: string, behaviour: Behaviour][] = [
  ['by reads', { read: readWell }],
  ['by short reads', { read: readLittle }],
  ['by a stream', {}],
  [
    'by a stream of small chunks',
    { stream: (content, options) => Readable.from(smallChunks(content, options)) },
  ],
];

function* smallChunks(content: Buffer, { start = 0, end = content.byteLength - 1 }) {
  for (let at = start; at <= end; at += 10_000) yield content.subarray(at, Math.min(at + 10_000, end + 1));
}

describe.each(WAYS)('%s', (_name, behaviour) => {
  test.each([0, 1, 100, 16 * 1024, 16 * 1024 + 1, PIECE_BYTES, PIECE_BYTES + 1, LARGE.byteLength])(
    '%d bytes',
    async (size) => {
      const content = LARGE.subarray(0, size);
      const { storage, port, path } = await serveOne(content, behaviour);
      const answer = await ask(port, path);
      expect(answer.headers['content-length']).toBe(String(size));
      expect(answer.body.equals(content)).toBe(true);
      await expectClosed(storage);
    },
  );

  test.each([
    ['bytes=5-', 5, LARGE.byteLength],
    [`bytes=1000-${1000 + 2 * PIECE_BYTES - 1}`, 1000, 1000 + 2 * PIECE_BYTES],
    ['bytes=-100000', LARGE.byteLength - 100_000, LARGE.byteLength],
  ])('%s', async (range, start, end) => {
    const { port, path } = await serveOne(LARGE, behaviour);
    const answer = await ask(port, path, { headers: { Range: range } });
    expect(answer.status).toBe(206);
    expect(answer.body.equals(LARGE.subarray(start, end))).toBe(true);
  });

  test('several parts', async () => {
    const { storage, port, path } = await serveOne(LARGE, behaviour);
    const answer = await ask(port, path, { headers: { Range: 'bytes=0-299999,400000-400000,-1' } });
    expect(answer.headers['content-length']).toBe(String(answer.body.byteLength));
    const parts = [LARGE.subarray(0, 300_000), LARGE.subarray(400_000, 400_001), LARGE.subarray(-1)];
    for (const part of parts) expect(answer.body.includes(part)).toBe(true);
    await expectClosed(storage);
  });

  test('answers on one connection do not mix', async () => {
    const { port, path } = await serveOne(LARGE, behaviour);
    const client = new RawClient(port);
    client.send(`GET ${path}`, `HEAD ${path}`, `GET ${path}`);
    const bodies = () =>
      client.received.byteLength > 2 * LARGE.byteLength && client.received.subarray(-LARGE.byteLength);
    await until(() => Boolean(bodies() && (bodies() as Buffer).equals(LARGE)), 'both answers');
    expect(client.received.indexOf(LARGE)).toBeGreaterThan(0);
    client.leave();
  });
});

test('content is not read where none is sent', async () => {
  const { storage, port, path } = await serveOne(LARGE, { read: () => Promise.reject(new Error('read')) });
  expect((await ask(port, path, { method: 'HEAD' })).status).toBe(200);
  expect((await ask(port, path, { headers: { 'If-None-Match': '*' } })).status).toBe(304);
  expect((await ask(port, path, { headers: { 'If-Modified-Since': new Date().toUTCString() } })).status).toBe(
    304,
  );
  expect(storage.opened).toBe(0);
});

test('buffers are used again only when they were sent, however slow the clients are', async () => {
  const content = randomBytes(12 * PIECE_BYTES);
  const { port, path } = await serveOne(content, { read: readWell });
  const digest = (bytes: Buffer) => createHash('sha256').update(bytes).digest('hex');
  const download = () =>
    new Promise<string>((resolve, reject) => {
      const req = request({ port, host: '127.0.0.1', path, agent: false }, async (res) => {
        const chunks: Buffer[] = [];
        for await (const chunk of res) {
          chunks.push(chunk);
          await nextTurn();
        }
        resolve(digest(Buffer.concat(chunks)));
      });
      req.on('error', reject).end();
    });
  const digests = await Promise.all(Array.from({ length: 10 }, download));
  expect(new Set(digests)).toEqual(new Set([digest(content)]));
});

test('further downloads get along without the shared buffers', async () => {
  const { storage, port, path } = await serveOne(HUGE, { read: readWell });
  const clients = Array.from({ length: 70 }, () => new RawClient(port));
  for (const client of clients) client.send(`GET ${path}`);
  await Promise.all(clients.map((client) => client.stall()));
  expect(
    (await ask(port, path, { headers: { Range: 'bytes=0-999999' } })).body.equals(HUGE.subarray(0, 1e6)),
  ).toBe(true);
  for (const client of clients) client.leave();
  await expectClosed(storage);
});

describe('a middleware that puts a write of its own in the way', () => {
  /** As compression does: chunks are kept for a while, and nobody is told when they were sent. */
  function delayWrites(res: ServerResponse): void {
    const { write, end } = res;
    const chunks: Buffer[] = [];
    res.write = ((chunk: Buffer) => chunks.push(chunk) > 0) as typeof res.write;
    res.end = ((chunk?: Buffer) => {
      for (const kept of chunks) write.call(res, kept, 'latin1');
      return end.call(res, chunk, 'latin1');
    }) as typeof res.end;
  }

  test.each(WAYS)('%s', async (_name, behaviour) => {
    const { storage, port, path } = await serveOne(LARGE, behaviour, (serve) => (req, res) => {
      delayWrites(res);
      serve(req, res);
    });
    const answer = await ask(port, path);
    expect(answer.body.equals(LARGE)).toBe(true);
    await expectClosed(storage);
  });
});

describe('content that fails', () => {
  const failure = new Error('The disk is on fire');

  function readUntil(position: number, then: () => Promise<number>): ReadContent {
    return (content, buffer, length, at) =>
      at + length > position ? then() : readWell(content, buffer, length, at);
  }

  const chunk = LARGE.subarray(0, 1000);
  const half = async function* () {
    yield LARGE.subarray(0, 100_000);
    throw failure;
  };

  const EARLY: [name: string, content: Buffer, behaviour: Behaviour][] = [
    ['a small file, a read fails', chunk, { read: () => Promise.reject(failure) }],
    ['a small file, a read ends early', chunk, { read: async () => 0 }],
    ['a small file, a read ends half way', chunk, { read: readUntil(0, async () => 0) }],
    ['a large file, the first read fails', LARGE, { read: () => Promise.reject(failure) }],
    ['a large file, the first read ends early', LARGE, { read: async () => 0 }],
    ['a stream that is empty', LARGE, { stream: () => Readable.from([]) }],
    [
      'a stream that fails at once',
      LARGE,
      {
        stream: () =>
          new Readable({
            read() {
              this.destroy(failure);
            },
          }),
      },
    ],
    [
      'a stream that cannot be made',
      LARGE,
      {
        stream: () => {
          throw failure;
        },
      },
    ],
    ['a stream that is too long at once', chunk, { stream: () => Readable.from([LARGE]) }],
  ];

  test.each(EARLY)('before the first byte is answered: %s', async (_name, content, behaviour) => {
    const { storage, port, path } = await serveOne(content, behaviour);
    const answer = await ask(port, path);
    expect(problemOf(answer)).toMatchObject({ status: 500 });
    expect(answer.body.toString()).not.toContain('fire');
    await expectClosed(storage);
  });

  const LATE: [name: string, behaviour: Behaviour][] = [
    ['a read fails', { read: readUntil(2 * PIECE_BYTES, () => Promise.reject(failure)) }],
    ['a read ends early', { read: readUntil(2 * PIECE_BYTES, async () => 0) }],
    ['a stream fails', { stream: () => Readable.from(half()) }],
    ['a stream ends early', { stream: () => Readable.from([LARGE.subarray(0, 100_000)]) }],
    ['a stream is too long', { stream: () => Readable.from([LARGE.subarray(0, 100_000), LARGE]) }],
  ];

  test.each(LATE)(
    'later cuts the answer off, and is told to the application: %s',
    async (_name, behaviour) => {
      const errors: unknown[] = [];
      const { storage, port, path } = await serveOne(LARGE, behaviour, (serve) => (req, res) => {
        serve(req, res, (error) => errors.push(error));
      });
      await expect(ask(port, path)).rejects.toThrow('aborted');
      await until(() => errors.length === 1, 'the error');
      expect(errors[0]).toBeInstanceOf(Error);
      await expectClosed(storage);
    },
  );
});

test('a file that goes in the middle of an answer cuts it off: the next handler has no part in it', async () => {
  const goes = async function* () {
    yield LARGE.subarray(0, 100_000);
    throw new DepotError('FILE_NOT_FOUND');
  };
  const storage = new OpenFilesStorage({ stream: () => Readable.from(goes()) });
  const id = await storage.create(LARGE);
  const serve = serveFiles(directoryOf({ files: storage }), { fallthrough: true });
  const port = await servers.listen((req, res) => serve(req, res, () => res.end(LARGE.subarray(100_000))));
  await expect(ask(port, `/depot/files/${id}`)).rejects.toThrow('aborted');
  await expectClosed(storage);
});

describe('a client that leaves', () => {
  const stuck = () => new Readable({ read() {} });
  const stuckHalfway = (content: Buffer) => {
    const stream = stuck();
    stream.push(content.subarray(0, 1000));
    return stream;
  };

  test.each([
    ['while it is read', { read: readWell }],
    [
      'while it is streamed',
      { stream: (content: Buffer, options: object) => Readable.from(smallChunks(content, options)) },
    ],
    ['while its stream gives nothing more', { stream: stuckHalfway }],
  ])('in the middle of an answer, %s', async (_case, behaviour) => {
    const { storage, port, path } = await serveOne(HUGE, behaviour);
    const client = new RawClient(port);
    client.send(`GET ${path}`);
    await client.stall();
    expect(storage.opened - storage.closed).toBe(1);
    client.leave();
    await expectClosed(storage);
  });

  test('before the first byte', async () => {
    const { storage, port, path } = await serveOne(HUGE, { stream: stuck });
    const client = new RawClient(port);
    client.send(`GET ${path}`);
    await until(() => storage.streams.length === 1, 'the stream');
    client.leave();
    await expectClosed(storage);
  });

  test('while it is decided whether it may have the file', async () => {
    const storage = new OpenFilesStorage({ read: readWell });
    const id = await storage.create(LARGE);
    let decide = (_may: boolean) => {};
    const decision = new Promise<boolean>((resolve) => {
      decide = resolve;
    });
    const port = await servers.listen(
      serveFiles(directoryOf({ files: storage }), { authorize: () => decision }),
    );
    const client = new RawClient(port);
    client.send(`GET /depot/files/${id}`);
    await until(() => storage.opened === 1, 'the file to be opened');
    client.leave();
    await until(() => client.socket.closed, 'the client to leave');
    decide(true);
    await expectClosed(storage);
  });

  test('is no failure', async () => {
    const errors: unknown[] = [];
    const { storage, port, path } = await serveOne(HUGE, {}, (serve) => (req, res) => {
      serve(req, res, (error) => errors.push(error));
    });
    const client = new RawClient(port);
    client.send(`GET ${path}`);
    await client.stall();
    client.leave();
    await expectClosed(storage);
    await nextTurn();
    expect(errors).toEqual([]);
  });

  test('before its request comes here', async () => {
    const client = new RawClient(0);
    const { storage, port, path } = await serveOne(HUGE, { read: readWell }, (serve) => async (req, res) => {
      client.leave();
      await until(() => res.destroyed, 'the client to leave');
      serve(req, res);
      serve(req, res);
    });
    client.socket.connect(port, '127.0.0.1');
    client.send(`GET ${path}`);
    await until(() => client.socket.closed, 'the client to leave');
    await nextTurn();
    expect(storage.opened).toBe(0);
  });

  test.each(WAYS)(
    'with answers waiting behind another one, for which nothing is opened: %s',
    async (_name, behaviour) => {
      let requests = 0;
      const { storage, port, path } = await serveOne(HUGE, behaviour, (serve) => (req, res) => {
        requests++;
        serve(req, res);
      });
      const client = new RawClient(port);
      client.send(...Array<string>(20).fill(`GET ${path}`));
      await client.stall();
      await until(() => requests === 20, 'all requests');
      expect(storage.opened).toBe(1);
      client.leave();
      await expectClosed(storage);
    },
  );
});
