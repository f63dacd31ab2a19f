import type { FileDetails } from '../../contract/stored-file.js';
import { LARGE, sampleBytes } from './samples.js';
import { type Cases, collect, type Subject } from './subject.js';

/** `get`, `stat`, `exists`, `open`, and what a `StoredFile` can do. */
export const reading: Cases = {
  'get, stat, open, url, replace: fail for a missing file': async (subject) => {
    const { storage } = subject;
    for (const id of [await subject.goneId(), subject.newId(), 'constructor', 'hasOwnProperty']) {
      const when = 'where there is no such file';
      await subject.rejects(storage.get(id), 'FILE_NOT_FOUND', 'get', when);
      await subject.rejects(storage.stat(id), 'FILE_NOT_FOUND', 'stat', when);
      await subject.rejects(storage.open(id), 'FILE_NOT_FOUND', 'open', when);
      await subject.rejects(storage.url(id), 'FILE_NOT_FOUND', 'url', when);
      await subject.rejects(storage.replace(id, 'new'), 'FILE_NOT_FOUND', 'replace', when);
    }
  },

  'exists: tells whether there is a file': async (subject) => {
    const { id } = await subject.store('x');
    subject.equal(await subject.storage.exists(id), true, 'exists', 'be true for a file that is there');
    for (const missing of [await subject.goneId(), subject.newId(), 'constructor']) {
      subject.equal(
        await subject.storage.exists(missing),
        false,
        'exists',
        'be false where there is no such file',
      );
    }
  },

  'get, stat, open: give the same details': async (subject) => {
    const file = await subject.store('same', { filename: 'a.txt', metadata: { a: 1 } });
    const expected = detailsOf(file);
    subject.equal(
      detailsOf(await subject.storage.get(file.id)),
      expected,
      'get',
      'give the same details each time',
    );
    subject.equal(
      detailsOf(await subject.storage.stat(file.id)),
      expected,
      'stat',
      'give the details that get gives',
    );
    const opened = await subject.storage.open(file.id);
    await opened.close();
    subject.equal(detailsOf(opened.file), expected, 'open', 'give the details that get gives');
  },

  'get, stat, open, exists, url: take a file as well as its id': async (subject) => {
    const { storage } = subject;
    const file = await subject.store('by file');
    for (const given of [file, { id: file.id }]) {
      subject.equal((await storage.get(given)).id, file.id, 'get', 'take a file');
      subject.equal((await storage.stat(given)).id, file.id, 'stat', 'take a file');
      subject.equal(await storage.exists(given), true, 'exists', 'take a file');
      const opened = await storage.open(given);
      await opened.close();
      subject.equal(opened.file.id, file.id, 'open', 'take a file');
      await storage.url(given);
    }
  },

  'get: text is decoded as UTF-8, also across chunks': async (subject) => {
    const text = 'ž馬🐎'.repeat(100_000);
    const file = await subject.store(text, { contentType: 'text/plain' });
    subject.ok((await file.text()) === text, 'get().text', 'decode the whole content as UTF-8');
  },

  'get: gives a Blob with the type of the file': async (subject) => {
    const content = sampleBytes(70_001);
    const blob = await (await subject.store(content, { contentType: 'image/x-sample' })).blob();
    subject.equal(blob.type, 'image/x-sample', 'get().blob', 'have the type of the file');
    subject.sameBytes(Buffer.from(await blob.arrayBuffer()), content, 'get().blob', 'hold the content');
  },

  'get: a file can be iterated': async (subject) => {
    const content = sampleBytes(LARGE);
    const chunks = await collect(await subject.store(content));
    subject.ok(chunks.every(Buffer.isBuffer), 'get()[Symbol.asyncIterator]', 'give Buffers');
    subject.sameBytes(Buffer.concat(chunks), content, 'get()[Symbol.asyncIterator]', 'give the content');
  },

  'get: a file can be left in the middle, and read again': async (subject) => {
    const content = sampleBytes(LARGE);
    const file = await subject.store(content);
    for await (const _chunk of file) break;
    subject.sameBytes(
      await file.buffer(),
      content,
      'get().buffer',
      'give the whole content after a stream was left',
    );
  },

  'get: several streams of a file do not disturb each other': async (subject) => {
    const content = sampleBytes(500_009);
    const file = await subject.store(content);
    const copies = await Promise.all([file.buffer(), file.buffer(), file.buffer()]);
    for (const copy of copies)
      subject.sameBytes(copy, content, 'get().stream', 'give the content to each reader');
  },

  'get: a stream that nobody reads does no harm': async (subject) => {
    const file = await subject.store(sampleBytes(1000));
    const stream = file.stream();
    await new Promise((resolve) => stream.once('close', resolve).destroy());
    subject.equal(await subject.storage.exists(file), true, 'get().stream', 'leave the file in place');
  },

  'get: a stream of a file that is gone fails': async (subject) => {
    const file = await subject.store('soon gone');
    await subject.storage.delete(file);
    const stream = file.stream();
    await subject.rejects(
      collect(stream),
      'FILE_NOT_FOUND',
      'get().stream',
      'for a file that was deleted since',
    );
    await subject.rejects(
      file.buffer(),
      'FILE_NOT_FOUND',
      'get().buffer',
      'for a file that was deleted since',
    );
  },

  'open: gives content by streams, as often as asked': async (subject) => {
    const content = sampleBytes(300_007);
    const { id } = await subject.store(content);
    const opened = await subject.storage.open(id);
    try {
      for (let turn = 0; turn < 2; turn++) {
        const bytes = Buffer.concat(await collect(opened.stream()));
        subject.sameBytes(bytes, content, 'open().stream', 'give the content');
      }
    } finally {
      await opened.close();
    }
  },

  'open: gives content by reads, where the storage can': async (subject) => {
    const content = sampleBytes(10_007);
    const { id } = await subject.store(content);
    const opened = await subject.storage.open(id);
    try {
      if (opened.read) await expectReads(subject, opened.read, content);
    } finally {
      await opened.close();
    }
  },

  'open: can be closed unread, and more than once': async (subject) => {
    const { id } = await subject.store('unread');
    const opened = await subject.storage.open(id);
    await opened.close();
    await opened.close();
    await subject.storage.delete(id);
    subject.equal(await subject.storage.exists(id), false, 'open().close', 'release the file');
  },

  'open: keeps details and content together, whatever happens to the file': async (subject) => {
    const { storage } = subject;
    const changes = [(id: string) => storage.replace(id, 'new'), (id: string) => storage.delete(id)];
    for (const change of changes) {
      const { id } = await subject.store('old');
      const opened = await storage.open(id);
      try {
        await change(id);
        const read = collect(opened.stream());
        const chunks = await subject.allow(read, ['CONFLICT', 'FILE_NOT_FOUND'], 'open().stream');
        if (chunks)
          subject.equal(Buffer.concat(chunks).toString(), 'old', 'open().stream', 'give the old content');
      } finally {
        await opened.close();
      }
    }
  },
};

