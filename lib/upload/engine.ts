import type { StorageEngine } from 'multer';
import { receivedFileName } from './file-names.js';
import type { MultipartRequest } from './multipart-request.js';

/** Multer's way to our storages: it stages each file as it arrives. Storing and clean-up are the batch's. */
export const depotEngine: StorageEngine = {
  _handleFile(req, file, callback) {
    const form = req as unknown as MultipartRequest;
    file.originalname = receivedFileName(file.originalname);
    const { stream } = file;
    form.batch.stage({ file, stream, filename: file.originalname }).then(
      ({ file: { mimetype, size }, info }) => callback(null, { mimetype, size, depot: info }),
      (error) => {
        // A stream that has failed tells of the parser, whose errors multer reports itself.
        if (!stream.errored) form.fail(error);
        callback(stream.errored ?? new Error('The upload has failed', { cause: error }));
      },
    );
  },

  _removeFile(_req, _file, callback) {
    callback(null);
  },
};
