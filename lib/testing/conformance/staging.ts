import { setTimeout as sleep } from 'node:timers/promises';
import type { WrittenDetails } from '../../contract/staged-file.js';
import { DepotError } from '../../errors.js';
import { LARGE, PNG_HEAD, sampleBytes, sha256 } from './samples.js';
import type { Cases, Subject } from './subject.js';

/** Milliseconds in which a file would come that comes too early. */
const PATIENCE = 50;

/** Content in two phases: `stage`, then `commit`, `replace` or `discard`. */
export const staging: Cases = {
  'stage: tells size, digest and type': async (subject) => {
    const content = Buffer.concat([PNG_HEAD, sampleBytes(50_000)]);
    const staged = await subject.storage.stage(content);
    subject.equal(staged.size, content.byteLength, 'stage', 'tell the size');
    subject.equal(staged.sha256, sha256(content), 'stage', 'tell the digest');
    subject.equal(staged.detectedType, 'image/png', 'stage', 'tell the type that the content shows');
    await staged.discard();
  },

  'stage: tells no type of text and of nothing': async (subject) => {
    for (const content of ['plain text', '']) {
      const staged = await subject.storage.stage(content);
      subject.equal(staged.detectedType, undefined, 'stage', 'tell no type where the content shows none');
      await staged.discard();
    }
  },

  'stage: does not keep the buffers that it was given': async (subject) => {
    const content = sampleBytes(1000);
    const given = Buffer.from(content);
    const staged = await subject.storage.stage(given);
    given.fill(0);
    const file = await subject.storage.get(await staged.commit());
    subject.sameBytes(await file.buffer(), content, 'stage', 'not share memory with its caller');
  },

  'stage: makes nothing that readers see': async (subject) => {
    await subject.leavesNothing('stage', 'before commit', async () => {
      const before = await subject.ids();
      const staged = await subject.storage.stage(sampleBytes(100_000));
      subject.equal(await subject.ids(), before, 'stage', 'keep what is staged out of list()');
      await staged.discard();
    });
  },

  'stage: an id is free until commit, and exists after it': async (subject) => {
    const id = subject.can('anyId') ? subject.newId() : await subject.goneId();
    const staged = await subject.storage.stage('staged');
    subject.equal(await subject.storage.exists(id), false, 'stage', 'not make a file before commit');
    await subject.rejects(subject.storage.get(id), 'FILE_NOT_FOUND', 'get', 'before commit');
    subject.equal(await staged.commit({ id }), id, 'stage().commit', 'resolve to the id');
    subject.equal(await subject.storage.exists(id), true, 'stage().commit', 'make a file');
  },

  'commit: keeps what is said only then': async (subject) => {
    const staged = await subject.storage.stage('late');
    const id = await staged.commit({
      filename: 'late.txt',
      contentType: 'text/x-late',
      metadata: { late: true },
    });
    const file = await subject.storage.get(id);
    subject.equal(file.filename, 'late.txt', 'stage().commit', 'keep the filename');
    subject.equal(file.contentType, 'text/x-late', 'stage().commit', 'keep the content type');
    subject.equal(file.metadata, { late: true }, 'stage().commit', 'keep the metadata');
    subject.equal(await file.text(), 'late', 'stage().commit', 'keep the content');
  },

  'commit: keeps the name and type that the content brought': async (subject) => {
    const staged = await subject.storage.stage(new File(['x'], 'web.gif', { type: 'image/gif' }));
    const file = await subject.storage.get(await staged.commit());
    subject.equal(file.filename, 'web.gif', 'stage().commit', 'keep the name of the content');
    subject.equal(file.contentType, 'image/gif', 'stage().commit', 'keep the type of the content');
  },

  'commit: fails the second time, and the file stays': async (subject) => {
    const staged = await subject.storage.stage('once');
    const id = await staged.commit();
    await subject.rejects(staged.commit(), 'CONFLICT', 'stage().commit', 'after commit');
    await subject.rejects(staged.replace(id), 'CONFLICT', 'stage().replace', 'after commit');
    await staged.discard();
    await expectText(subject, id, 'once');
  },

  'discard: removes what was staged, and may be repeated': async (subject) => {
    const { id } = await subject.store('other');
    await subject.leavesNothing('stage().discard', 'at all', async () => {
      const staged = await subject.storage.stage(sampleBytes(100_000));
      await staged.discard();
      await staged.discard();
      await subject.rejects(staged.commit(), 'CONFLICT', 'stage().commit', 'after discard');
      await subject.rejects(staged.replace(id), 'CONFLICT', 'stage().replace', 'after discard');
    });
    await expectText(subject, id, 'other');
  },

  'commit: a failure discards what was staged': async (subject) => {
    const id = subject.can('anyId') ? subject.newId() : await subject.goneId();
    await subject.storage.create('first', { id });
    await subject.leavesNothing('stage().commit', 'when it fails', async () => {
      const taken = await subject.storage.stage('second');
      await subject.rejects(taken.commit({ id }), 'FILE_EXISTS', 'stage().commit', 'where the id is taken');
      await subject.rejects(taken.commit(), 'CONFLICT', 'stage().commit', 'after it failed');
      const invalid = await subject.storage.stage('third');
      await subject.rejects(invalid.commit({ id: '../x' }), 'INVALID_FILE_ID', 'stage().commit', 'for no id');
    });
    await expectText(subject, id, 'first');
  },

  'commit: shows nothing before what it has to wait for': async (subject) => {
    const id = subject.can('anyId') ? subject.newId() : await subject.goneId();
    const staged = await subject.storage.stage('late');
    let allow = () => {};
    const allowed = new Promise<void>((resolve) => {
      allow = resolve;
    });
    const committing = staged.commit({ id }, allowed);
    await sleep(PATIENCE);
    subject.equal(await subject.storage.exists(id), false, 'stage().commit', 'show no file before it may');
    allow();
    subject.equal(await committing, id, 'stage().commit', 'go on when it may');
    await expectText(subject, id, 'late');
  },

  'commit: a failure of what it has to wait for discards what was staged': async (subject) => {
    await subject.leavesNothing('stage().commit', 'when it may not', async () => {
      const staged = await subject.storage.stage(sampleBytes(100_000));
      const refused = Promise.reject(new DepotError('ATTACHMENT_CONFLICT'));
      const committing = staged.commit({}, refused);
      await subject.rejects(committing, 'ATTACHMENT_CONFLICT', 'stage().commit', 'when it may not');
      await subject.rejects(staged.commit(), 'CONFLICT', 'stage().commit', 'after it failed');
    });
  },

  'replace by staged content: gives an existing file new content': async (subject) => {
    const old = await subject.store('old', { filename: 'old.txt', metadata: { old: true } });
    const staged = await subject.storage.stage('new');
    await expectText(subject, old.id, 'old');
    subject.equal(await staged.replace(old), old.id, 'stage().replace', 'resolve to the id');
    const file = await subject.storage.get(old.id);
    subject.equal(await file.text(), 'new', 'stage().replace', 'give the file the new content');
    subject.equal(file.filename, 'old.txt', 'stage().replace', 'keep the filename');
    subject.equal(file.metadata, { old: true }, 'stage().replace', 'keep the metadata');
  },

  'replace by staged content: a failure discards what was staged': async (subject) => {
    const id = await subject.goneId();
    await subject.leavesNothing('stage().replace', 'when it fails', async () => {
      const staged = await subject.storage.stage('new');
      await subject.rejects(staged.replace(id), 'FILE_NOT_FOUND', 'stage().replace', 'for a missing file');
      await subject.rejects(staged.commit(), 'CONFLICT', 'stage().commit', 'after replace failed');
      const invalid = await subject.storage.stage('new');
      await subject.rejects(invalid.replace('../x'), 'INVALID_FILE_ID', 'stage().replace', 'for no id');
    });
  },

  'stage: takes what will be said before the content has come': async (subject) => {
    const options = { filename: 'early.css', contentType: 'text/x-early', metadata: { early: true } };
    const content = sampleBytes(LARGE);
    const asked: string[] = [];
    const staged = await subject.storage.stage(content, {
      checkType: () => void asked.push('checkType'),
      expected: () => {
        asked.push('expected');
        return options;
      },
    });
    subject.equal(asked[0], 'checkType', 'stage', 'ask for what is expected when the type was checked');
    const file = await subject.storage.get(await staged.commit(options));
    subject.sameBytes(await file.buffer(), content, 'stage().commit', 'keep the content');
    const { filename, contentType, metadata } = file;
    subject.equal({ filename, contentType, metadata }, options, 'stage().commit', 'keep what was expected');
  },

  'commit: what is said goes before what was expected, or fails with CONFLICT': async (subject) => {
    const staged = await subject.storage.stage(sampleBytes(LARGE), {
      expected: { filename: 'expected.css' },
    });
    const id = await subject.allow(staged.commit({ filename: 'said.gif' }), ['CONFLICT'], 'stage().commit');
    if (id === undefined) return;
    const file = await subject.storage.get(id);
    subject.equal(file.filename, 'said.gif', 'stage().commit', 'keep the name that was said last');
    subject.equal(file.contentType, 'image/gif', 'stage().commit', 'keep the type of that name');
  },

  'replace by staged content: takes what will be said before the content has come': async (subject) => {
    const old = await subject.store('old', { filename: 'old.css', metadata: { old: true } });
    const content = sampleBytes(LARGE);
    const options = { metadata: { fresh: true } };
    const staged = await subject.storage.stage(content, { expected: options, replaces: old });
    await staged.replace(old, options);
    const file = await subject.storage.get(old.id);
    subject.sameBytes(await file.buffer(), content, 'stage().replace', 'give the file the new content');
    subject.equal(
      [file.filename, file.metadata],
      ['old.css', options.metadata],
      'stage().replace',
      'keep the rest',
    );
  },

  'commit, replace: tell the details of the file': async (subject) => {
    const staged = await subject.storage.stage('first');
    subject.equal(staged.details, undefined, 'stage().details', 'be nothing before commit');
    const id = await staged.commit({ filename: 'told.css', metadata: { told: true } });
    await expectTold(subject, id, staged.details, 'commit');
    const second = await subject.storage.stage('second');
    await second.replace(id, { filename: 'told.gif' });
    await expectTold(subject, id, second.details, 'replace');
  },

  'stage: several at once do not disturb each other': async (subject) => {
    const contents = [1, 2, 3, 4].map((seed) => sampleBytes(200_000 + seed, seed));
    const staged = await Promise.all(contents.map((content) => subject.storage.stage(content)));
    await staged[1]?.discard();
    const ids = await Promise.all([staged[3], staged[0], staged[2]].map((each) => each?.commit()));
    const kept = [contents[3], contents[0], contents[2]];
    for (const [index, id] of ids.entries()) {
      const file = await subject.storage.get(id ?? '');
      const content = kept[index] ?? Buffer.alloc(0);
      subject.sameBytes(
        await file.buffer(),
        content,
        'stage().commit',
        'keep the content that was staged with it',
      );
    }
  },
};

async function expectTold(
  subject: Subject,
  id: string,
  told: WrittenDetails | undefined,
  method: string,
): Promise<void> {
  const { filename, contentType, size, sha256, lastModified, metadata } = await subject.storage.stat(id);
  const kept = { id, filename, contentType, size, sha256, lastModified, metadata };
  subject.equal(told, kept, `stage().${method}`, 'tell in `details` what the file is');
}

async function expectText(subject: Subject, id: string, text: string): Promise<void> {
  const file = await subject.storage.get(id);
  subject.equal(await file.text(), text, 'stage', `leave ${JSON.stringify(text)} in the file`);
}
