export { type ErrorHandler, errorHandler } from './error-handler.js';
export type { UploadLimits } from './limits.js';
export type {
  FileRules,
  FromUpload,
  IncomingFile,
  ReceivedFile,
  ReceiveOptions,
  UploadOptions,
  Validate,
  Verdict,
} from './options.js';
export { receiveFile } from './receive-file.js';
export { type Uploader, type UploadHandler, uploadFiles } from './upload-files.js';
