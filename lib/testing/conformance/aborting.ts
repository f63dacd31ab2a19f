import { endlessStream, LARGE, sampleBytes, stalledStream } from './samples.js';
import { type Cases, collect, type Subject } from './subject.js';

const reason = new Error('changed my mind');

/** Signals: whatever waits gives up, and leaves nothing. */
export const aborting: Cases = {
  'create, stage, replace: do nothing where the signal was aborted before': async (subject) => {
    const signal = AbortSignal.abort(reason);
    const { storage } = subject;
    const file = await subject.store('old');
    await subject.leavesNothing('create', 'of what was aborted', async () => {
      const source = stalledStream();
      await expectReason(subject, storage.create(source, { signal }), 'create');
      subject.ok(source.destroyed, 'create', 'destroy the stream of what was aborted');
      await expectReason(subject, storage.create('x', { signal }), 'create');
      await expectReason(subject, storage.stage('x', { signal }), 'stage');
      await expectReason(subject, storage.replace(file, 'new', { signal }), 'replace');
    });
    subject.equal(await file.text(), 'old', 'replace', 'keep the old content when it is aborted');
  },

  'create: gives up while it waits for a stream that has stalled': async (subject) => {
    await expectAborted(subject, () => stalledStream());
  },

  'create: gives up in the midst of a stream': async (subject) => {
    await expectAborted(subject, () => endlessStream());
  },

  'replace: gives up, and keeps the old content': async (subject) => {
    const file = await subject.store('old');
    const controller = new AbortController();
    const act = subject.storage.replace(file, endlessStream(), { signal: controller.signal });
    setTimeout(() => controller.abort(reason), 20);
    await expectReason(subject, act, 'replace');
    subject.equal(await file.text(), 'old', 'replace', 'keep the old content when it is aborted');
  },

  'create: a signal that is aborted later changes nothing': async (subject) => {
    const controller = new AbortController();
    const file = await subject.store('kept', { signal: controller.signal });
    controller.abort(reason);
    subject.equal(await file.text(), 'kept', 'create', 'keep a file whatever its signal does after it');
  },

  'get, stat, exists, open: give up where the signal was aborted before': async (subject) => {
    const options = { signal: AbortSignal.abort(reason) };
    const { id } = await subject.store('x');
    const { storage } = subject;
    await expectReason(subject, storage.get(id, options), 'get');
    await expectReason(subject, storage.stat(id, options), 'stat');
    await expectReason(subject, storage.exists(id, options), 'exists');
    await expectReason(subject, storage.open(id, options), 'open');
  },

  'get: a stream fails where the signal was aborted before': async (subject) => {
    const file = await subject.store(sampleBytes(1000));
    const stream = file.stream({ signal: AbortSignal.abort(reason) });
    await expectAbortError(subject, collect(stream), 'get().stream');
  },

  'get: a stream fails when the signal is aborted': async (subject) => {
    const file = await subject.store(sampleBytes(LARGE));
    const controller = new AbortController();
    let size = 0;
    const read = async () => {
      for await (const chunk of file.stream({ signal: controller.signal })) {
        size += chunk.byteLength;
        controller.abort(reason);
      }
    };
    const reading = read();
    // Whoever had the whole content in one chunk has nothing left to give up.
    await reading.catch(() => {});
    if (size < LARGE) await expectAbortError(subject, reading, 'get().stream');
  },

  'open: a stream fails when the signal is aborted': async (subject) => {
    const { id } = await subject.store(sampleBytes(1000));
    const opened = await subject.storage.open(id);
    try {
      const stream = opened.stream({ signal: AbortSignal.abort(reason) });
      await expectAbortError(subject, collect(stream), 'open().stream');
    } finally {
      await opened.close();
    }
  },
};

async function expectAborted(subject: Subject, open: () => ReturnType<typeof endlessStream>): Promise<void> {
  await subject.leavesNothing('create', 'of what was aborted', async () => {
    const controller = new AbortController();
    const source = open();
    const act = subject.storage.create(source, { signal: controller.signal });
    setTimeout(() => controller.abort(reason), 20);
    await expectReason(subject, act, 'create');
    subject.ok(source.destroyed, 'create', 'destroy the stream of what was aborted');
  });
}

async function expectReason(subject: Subject, act: Promise<unknown>, method: string): Promise<void> {
  await subject.rejectsWith(act, reason, method, 'as the reason of its signal');
}

/** As Node's own streams do. */
async function expectAbortError(subject: Subject, read: Promise<unknown>, method: string): Promise<void> {
  const error = await read.then(
    () => undefined,
    (failure: Error) => failure,
  );
  subject.equal(error?.name, 'AbortError', method, 'fail with an AbortError when its signal is aborted');
}
