import { afterAll } from '@jest/globals';
import { runConformance } from '../support/run-conformance.js';
import { TestBucket } from '../support/s3.js';
import { describeWith, startS3Server } from '../support/servers/index.js';

await describeWith('S3Storage', [startS3Server], (server) => {
  const bucket = new TestBucket(server);
  afterAll(() => bucket.client.destroy());

  runConformance('S3Storage', {
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
      const storage = bucket.open({ endpoint: 'http://127.0.0.1:9', createBucket: false, maxAttempts: 2 });
      return { storage, cleanup: () => storage.close() };
    },
  });
});
