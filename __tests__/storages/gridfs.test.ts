import { GridFSStorage } from '../../lib/storages/gridfs.js';
import { openGridFS, startMongoDatabase } from '../support/gridfs.js';
import { runConformance } from '../support/run-conformance.js';
import { describeWith } from '../support/servers/index.js';

/** A port of services that nobody runs any more. */
const NOBODY = 'mongodb://127.0.0.1:9/files?serverSelectionTimeoutMS=300';

for (const replicaSet of [true, false]) {
  const server = replicaSet ? 'a replica set' : 'a single server';
  await describeWith(`MongoDB, ${server}`, [() => startMongoDatabase({ replicaSet })], ({ db }) => {
    runConformance(`GridFSStorage on ${server}`, {
      openStorage: async () => openGridFS(db),
      openUnavailable: async () => {
        const storage = new GridFSStorage({ uri: NOBODY });
        return { storage, cleanup: () => storage.close() };
      },
    });
  });
}
