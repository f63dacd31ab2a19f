import { describe, test } from '@jest/globals';
import { type StorageConformanceOptions, storageConformance } from '../../lib/testing/index.js';

/** Registers the conformance suite for a storage: the body of the test of every backend. */
export function runConformance(storageName: string, options: StorageConformanceOptions): void {
  describe(`${storageName} conforms`, () => {
    for (const { name, skip, run } of storageConformance(options)) {
      if (skip === undefined) test(name, run);
      else test.skip(`${name} (${skip})`, run);
    }
  });
}
