import { sampleBytes } from './samples.js';
import type { Cases } from './subject.js';

const TOO_MUCH = 1024 * 1024;

/** What storages say whose backend does not do its work. */
export const troubled: { readonly unavailable: Cases; readonly full: Cases } = {
  unavailable: {
    'check: fails where the storage cannot be reached': async (subject) => {
      await subject.rejects(
        subject.storage.check(),
        'STORAGE_UNAVAILABLE',
        'check',
        'where it cannot be reached',
      );
    },

    'create, stage: fail where the storage cannot be reached': async (subject) => {
      const { storage } = subject;
      const when = 'where it cannot be reached';
      await subject.rejects(storage.create('x'), 'STORAGE_UNAVAILABLE', 'create', when);
      await subject.rejects(storage.stage(sampleBytes(TOO_MUCH)), 'STORAGE_UNAVAILABLE', 'stage', when);
    },
  },

  full: {
    'create: fails where there is no room, and leaves nothing': async (subject) => {
      await subject.leavesNothing('create', 'where there is no room', async () => {
        const act = subject.storage.create(sampleBytes(TOO_MUCH));
        await subject.rejects(act, 'STORAGE_FULL', 'create', 'where there is no room');
      });
      const file = await subject.store('small');
      const act = subject.storage.replace(file, sampleBytes(TOO_MUCH));
      await subject.rejects(act, 'STORAGE_FULL', 'replace', 'where there is no room');
      subject.equal(
        await file.text(),
        'small',
        'replace',
        'keep the old content where there is no room for the new',
      );
      await subject.storage.delete(file);
    },
  },
};
