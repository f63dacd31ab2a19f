import { randomUUID } from 'node:crypto';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import type { ReadableStream as WebReadableStream } from 'node:stream/web';
import type { Content } from '../../contract/content.js';
import { failingStream, sampleBytes, stalledStream } from './samples.js';
import type { Cases, Subject } from './subject.js';

const failure = new Error('the source broke');

/** Content that fails while it is read: its error comes through, and nothing stays. */
export const failing: Cases = {
  'create, replace: fail as a stream does that breaks in the middle': async (subject) => {
    await expectFailure(subject, () => failingStream(failure));
    await expectFailure(subject, () => failingStream(failure, Buffer.alloc(0)));
    await expectFailure(subject, () => failingStream(failure, sampleBytes(1_500_000)));
  },

  'create, replace: fail as an async iterable does': async (subject) => {
    await expectFailure(subject, () => brokenIterable());
  },

  'create, replace: fail as a web ReadableStream does': async (subject) => {
    await expectFailure(subject, () => brokenWebStream());
  },

  'create: fails as a stream does that broke before': async (subject) => {
    const stream = new Readable({ read() {} }).on('error', () => {});
    stream.destroy(failure);
    await new Promise((resolve) => stream.once('close', resolve));
    await subject.rejectsWith(subject.storage.create(stream), failure, 'create', 'by the stream, earlier');
  },

  'create: fails for a stream that is closed before its end': async (subject) => {
    await subject.leavesNothing('create', 'of a stream that is closed early', async () => {
      const stream = stalledStream();
      const act = subject.storage.create(stream);
      setImmediate(() => stream.destroy());
      await subject.rejects(act, 'UPLOAD_ABORTED', 'create', 'for a stream that is closed before its end');
      const closed = stalledStream().destroy();
      await subject.rejects(
        subject.storage.create(closed),
        'UPLOAD_ABORTED',
        'create',
        'for a closed stream',
      );
    });
  },

  'create: fails for a stream that was read before': async (subject) => {
    const stream = Readable.from(['read']);
    await stream.toArray();
    await subject.leavesNothing('create', 'of a stream that was read before', async () => {
      await subject.rejects(
        subject.storage.create(stream),
        'INVALID_CONTENT',
        'create',
        'for a stream without content',
      );
    });
  },

  'create: fails for a missing path, and tells what the file system says': async (subject) => {
    const path = join(tmpdir(), `filedepot-missing-${randomUUID()}`);
    await subject.leavesNothing('create', 'of a missing path', async () => {
      const error = await subject.storage.create({ path }).catch((reason) => reason);
      subject.equal(error?.code, 'INVALID_CONTENT', 'create', 'fail with INVALID_CONTENT for a missing path');
      subject.equal(error.cause?.code, 'ENOENT', 'create', 'give as the cause what the file system says');
    });
  },

  'create: fails as the storage does where a stored file comes from': async (subject) => {
    const file = await subject.store('soon gone');
    await subject.storage.delete(file);
    await subject.leavesNothing('create', 'of a stored file that is gone', async () => {
      await subject.rejects(
        subject.storage.create(file),
        'FILE_NOT_FOUND',
        'create',
        'for a stored file that is gone',
      );
    });
  },

  'create, replace: close a stream that they do not read': async (subject) => {
    const { storage } = subject;
    const acts: Record<string, (stream: Readable) => Promise<unknown>> = {
      'for an invalid id': (stream) => storage.create(stream, { id: '../x' }),
      'for invalid metadata': (stream) => storage.create(stream, { metadata: [] as never }),
      'for a missing file': async (stream) => storage.replace(await subject.goneId(), stream),
    };
    for (const [when, act] of Object.entries(acts)) {
      const stream = stalledStream();
      await act(stream).catch(() => {});
      subject.ok(stream.destroyed, 'create', `close the stream that it was given when it fails ${when}`);
    }
  },

  'create: works after a failure': async (subject) => {
    await subject.storage.create(failingStream(failure)).catch(() => {});
    const content = sampleBytes(100_000);
    const file = await subject.store(content);
    subject.sameBytes(
      await file.buffer(),
      content,
      'create',
      'store the next file as if nothing had happened',
    );
  },
};

async function expectFailure(subject: Subject, open: () => Content): Promise<void> {
  const file = await subject.store('old', { filename: 'old.txt' });
  await subject.leavesNothing('create', 'of a source that fails', async () => {
    await subject.rejectsWith(subject.storage.create(open()), failure, 'create', 'by the source');
    await subject.rejectsWith(subject.storage.replace(file, open()), failure, 'replace', 'by the source');
    await subject.rejectsWith(subject.storage.stage(open()), failure, 'stage', 'by the source');
  });
  subject.equal(await file.text(), 'old', 'replace', 'keep the old content when it fails');
}

async function* brokenIterable(): AsyncGenerator<Uint8Array> {
  yield sampleBytes(100_000);
  throw failure;
}

function brokenWebStream(): WebReadableStream {
  let pulls = 0;
  return new ReadableStream({
    pull(controller) {
      if (pulls++ < 3) controller.enqueue(sampleBytes(10_000));
      else controller.error(failure);
    },
  }) as WebReadableStream;
}
