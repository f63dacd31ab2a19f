import { setImmediate } from 'node:timers/promises';
import { sampleBytes, sha256 } from './samples.js';
import { type Cases, collect, type Subject } from './subject.js';

const VERSIONS = 25;

/** Content, name and metadata of one version: whoever sees two versions at once can tell. */
function versionOf(number: number) {
  const content = sampleBytes(150_000 + number * 1009, number);
  return { content, options: { filename: `version-${number}.bin`, metadata: { number } } };
}

/** Many at once: each operation is whole, none sees another's half. */
export const concurrency: Cases = {
  'create: fifty at once': async (subject) => {
    const contents = Array.from({ length: 50 }, (_, index) => sampleBytes(5000 + index * 700, index));
    const ids = await Promise.all(contents.map((content) => subject.storage.create(content)));
    subject.equal(new Set(ids).size, contents.length, 'create', 'give each file its own id');
    for (const [index, id] of ids.entries()) {
      const bytes = await (await subject.storage.get(id)).buffer();
      subject.sameBytes(
        bytes,
        contents[index] ?? bytes,
        'create',
        'keep contents apart that are stored at once',
      );
    }
    const listed = await subject.ids();
    subject.ok(
      ids.every((id) => listed.includes(id)),
      'list',
      'give all files that were stored at once',
    );
  },

  'create: of those who want one id at once, one gets it': async (subject) => {
    const id = subject.can('anyId') ? subject.newId() : await subject.goneId();
    const attempts = Array.from({ length: 10 }, async (_, number) => {
      const { content, options } = versionOf(number);
      const created = subject.storage.create(content, { ...options, id });
      return (await subject.allow(created, ['FILE_EXISTS'], 'create')) === id ? number : undefined;
    });
    const winners = (await Promise.all(attempts)).filter((number) => number !== undefined);
    subject.equal(winners.length, 1, 'create', 'give an id to one of those who want it at once');
    await expectVersion(subject, id, winners);
  },

  'replace: several at once leave one of them, whole': async (subject) => {
    const { id } = await subject.store('old');
    const numbers = Array.from({ length: 10 }, (_, number) => number);
    await Promise.all(numbers.map((number) => replaceBy(subject, id, number, ['CONFLICT'])));
    await expectVersion(subject, id, numbers);
  },

  'replace: readers see all old or all new, and no error': async (subject) => {
    const { id } = await storeVersion(subject);
    let running = true;
    const readers = [1, 2, 3].map(() => readWhile(() => running, subject, id, []));
    const writing = replaceInTurn(subject, id, []).finally(() => {
      running = false;
    });
    await Promise.all([writing, ...readers]);
    await expectVersion(subject, id, [VERSIONS]);
  },

  'replace, read and delete at once: nobody sees a mix or a foreign error': async (subject) => {
    const { id } = await storeVersion(subject);
    let running = true;
    const readers = [1, 2].map(() => readWhile(() => running, subject, id, ['FILE_NOT_FOUND']));
    const writers = [1, 2].map(() => replaceInTurn(subject, id, ['FILE_NOT_FOUND', 'CONFLICT']));
    const deleting = new Promise((resolve) => setTimeout(resolve, 30)).then(() => subject.storage.delete(id));
    await Promise.all([deleting, ...writers]).finally(() => {
      running = false;
    });
    await Promise.all(readers);
    subject.equal(
      await subject.storage.exists(id),
      false,
      'delete',
      'be final: no replacement brings a file back',
    );
  },

  'replace: never brings back a file that is deleted at the same moment': async (subject) => {
    for (let turn = 0; turn < 5; turn++) {
      const { id } = await subject.store('old');
      const staged = await subject.storage.stage('new');
      const replacing = subject.allow(staged.replace(id), ['FILE_NOT_FOUND', 'CONFLICT'], 'stage().replace');
      await Promise.all([replacing, subject.storage.delete(id)]);
      subject.equal(
        await subject.storage.exists(id),
        false,
        'stage().replace',
        'not bring back a deleted file',
      );
    }
  },

  'delete: several at once': async (subject) => {
    const { id } = await subject.store('x');
    const deletions = [1, 2, 3, 4].map(() => subject.allow(subject.storage.delete(id), [], 'delete'));
    await Promise.all(deletions);
    subject.equal(await subject.storage.exists(id), false, 'delete', 'remove the file');
  },
};

async function storeVersion(subject: Subject) {
  const { content, options } = versionOf(0);
  return subject.store(content, options);
}

type Codes = Parameters<Subject['allow']>[1];

async function replaceBy(subject: Subject, id: string, number: number, codes: Codes): Promise<void> {
  const { content, options } = versionOf(number);
  await subject.allow(subject.storage.replace(id, content, options), codes, 'replace');
}

async function replaceInTurn(subject: Subject, id: string, codes: Codes): Promise<void> {
  for (let number = 1; number <= VERSIONS; number++) await replaceBy(subject, id, number, codes);
}

/** Reads again and again while others work: each time after a turn of the event loop, which a storage may never leave. */
async function readWhile(
  isRunning: () => boolean,
  subject: Subject,
  id: string,
  codes: Codes,
): Promise<void> {
  while (isRunning()) {
    await readWhole(subject, id, codes);
    await setImmediate();
  }
}

/** Opens and reads once; what is read must be one version. A backend that cannot hold a file may say `CONFLICT`. */
async function readWhole(subject: Subject, id: string, codes: Codes): Promise<void> {
  const opened = await subject.allow(subject.storage.open(id), codes, 'open');
  if (!opened) return;
  try {
    const read = collect<Buffer>(opened.stream());
    const chunks = await subject.allow(read, ['CONFLICT', ...codes], 'open().stream');
    if (chunks) expectOneVersion(subject, opened.file, Buffer.concat(chunks));
  } finally {
    await opened.close();
  }
}

async function expectVersion(subject: Subject, id: string, numbers: readonly number[]): Promise<void> {
  const file = await subject.storage.get(id);
  subject.ok(numbers.includes(Number(file.metadata.number)), 'replace', 'leave one of the new versions');
  expectOneVersion(subject, file, await file.buffer());
}

function expectOneVersion(
  subject: Subject,
  file: {
    sha256?: string | undefined;
    size: number;
    filename: string;
    metadata: { readonly [key: string]: unknown };
  },
  bytes: Buffer,
): void {
  subject.equal(sha256(bytes), file.sha256, 'open', 'give details and content of the same moment');
  subject.equal(bytes.byteLength, file.size, 'open', 'give the size of the content');
  subject.equal(file.filename, `version-${file.metadata.number}.bin`, 'open', 'give details of one moment');
}
