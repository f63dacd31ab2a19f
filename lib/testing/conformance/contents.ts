import { createReadStream } from 'node:fs';
import { Readable } from 'node:stream';
import { pathToFileURL } from 'node:url';
import type { Content } from '../../contract/content.js';
import { StoredFile } from '../../contract/stored-file.js';
import { localFile, oddChunks, sampleBytes, sha256 } from './samples.js';
import type { Cases, Subject } from './subject.js';

interface Sample {
  readonly content: Content;
  /** Name and type that the content brings with it. */
  readonly filename?: string;
  readonly contentType?: string;
}

/** Every form in which the same bytes can be given. */
const KINDS: Readonly<Record<string, (bytes: Buffer, subject: Subject) => Promise<Sample>>> = {
  'a Buffer': async (bytes) => ({ content: bytes }),
  'a Uint8Array within a larger buffer': async (bytes) => ({ content: withinLarger(bytes) }),
  'a Readable': async (bytes) => ({ content: Readable.from(oddChunks(bytes)) }),
  'a Readable that was paused': async (bytes) => ({ content: Readable.from(oddChunks(bytes)).pause() }),
  'a Readable of byte arrays': async (bytes) => ({ content: Readable.from([withinLarger(bytes)]) }),
  'a file stream': async (bytes, subject) => ({
    content: createReadStream(await localFile(subject, 'streamed.bin', bytes)),
  }),
  'a web ReadableStream': async (bytes) => ({ content: new Blob([bytes]).stream() as Content }),
  'a Blob': async (bytes) => ({
    content: new Blob([bytes], { type: 'image/x-blob' }),
    contentType: 'image/x-blob',
  }),
  'a File': async (bytes) => ({
    content: new File([bytes], 'web.gif', { type: 'image/gif' }),
    filename: 'web.gif',
    contentType: 'image/gif',
  }),
  'an async iterable': async (bytes) => ({ content: iterate(bytes) }),
  'a path': async (bytes, subject) => ({
    content: { path: await localFile(subject, 'local.css', bytes) },
    filename: 'local.css',
    contentType: 'text/css',
  }),
  'a file: URL': async (bytes, subject) => ({
    content: pathToFileURL(await localFile(subject, 'žluťoučký #1.css', bytes)),
    filename: 'žluťoučký #1.css',
    contentType: 'text/css',
  }),
  'a file of the same storage': async (bytes, subject) => stored(await subject.store(bytes, TYPED)),
  'a file of another storage': async (bytes, subject) => {
    const storage = await subject.another();
    return stored(await storage.get(await storage.create(bytes, TYPED)));
  },
  'a file of a different kind of storage': async (bytes) => stored(foreignFile(bytes)),
  "multer's file in memory": async (bytes) => ({ content: { ...MULTER, buffer: bytes }, ...OF_MULTER }),
  "multer's file on disk": async (bytes, subject) => ({
    content: { ...MULTER, path: await localFile(subject, 'f3a1', bytes) },
    ...OF_MULTER,
  }),
  "multer's file as a stream": async (bytes) => ({
    content: { ...MULTER, stream: Readable.from(oddChunks(bytes)) },
    ...OF_MULTER,
  }),
};

const TYPED = { filename: 'typed.txt', contentType: 'text/x-typed' };
const MULTER = { fieldname: 'file', encoding: '7bit', originalname: 'scan.pdf', mimetype: 'application/pdf' };
const OF_MULTER = { filename: 'scan.pdf', contentType: 'application/pdf' };

/** Every kind of content, and what is none. */
export const contents: Cases = {
  ...Object.fromEntries(
    Object.entries(KINDS).map(([kind, make]) => [
      `create: takes ${kind}`,
      async (subject: Subject) => expectKept(subject, kind, make),
    ]),
  ),

  'create: takes text, in UTF-8': async (subject) => {
    const text = 'Příliš žluťoučký kůň 馬 🐎';
    const file = await subject.store(text);
    subject.equal(
      file.size,
      Buffer.byteLength(text),
      'create',
      'count the bytes of a text, not its characters',
    );
    subject.equal(await file.text(), text, 'create', 'keep a text');
  },

  'create: takes streams and iterables of text': async (subject) => {
    const texts = ['první ', '', '第二'];
    const iterable = (async function* () {
      yield* texts;
    })();
    for (const content of [Readable.from(texts), iterable]) {
      subject.equal(
        await (await subject.store(content)).text(),
        texts.join(''),
        'create',
        'keep a stream of text',
      );
    }
  },

  'create: the name and type that are given go before those of the content': async (subject) => {
    const content = new File(['x'], 'web.gif', { type: 'image/gif' });
    const file = await subject.store(content, { filename: 'own.png', contentType: 'image/x-own' });
    subject.equal(file.filename, 'own.png', 'create', 'prefer the name that it is given');
    subject.equal(file.contentType, 'image/x-own', 'create', 'prefer the type that it is given');
  },

  'create: refuses what is no content': async (subject) => {
    const values = [
      null,
      undefined,
      5,
      true,
      {},
      [],
      Symbol('no'),
      () => 'no',
      new URL('http://localhost/'),
      MULTER,
    ];
    await subject.leavesNothing('create', 'of what is no content', async () => {
      for (const value of values) {
        const act = subject.storage.create(value as Content);
        await subject.rejects(act, 'INVALID_CONTENT', 'create', `for ${typeof value} ${nameOf(value)}`);
      }
    });
  },

  'create: refuses streams of what is no content': async (subject) => {
    const numbers: Record<string, Content> = {
      'a stream of numbers': Readable.from([1, 2, 3]),
      'an iterable of numbers': (async function* () {
        yield 1;
      })() as AsyncIterable<never>,
    };
    for (const [what, content] of Object.entries(numbers)) {
      await subject.leavesNothing('create', `of ${what}`, async () => {
        await subject.rejects(subject.storage.create(content), 'INVALID_CONTENT', 'create', `for ${what}`);
      });
    }
  },
};

async function expectKept(subject: Subject, kind: string, make: (typeof KINDS)[string]): Promise<void> {
  const bytes = sampleBytes(200_003);
  const {
    content,
    filename = 'unnamed',
    contentType = 'application/octet-stream',
  } = await make(bytes, subject);
  const file = await subject.store(content);
  subject.sameBytes(await file.buffer(), bytes, 'create', `keep the bytes of ${kind}`);
  subject.equal(file.sha256, sha256(bytes), 'create', `keep the digest of ${kind}`);
  subject.equal(file.filename, filename, 'create', `keep the name that ${kind} brings, if any`);
  subject.equal(file.contentType, contentType, 'create', `keep the type that ${kind} brings, if any`);
}

function withinLarger(bytes: Buffer): Uint8Array {
  const larger = new Uint8Array(bytes.byteLength + 20).fill(0xee);
  larger.set(bytes, 10);
  return larger.subarray(10, 10 + bytes.byteLength);
}

async function* iterate(bytes: Buffer): AsyncGenerator<Uint8Array> {
  for (const chunk of oddChunks(bytes)) yield new Uint8Array(chunk);
}

function stored(file: StoredFile): Sample {
  return { content: file, filename: TYPED.filename, contentType: TYPED.contentType };
}

function foreignFile(bytes: Buffer): StoredFile {
  const details = { id: 'x', size: bytes.byteLength, lastModified: new Date(0), metadata: {}, etag: '"x"' };
  return new StoredFile({ ...TYPED, ...details }, () => Readable.from(oddChunks(bytes)));
}

function nameOf(value: unknown): string {
  return typeof value === 'object' && value !== null ? value.constructor.name : String(value);
}