async function expectReads(
  subject: Subject,
  read: (buffer: Buffer, length: number, position: number) => Promise<number>,
  content: Buffer,
): Promise<void> {
  const buffer = Buffer.alloc(20_000, 0xee);
  const start = await readFully(read, buffer, 100, 0);
  subject.sameBytes(
    start,
    content.subarray(0, 100),
    'open().read',
    'read from the beginning, at most `length`',
  );
  subject.equal(buffer[100], 0xee, 'open().read', 'leave what is after `length` bytes of the buffer alone');
  const end = await readFully(read, buffer, 200, content.byteLength - 50);
  subject.sameBytes(end, content.subarray(-50), 'open().read', 'read up to the end');
  subject.equal(await read(buffer, 10, content.byteLength), 0, 'open().read', 'resolve to 0 at the end');
}

/** A read may give less than it was asked for, as long as it is not the end. */
async function readFully(
  read: (buffer: Buffer, length: number, position: number) => Promise<number>,
  buffer: Buffer,
  length: number,
  position: number,
): Promise<Buffer> {
  const bytesRead = await read(buffer, length, position);
  const bytes = Buffer.from(buffer.subarray(0, bytesRead));
  if (bytesRead === 0 || bytesRead >= length) return bytes;
  const rest = await readFully(
    read,
    Buffer.alloc(length - bytesRead),
    length - bytesRead,
    position + bytesRead,
  );
  return Buffer.concat([bytes, rest]);
}

/** Without what storages add of their own. */
function detailsOf(file: FileDetails): FileDetails {
  const { id, filename, contentType, size, lastModified, sha256, metadata, etag } = file;
  return { id, filename, contentType, size, lastModified, sha256, metadata, etag };
}
