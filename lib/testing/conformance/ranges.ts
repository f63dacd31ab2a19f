import type { ByteRange, StoredFile } from '../../contract/stored-file.js';
import { LARGE, sampleBytes } from './samples.js';
import { type Cases, collect, type Subject } from './subject.js';

const SIZE = 1000;

const RANGES: readonly ByteRange[] = [
  {},
  { start: 0 },
  { end: SIZE - 1 },
  { start: 0, end: 0 },
  { start: 0, end: 9 },
  { start: 1, end: 1 },
  { start: 10, end: 19 },
  { end: 9 },
  { start: SIZE - 10 },
  { start: SIZE - 1 },
  { start: SIZE - 1, end: SIZE - 1 },
  { start: SIZE - 10, end: SIZE + 10 },
  { start: 0, end: SIZE },
  { start: 0, end: Number.MAX_SAFE_INTEGER },
];

const EMPTY_RANGES: readonly ByteRange[] = [{ start: SIZE }, { start: SIZE + 5, end: SIZE + 9 }];

const LARGE_RANGES: readonly ByteRange[] = [
  { start: 65_535, end: 65_536 },
  { start: 262_143, end: 524_289 },
  { start: 1_000_003, end: 2_000_005 },
  { start: LARGE - 300_000 },
];

/** `Range` headers (RFC 9110 section 14.2), as clients may send them. */
const HINTS = [
  'bytes=0-9',
  'bytes=10-',
  'bytes=-5',
  'bytes=-0',
  'bytes=5000-',
  'bytes=9-0',
  'bytes=0-1,5-6',
  'none',
];

const INVALID_RANGES: readonly ByteRange[] = [
  { start: -1 },
  { end: -1 },
  { start: 1.5 },
  { end: 2.5 },
  { start: Number.NaN },
  { end: Number.POSITIVE_INFINITY },
  { start: Number.MAX_SAFE_INTEGER + 1 },
  { start: '5' as unknown as number },
  { start: 5, end: 4 },
];

/** Parts of a file, the first and the last byte included. */
export const ranges: Cases = {
  'get: streams the part that is asked for': async (subject) => {
    const content = sampleBytes(SIZE);
    const file = await subject.store(content);
    for (const range of RANGES) await expectPart(subject, file, content, range);
  },

  'get: a part that begins past the end is empty': async (subject) => {
    const file = await subject.store(sampleBytes(SIZE));
    for (const range of EMPTY_RANGES) {
      const chunks = await collect<Buffer>(file.stream(range));
      subject.equal(
        Buffer.concat(chunks).byteLength,
        0,
        'get().stream',
        `give nothing for ${JSON.stringify(range)}`,
      );
    }
  },

  'get: streams parts of large files': async (subject) => {
    const content = sampleBytes(LARGE);
    const file = await subject.store(content);
    for (const range of LARGE_RANGES) await expectPart(subject, file, content, range);
  },

  'get: refuses what is no part': async (subject) => {
    const file = await subject.store(sampleBytes(SIZE));
    for (const range of INVALID_RANGES) {
      const act = async () => file.stream(range);
      await subject.rejects(act(), 'INVALID_OPTION', 'get().stream', `for ${range.start}-${range.end}`);
    }
  },

  'open: the hint of a range changes nothing of what can be read': async (subject) => {
    const content = sampleBytes(SIZE);
    const { id } = await subject.store(content);
    for (const range of HINTS) await expectHinted(subject, id, range, content);
    const empty = await subject.store('');
    await expectHinted(subject, empty.id, 'bytes=0-', Buffer.alloc(0));
  },

  'open: streams the part that is asked for': async (subject) => {
    const content = sampleBytes(LARGE);
    const { id } = await subject.store(content);
    const opened = await subject.storage.open(id);
    try {
      for (const { start = 0, end = LARGE - 1 } of [...RANGES, ...LARGE_RANGES]) {
        const bytes = Buffer.concat(await collect<Buffer>(opened.stream({ start, end })));
        subject.sameBytes(
          bytes,
          content.subarray(start, end + 1),
          'open().stream',
          `give the bytes ${start}-${end}`,
        );
      }
    } finally {
      await opened.close();
    }
  },
};

async function expectHinted(subject: Subject, id: string, range: string, content: Buffer): Promise<void> {
  const opened = await subject.storage.open(id, { range });
  try {
    const bytes = Buffer.concat(await collect<Buffer>(opened.stream()));
    subject.sameBytes(
      bytes,
      content,
      'open().stream',
      `give the whole content whatever the hint, here ${range}`,
    );
    const part = Buffer.concat(await collect<Buffer>(opened.stream({ start: 5, end: 104 })));
    subject.sameBytes(part, content.subarray(5, 105), 'open().stream', `give any part, here after ${range}`);
  } finally {
    await opened.close();
  }
}

async function expectPart(
  subject: Subject,
  file: StoredFile,
  content: Buffer,
  range: ByteRange,
): Promise<void> {
  const { start = 0, end = content.byteLength - 1 } = range;
  const bytes = Buffer.concat(await collect<Buffer>(file.stream(range)));
  subject.sameBytes(
    bytes,
    content.subarray(start, end + 1),
    'get().stream',
    `give the part ${JSON.stringify(range)}`,
  );
}
