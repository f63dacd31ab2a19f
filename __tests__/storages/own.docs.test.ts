import type { FileStorage } from '../../lib/contract/storage.js';
import { runBlockWith } from '../support/code-module.js';
import { runConformance } from '../support/run-conformance.js';

const { MapStorage } = await runBlockWith<{ MapStorage: new () => FileStorage }>(
  'docs/storages.md',
  'extends FileStorage',
);

runConformance('The storage of the documentation', {
  openStorage: async () => ({ storage: new MapStorage() }),
});
