// @ts-check
// What a product takes of files: the same for every ORM.

import { uploadedFile, uploadedImageWithThumb, withImageMetadata } from 'filedepot';

const { MAX_FILE_SIZE = '20mb' } = process.env;

/** Of each file; text such as `'20mb'`. */
export const maxFileSize = MAX_FILE_SIZE;

/** Formats that every browser draws. */
export const PHOTO_TYPES = ['image/jpeg', 'image/png', 'image/webp', 'image/avif', 'image/gif'];

/** Larger photos are shrunk; what the page needs to keep their place free is noted in their metadata. */
export const photoField = uploadedImageWithThumb({
  accept: PHOTO_TYPES,
  maxFileSize,
  maxSize: 2000,
  thumbnailSize: 400,
  thumbnailFormat: 'webp',
  filters: [withImageMetadata()],
});

/** A file of any type. */
export const sheetField = uploadedFile({ maxSize: maxFileSize });
