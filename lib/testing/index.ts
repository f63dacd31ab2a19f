/** Helpers for the tests of applications and of storages that others write. */
export { attachmentConformance } from './attachment-conformance.js';
export type {
  AttachmentConformanceOptions,
  AttachmentHarness,
  DocumentFields,
  DocumentOperations,
  DocumentRow,
  DocumentValues,
  HarnessDatabase,
  ProcessOptions,
} from './attachments/harness.js';
export type { OpenStorage, StorageUnderTest } from './conformance/subject.js';
export { type Fault, type FaultPoint, faultyStorage } from './faulty-storage.js';
export {
  type ConformanceCase,
  type StorageConformanceOptions,
  storageConformance,
} from './storage-conformance.js';
