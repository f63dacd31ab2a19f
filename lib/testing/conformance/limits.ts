import { once } from 'node:events';
import { createServer, type IncomingMessage, request } from 'node:http';
import type { AddressInfo } from 'node:net';
import { Readable } from 'node:stream';
import type { Content } from '../../contract/content.js';
import { isDepotError } from '../../errors.js';
import { endlessStream, oddChunks, PNG_HEAD, sampleBytes } from './samples.js';
import type { Cases, Subject } from './subject.js';

const MAX_SIZE = 300_007;

/** What is refused while it is uploaded: too large, of the wrong type. */
export const limits: Cases = {
  'create: takes as many bytes as maxSize, and not one more': async (subject) => {
    for (const make of [asBuffer, asStream]) {
      const file = await subject.store(make(MAX_SIZE), { maxSize: MAX_SIZE });
      subject.equal(file.size, MAX_SIZE, 'create', 'take content of exactly maxSize bytes');
      await subject.leavesNothing('create', 'of what is too large', async () => {
        const act = subject.storage.create(make(MAX_SIZE + 1), { maxSize: MAX_SIZE });
        await subject.rejects(act, 'FILE_TOO_LARGE', 'create', 'for one byte more than maxSize');
      });
    }
  },

  'create: with a maxSize of 0 takes nothing': async (subject) => {
    const file = await subject.store('', { maxSize: 0 });
    subject.equal(file.size, 0, 'create', 'take zero bytes where maxSize is 0');
    await subject.rejects(
      subject.storage.create('x', { maxSize: 0 }),
      'FILE_TOO_LARGE',
      'create',
      'for one byte',
    );
  },

  'create: refuses a maxSize that is none': async (subject) => {
    for (const maxSize of [-1, Number.NaN, '10mb' as unknown as number]) {
      await subject.rejects(
        subject.storage.create('x', { maxSize }),
        'INVALID_OPTION',
        'create',
        `for ${maxSize}`,
      );
    }
  },

  'create: stops reading what is too large, and closes it': async (subject) => {
    const source = endlessStream();
    const act = subject.storage.create(source, { maxSize: MAX_SIZE });
    await subject.rejects(act, 'FILE_TOO_LARGE', 'create', 'for a stream without an end');
    subject.ok(source.destroyed, 'create', 'destroy a stream that is too large');
  },

  'replace: keeps the old file where the new content is too large': async (subject) => {
    const file = await subject.store('old');
    const act = subject.storage.replace(file, asStream(MAX_SIZE + 1), { maxSize: MAX_SIZE });
    await subject.rejects(act, 'FILE_TOO_LARGE', 'replace', 'for one byte more than maxSize');
    subject.equal(await file.text(), 'old', 'replace', 'keep the old content when it fails');
  },

  'create: shows the type of the content to checkType, once': async (subject) => {
    const contents: readonly (readonly [Content, string | undefined])[] = [
      [PNG_HEAD, 'image/png'],
      [Readable.from(oddChunks(Buffer.concat([PNG_HEAD, Buffer.alloc(700_000)]))), 'image/png'],
      ['%PDF-1.7\n', 'application/pdf'],
      ['text', undefined],
      ['', undefined],
    ];
    for (const [content, type] of contents) {
      const types: unknown[] = [];
      await subject.storage.create(content, { checkType: (detected) => void types.push(detected) });
      subject.equal(types, [type], 'create', 'call checkType once, with the type that the content shows');
    }
  },

  'create: fails as checkType does, before the rest is read': async (subject) => {
    const refusal = new Error('not this type');
    const checks = [
      () => {
        throw refusal;
      },
      async () => Promise.reject(refusal),
    ];
    for (const checkType of checks) {
      await subject.leavesNothing('create', 'of a type that is refused', async () => {
        const source = endlessStream(PNG_HEAD);
        await subject.rejectsWith(
          subject.storage.create(source, { checkType }),
          refusal,
          'create',
          'by checkType',
        );
        subject.ok(source.destroyed, 'create', 'destroy a stream whose type is refused');
        await subject.rejectsWith(
          subject.storage.create('x', { checkType }),
          refusal,
          'create',
          'by checkType',
        );
      });
    }
  },

  'create: takes a request, and leaves one that it refuses fit to be answered': async (subject) => {
    const accepted = await postTo(subject, sampleBytes(MAX_SIZE));
    subject.equal(accepted, { status: 201, body: String(MAX_SIZE) }, 'create', 'take the body of a request');
    await subject.leavesNothing('create', 'of a request that is too large', async () => {
      const refused = await postTo(subject, sampleBytes(MAX_SIZE + 1));
      subject.equal(refused, { status: 413, body: 'FILE_TOO_LARGE' }, 'create', 'let a request be answered');
    });
  },
};

function asBuffer(length: number): Content {
  return sampleBytes(length);
}

function asStream(length: number): Content {
  return Readable.from(oddChunks(sampleBytes(length)));
}

interface Answer {
  readonly status: number | undefined;
  readonly body: string;
}

/** Posts a body to a server that stores it, and resolves to the answer. */
async function postTo(subject: Subject, body: Buffer): Promise<Answer> {
  const server = createServer(async (req, res) => {
    const { status, body } = await receive(subject, req);
    res.writeHead(status, { Connection: 'close' }).end(body);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  try {
    return await post((server.address() as AddressInfo).port, body);
  } finally {
    server.closeAllConnections();
    server.close();
  }
}

async function receive(
  { storage }: Subject,
  req: IncomingMessage,
): Promise<{ status: number; body: string }> {
  try {
    const { size } = await storage.stat(await storage.create(req, { maxSize: MAX_SIZE }));
    return { status: 201, body: String(size) };
  } catch (error) {
    req.resume();
    return isDepotError(error)
      ? { status: error.status, body: error.code }
      : { status: 500, body: String(error) };
  }
}

async function post(port: number, body: Buffer): Promise<Answer> {
  const req = request({
    host: '127.0.0.1',
    port,
    method: 'POST',
    headers: { 'Content-Length': body.byteLength },
  });
  req.end(body);
  const [res] = (await once(req, 'response')) as [IncomingMessage];
  const chunks = await res.toArray();
  return { status: res.statusCode, body: Buffer.concat(chunks).toString() };
}
