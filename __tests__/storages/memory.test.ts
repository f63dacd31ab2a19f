import { MemoryStorage } from '../../lib/storages/memory.js';
import { runConformance } from '../support/run-conformance.js';

runConformance('MemoryStorage', { openStorage: async () => ({ storage: new MemoryStorage() }) });
