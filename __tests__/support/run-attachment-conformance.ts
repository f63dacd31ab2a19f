import { describe, test } from '@jest/globals';
import { MemoryStorage } from '../../lib/storages/memory.js';
import { type AttachmentConformanceOptions, attachmentConformance } from '../../lib/testing/index.js';

/** Registers the conformance suite for an adapter: the body of the test of every ORM. */
export function runAttachmentConformance(
  name: string,
  options: Omit<AttachmentConformanceOptions, 'openStorage'>,
): void {
  const openStorage = () => new MemoryStorage();
  describe(`${name}: attachments`, () => {
    for (const { name, skip, run } of attachmentConformance({ openStorage, ...options })) {
      if (skip === undefined) test(name, run);
      else test.skip(`${name} (${skip})`, run);
    }
  });
}
