import { LARGE, sampleBytes, sha256 } from './samples.js';
import { type Cases, collect } from './subject.js';

/** `replace`: new content under the old id. */
export const replacing: Cases = {
  'replace: gives a file new content under the same id': async (subject) => {
    const old = await subject.store(sampleBytes(5000, 1));
    const content = sampleBytes(300_001, 2);
    subject.equal(await subject.storage.replace(old.id, content), old.id, 'replace', 'resolve to the id');
    const file = await subject.storage.get(old.id);
    subject.sameBytes(await file.buffer(), content, 'replace', 'give the file the new content');
    subject.equal(file.size, content.byteLength, 'replace', 'tell the new size');
    subject.equal(file.sha256, sha256(content), 'replace', 'tell the new digest');
  },

  'replace: by shorter content and by none': async (subject) => {
    const { id } = await subject.store(sampleBytes(300_001));
    for (const content of [sampleBytes(10), Buffer.alloc(0), sampleBytes(20)]) {
      await subject.storage.replace(id, content);
      const file = await subject.storage.get(id);
      subject.sameBytes(await file.buffer(), content, 'replace', 'leave nothing of longer content');
      subject.equal(file.size, content.byteLength, 'replace', 'tell the new size');
    }
  },

  'replace: keeps name, type and metadata where none are given': async (subject) => {
    const options = { filename: 'old.css', contentType: 'text/x-old', metadata: { old: true } };
    const old = await subject.store('old', options);
    await subject.storage.replace(old, 'new');
    const file = await subject.storage.get(old.id);
    subject.equal(file.filename, options.filename, 'replace', 'keep the filename');
    subject.equal(file.contentType, options.contentType, 'replace', 'keep the content type');
    subject.equal(file.metadata, options.metadata, 'replace', 'keep the metadata');
  },

  'replace: takes a new name, type and metadata': async (subject) => {
    const { id } = await subject.store('old', { filename: 'old.css', metadata: { old: true } });
    const options = { filename: 'new.html', contentType: 'text/x-new', metadata: { fresh: true } };
    await subject.storage.replace(id, 'new', options);
    const file = await subject.storage.get(id);
    subject.equal(file.filename, options.filename, 'replace', 'take the filename');
    subject.equal(file.contentType, options.contentType, 'replace', 'take the content type');
    subject.equal(file.metadata, options.metadata, 'replace', 'take the metadata in place of the old');
  },

  'replace: a new name brings its type': async (subject) => {
    const { id } = await subject.store('old', { filename: 'old.css' });
    await subject.storage.replace(id, 'new', { filename: 'new.gif' });
    subject.equal(
      (await subject.storage.stat(id)).contentType,
      'image/gif',
      'replace',
      'type a file by its new name',
    );
    await subject.storage.replace(id, new File(['web'], 'web.png'));
    const file = await subject.storage.get(id);
    subject.equal(file.filename, 'web.png', 'replace', 'take the name that the content brings');
    subject.equal(file.contentType, 'image/png', 'replace', 'take the type of that name');
  },

  'replace: changes the entity tag with the content': async (subject) => {
    const old = await subject.store('old!');
    await subject.storage.replace(old, 'new!');
    const file = await subject.storage.get(old.id);
    subject.ok(file.etag !== old.etag, 'replace', 'change the etag, also for content of the same size');
    subject.ok(file.lastModified >= old.lastModified, 'replace', 'not set lastModified back');
  },

  'replace: leaves other files and the list alone': async (subject) => {
    const [file, other] = [await subject.store('file'), await subject.store('other')];
    await subject.leavesNothing('replace', 'besides the one that was there', async () => {
      await subject.storage.replace(file, 'new');
    });
    subject.equal(await other.text(), 'other', 'replace', 'leave other files alone');
  },

  'replace: by its own content': async (subject) => {
    const content = sampleBytes(LARGE);
    const file = await subject.store(content, { filename: 'self.bin' });
    await subject.storage.replace(file, file);
    const after = await subject.storage.get(file.id);
    subject.sameBytes(await after.buffer(), content, 'replace', 'take the content of the file itself');
    subject.equal(after.filename, 'self.bin', 'replace', 'keep the name');
  },

  'replace: a reader in the middle gets the old content, or an error': async (subject) => {
    const [content, other] = [sampleBytes(LARGE, 1), sampleBytes(LARGE, 2)];
    const file = await subject.store(content);
    const read = async () => {
      const chunks: Buffer[] = [];
      for await (const chunk of file) {
        if (chunks.length === 0) await subject.storage.replace(file.id, other);
        chunks.push(chunk);
      }
      return Buffer.concat(chunks);
    };
    const bytes = await subject.allow(read(), ['CONFLICT'], 'get().stream');
    if (bytes)
      subject.sameBytes(bytes, content, 'get().stream', 'give all old content to a reader in the middle');
  },

  'replace: a stale file gives the old content whole, or CONFLICT': async (subject) => {
    const content = sampleBytes(200_003, 1);
    const stale = await subject.store(content);
    await subject.storage.replace(stale.id, sampleBytes(200_003, 2));
    const bytes = await subject.allow(stale.buffer(), ['CONFLICT'], 'get().stream');
    if (bytes)
      subject.sameBytes(bytes, content, 'get().stream', 'give old content for a file that was replaced');
    const part = collect<Buffer>(stale.stream({ start: 10, end: 19 }));
    const chunks = await subject.allow(part, ['CONFLICT'], 'get().stream');
    if (chunks)
      subject.sameBytes(Buffer.concat(chunks), content.subarray(10, 20), 'get().stream', 'give old parts');
  },
};
