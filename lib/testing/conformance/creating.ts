import { isFileId } from '../../contract/file-id.js';
import { LARGE, oddChunks, PNG_HEAD, sampleBytes, sha256 } from './samples.js';
import type { Cases, Subject } from './subject.js';

/** How far (milliseconds) the clock of a server may be off. */
const CLOCK_TOLERANCE = 5 * 60 * 1000;

/** What `create` keeps, and what it makes of options that are left out. */
export const creating: Cases = {
  'create: resolves to a new id each time': async (subject) => {
    const ids = [await subject.storage.create('one'), await subject.storage.create('one')];
    subject.ok(ids.every(isFileId), 'create', 'resolve to an id');
    subject.ok(ids[0] !== ids[1], 'create', 'resolve to another id for each file, also for the same content');
  },

  'create: keeps content, size and digest': async (subject) => {
    const content = sampleBytes(10_007);
    const file = await subject.store(content);
    subject.sameBytes(await file.buffer(), content, 'create', 'keep the content');
    subject.equal(file.size, content.byteLength, 'create', 'count the size in bytes');
    subject.equal(file.sha256, sha256(content), 'create', 'keep the SHA-256 digest of the content');
  },

  'create: keeps filename, type and metadata': async (subject) => {
    const metadata = { author: 'Ada', pages: 3, tags: ['a', 'b'], nested: { yes: true, none: null } };
    const file = await subject.store('text', { filename: 'note.txt', contentType: 'text/x-note', metadata });
    subject.equal(file.filename, 'note.txt', 'create', 'keep the filename');
    subject.equal(file.contentType, 'text/x-note', 'create', 'keep the content type');
    subject.equal(file.metadata, metadata, 'create', 'keep the metadata');
  },

  'create: names and types a file of which nothing is said': async (subject) => {
    const file = await subject.store(PNG_HEAD);
    subject.equal(file.filename, 'unnamed', 'create', 'call a file without a name "unnamed"');
    subject.equal(
      file.contentType,
      'application/octet-stream',
      'create',
      'not guess a type from the content',
    );
    subject.equal(file.metadata, {}, 'create', 'keep no metadata where none is given');
  },

  'create: takes the type from the name where none is given': async (subject) => {
    await expectType(subject, { filename: 'photo.JPG' }, 'image/jpeg');
    await expectType(subject, { filename: 'photo.jpg', contentType: 'image/png' }, 'image/png');
    await expectType(subject, { filename: 'strange.xyzzy' }, 'application/octet-stream');
  },

  'create: does not keep what is not a media type': async (subject) => {
    for (const contentType of ['', 'png', 'image/', 'text/html\r\nX-Header: yes', 'text/html\0', 'a b/c']) {
      await expectType(subject, { filename: 'a.gif', contentType }, 'image/gif');
    }
    await expectType(subject, { contentType: 'Text/HTML; charset=UTF-8' }, 'text/html; charset=UTF-8');
  },

  'create: sets lastModified to its time, in whole seconds': async (subject) => {
    const before = Date.now();
    const { lastModified } = await subject.store('now');
    subject.ok(lastModified instanceof Date, 'create', 'set lastModified to a Date');
    subject.equal(lastModified.getMilliseconds(), 0, 'create', 'set lastModified in whole seconds');
    const distance = Math.abs(lastModified.getTime() - before);
    subject.ok(
      distance < CLOCK_TOLERANCE,
      'create',
      `set lastModified to now, not ${lastModified.toISOString()}`,
    );
  },

  'create: gives a strong entity tag': async (subject) => {
    const { etag } = await subject.store('tagged');
    // RFC 9110 section 8.8.3: a quoted string; W/ before it would make it weak.
    subject.ok(
      /^"[\x21\x23-\x7e\x80-\xff]+"$/.test(etag),
      'create',
      `give a strong, quoted etag, not ${etag}`,
    );
    const other = await subject.store('different');
    subject.ok(other.etag !== etag, 'create', 'give different etags to different contents');
  },

  'create: takes zero bytes': async (subject) => {
    const file = await subject.store(Buffer.alloc(0), { filename: 'empty.txt' });
    subject.equal(file.size, 0, 'create', 'count no bytes');
    subject.equal(file.sha256, sha256(Buffer.alloc(0)), 'create', 'keep the digest of nothing');
    subject.equal((await file.buffer()).byteLength, 0, 'get().buffer', 'be empty');
    subject.equal(await file.text(), '', 'get().text', 'be empty');
    subject.equal((await file.blob()).size, 0, 'get().blob', 'be empty');
    subject.ok((await subject.ids()).includes(file.id), 'list', 'give the ids of empty files too');
  },

  'create: takes several megabytes in odd chunks': async (subject) => {
    const content = sampleBytes(LARGE);
    const file = await subject.store(
      (async function* () {
        yield* oddChunks(content);
      })(),
    );
    subject.equal(file.size, content.byteLength, 'create', 'count all bytes of a large file');
    subject.equal(file.sha256, sha256(content), 'create', 'keep the digest of a large file');
    subject.sameBytes(await file.buffer(), content, 'create', 'keep the content of a large file');
  },

  'create: does not keep the buffers that it was given': async (subject) => {
    const content = sampleBytes(1000);
    const given = Buffer.from(content);
    const file = await subject.store(given);
    given.fill(0);
    subject.sameBytes(await file.buffer(), content, 'create', 'not share memory with its caller');
  },

  'create: never overwrites a file': async (subject) => {
    const id = subject.can('anyId') ? subject.newId() : await subject.goneId();
    await subject.storage.create('first', { id, filename: 'first.txt' });
    await subject.leavesNothing('create', 'where the id is taken', async () => {
      const act = subject.storage.create('second', { id, filename: 'second.txt' });
      await subject.rejects(act, 'FILE_EXISTS', 'create', 'where the id is taken');
    });
    const file = await subject.storage.get(id);
    subject.equal(await file.text(), 'first', 'create', 'leave the content of the file that has the id');
    subject.equal(file.filename, 'first.txt', 'create', 'leave the details of the file that has the id');
  },
};

async function expectType(
  subject: Subject,
  options: { filename?: string; contentType?: string },
  type: string,
) {
  const file = await subject.store('typed', options);
  subject.equal(file.contentType, type, 'create', `make ${type} of ${JSON.stringify(options)}`);
}
