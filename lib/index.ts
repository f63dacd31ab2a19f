export {
  Attachment,
  type AttachmentData,
  type AttachmentFact,
  type AttachmentInput,
  type AttachOptions,
  attach,
} from './attachments/attachment.js';
export { type AttachmentOptions, Attachments, type AttachmentsOptions } from './attachments/attachments.js';
export {
  type AttachmentField,
  type AttachmentFieldOptions,
  attachmentField,
  type IncomingContent,
  type ProcessContent,
  uploadedFile,
} from './attachments/field.js';
export type {
  AddFileOptions,
  AttachmentFilter,
  DerivedFile,
  FilterContext,
  FilterSource,
  OriginalFile,
} from './attachments/filters.js';
export { FileJournal, type FileJournalOptions } from './attachments/journal/file-journal.js';
export type { Decisions, Intent, IntentJournal } from './attachments/journal/journal.js';
export { MemoryJournal, type MemoryTransaction } from './attachments/journal/memory-journal.js';
export {
  type SqlDialect,
  type SqlExecutor,
  SqlJournal,
  type SqlJournalOptions,
  type SqlRow,
} from './attachments/journal/sql-journal.js';
export type { Outcome, UnitOfWork } from './attachments/unit-of-work.js';
export type { Capabilities, Capability } from './contract/capabilities.js';
export type { Content, LocalPath, MulterFile } from './contract/content.js';
export type { FileInfo } from './contract/file-info.js';
export type { JsonValue, Metadata } from './contract/metadata.js';
export type { Recoverable, Recovery } from './contract/recovery.js';
export {
  type CommitOptions,
  type ContentFacts,
  type FileOptions,
  type FileOrId,
  StagedFile,
  type WrittenDetails,
} from './contract/staged-file.js';
export {
  type CreateOptions,
  type ExpectedFile,
  FileStorage,
  type ListOptions,
  type NewFileDetails,
  type OpenFile,
  type OpenOptions,
  type ReadOptions,
  type ReplaceOptions,
  type StageOptions,
  type StagingArea,
  type StagingOptions,
  type UrlOptions,
} from './contract/storage.js';
export type { StorageDirectory } from './contract/storage-directory.js';
export { type ByteRange, type FileDetails, StoredFile, type StreamOptions } from './contract/stored-file.js';
export type { Variant } from './contract/variant.js';
export type { StorageOptions, StorageSettings } from './depot/config.js';
export {
  type CreateFileOptions,
  DepotManager,
  type FileUrlOptions,
  type ManagerOptions,
  type SigningOptions,
} from './depot/manager.js';
export type { FlatSettings } from './depot/settings.js';
export { DepotError, type DepotErrorCode, FileNotFoundError, type FormFile, isDepotError } from './errors.js';
export type { ImageFormat } from './images/formats.js';
export type { Fit } from './images/geometry.js';
export type { ImageFilterOptions } from './images/image-filter.js';
export { type ImageMetadataOptions, withImageMetadata } from './images/image-metadata.js';
export type {
  ImageFacts,
  ImageInput,
  ImageProcessor,
  ImageRequest,
  ProcessedImage,
  Rendition,
  RenditionRequest,
} from './images/image-processor.js';
export { type ImageSizeOptions, withImageSize } from './images/image-size.js';
export { type ImageVariantOptions, imageVariant } from './images/image-variant.js';
export { type ImagesOnlyOptions, imagesOnly } from './images/images-only.js';
export type { ImageLimitOptions } from './images/limits.js';
export type { ImageSize } from './images/options.js';
export { SharpProcessor } from './images/sharp-processor.js';
export { type ThumbnailFormat, type ThumbnailOptions, withThumbnail } from './images/thumbnail.js';
export { type UploadedImageOptions, uploadedImageWithThumb } from './images/uploaded-image.js';
export type { SendfileOptions, ServeOptions } from './serve/options.js';
export { type Next, type ServeMiddleware, serveFiles } from './serve/router.js';
export {
  type GCSClientLike,
  type GCSCredentials,
  GCSStorage,
  type GCSStorageOptions,
} from './storages/gcs.js';
export {
  type GridFSClient,
  type GridFSDb,
  GridFSStorage,
  type GridFSStorageOptions,
} from './storages/gridfs.js';
export { LocalStorage, type LocalStorageOptions } from './storages/local.js';
export { MemoryStorage } from './storages/memory.js';
export {
  type AdoptOptions,
  type DirectUpload,
  type DirectUploadOptions,
  type S3ClientLike,
  type S3Credentials,
  S3Storage,
  type S3StorageOptions,
} from './storages/s3.js';
export { type ErrorHandler, type ErrorHandlerOptions, errorHandler } from './upload/error-handler.js';
export type { UploadLimits } from './upload/limits.js';
export type {
  FileRules,
  FromUpload,
  IncomingFile,
  ReceivedFile,
  ReceiveOptions,
  UploadOptions,
  Validate,
  Verdict,
} from './upload/options.js';
export { receiveFile } from './upload/receive-file.js';
export { type Uploader, type UploadHandler, uploadFiles } from './upload/upload-files.js';
