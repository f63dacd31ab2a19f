import { readFile } from 'node:fs/promises';
import { sampleBytes } from './samples.js';
import type { Cases, Subject } from './subject.js';

/** What a storage can do beyond the contract; and what it must say if it cannot. */
export const capabilities: Cases = {
  'check: passes where the storage can be used': async (subject) => {
    subject.equal(await subject.storage.check(), undefined, 'check', 'pass');
  },

  'url: gives a URL that clients can fetch, or nothing': async (subject) => {
    const file = await subject.store(sampleBytes(1000), { filename: 'žluť "1".bin' });
    if (subject.can('url')) return expectFetched(subject, file.id);
    subject.equal(
      await subject.storage.url(file),
      undefined,
      'url',
      'give nothing without the capability url',
    );
    subject.equal(file.publicUrl, undefined, 'get', 'give no publicUrl without the capability url');
  },

  'open: gives the path of the content, or nothing': async (subject) => {
    const content = sampleBytes(1000);
    const opened = await subject.storage.open(await subject.storage.create(content));
    try {
      if (subject.can('localPath')) {
        const bytes = await readFile(opened.localPath ?? '');
        subject.sameBytes(bytes, content, 'open', 'give a localPath where the content lies');
      } else {
        subject.equal(opened.localPath, undefined, 'open', 'give no localPath without that capability');
      }
    } finally {
      await opened.close();
    }
  },

  'create: takes an id of the form that the storage gave': async (subject) => {
    const id = await subject.goneId();
    subject.equal(await subject.storage.create('again', { id }), id, 'create', 'take an id of its own form');
    subject.equal(
      await (await subject.storage.get(id)).text(),
      'again',
      'create',
      'keep the file under that id',
    );
  },
};

async function expectFetched(subject: Subject, id: string): Promise<void> {
  const content = await (await subject.storage.get(id)).buffer();
  for (const disposition of ['inline', 'attachment'] as const) {
    const url = await subject.storage.url(id, { expiresIn: 60, disposition });
    subject.ok(URL.canParse(url ?? ''), 'url', 'give an absolute URL with the capability url');
    const response = await fetch(url ?? '');
    subject.equal(response.status, 200, 'url', 'give a URL that can be fetched');
    subject.sameBytes(
      Buffer.from(await response.arrayBuffer()),
      content,
      'url',
      'give the URL of the content',
    );
  }
}
