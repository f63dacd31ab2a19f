import { Readable } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { TestGcsBucket } from '../support/gcs.js';
import { runConformance } from '../support/run-conformance.js';
import { describeWith, startGcsServer } from '../support/servers/index.js';
import { StrictGcs } from '../support/strict-gcs.js';

await describeWith('GCSStorage', [startGcsServer], (server) => {
  const bucket = new TestGcsBucket(server);
  let strict: StrictGcs;
  beforeAll(async () => {
    strict = await StrictGcs.start(server.endpoint);
  });
  afterAll(() => strict.stop());

  runConformance('GCSStorage', {
    openStorage: async () => {
      const options = bucket.options();
      const storage = bucket.open(options);
      return {
        storage,
        leftovers: () => bucket.leftovers(options.prefix ?? ''),
        cleanup: () => storage.close(),
      };
    },
    openUnavailable: async () => {
      const storage = bucket.open({
        apiEndpoint: 'http://127.0.0.1:9',
        createBucket: false,
        maxAttempts: 2,
      });
      return { storage, cleanup: () => storage.close() };
    },
  });

  runConformance('GCSStorage, in small pieces', {
    openStorage: async () => {
      const options = bucket.options({ apiEndpoint: strict.url, chunkSize: 256 * 1024 });
      const storage = bucket.open(options);
      return {
        storage,
        leftovers: async () => [
          ...(await bucket.leftovers(options.prefix ?? '')),
          ...unfinished(strict, options.prefix ?? ''),
        ],
        cleanup: () => storage.close(),
      };
    },
  });

  test('an upload that is given up while it begins is cancelled', async () => {
    const controller = new AbortController();
    strict.onBegun = async () => {
      controller.abort(new Error('enough'));
      await sleep(20);
    };
    const options = bucket.options({ apiEndpoint: strict.url, chunkSize: 256 * 1024 });
    const storage = bucket.open(options);
    const content = Readable.from(Array.from({ length: 64 }, () => Buffer.alloc(64 * 1024)));
    await expect(storage.create(content, { signal: controller.signal })).rejects.toThrow('enough');
    expect(unfinished(strict, options.prefix ?? '')).toEqual([]);
    strict.onBegun = async () => {};
    await storage.close();
  });
});

/** Uploads that the server still waits for. */
function unfinished({ sessions }: StrictGcs, prefix: string): string[] {
  const waiting = [...sessions.values()].filter(({ done }) => !done);
  return waiting.map(({ resource }) => JSON.parse(resource).name).filter((name) => name.startsWith(prefix));
}
