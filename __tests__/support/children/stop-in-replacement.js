// Begins to replace a file, in a worker, and stops for good when it has the lock.
import fs from 'node:fs';
import { syncBuiltinESMExports } from 'node:module';
import { parentPort, workerData } from 'node:worker_threads';

const { rename } = fs;
fs.rename = (from, to, callback) => {
  if (to.endsWith('/details.json')) parentPort.postMessage('locked');
  else rename(from, to, callback);
};
syncBuiltinESMExports();
parentPort.on('message', () => {});

const { LocalStorage } = await import('filedepot');
const { storagePath, id } = workerData;
await new LocalStorage({ storagePath }).replace(id, 'by a worker');
