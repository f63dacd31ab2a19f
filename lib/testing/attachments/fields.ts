import type { AttachmentFilter } from '../../attachments/filters.js';
import { DepotError } from '../../errors.js';
import type { DocumentFields } from './harness.js';

/** Content that the field `photo` refuses. */
export const REFUSED = 'refused';

/** More than the field `content` takes, in bytes. */
export const MAX_SIZE = 100_000;

/** Stands for a thumbnail: the first half of the content. */
const halving: AttachmentFilter = {
  async apply({ source, addFile, addMetadata, original }) {
    const content = await source.buffer();
    if (content.toString() === REFUSED) throw new DepotError('UPLOAD_REFUSED', 'The filter refuses this');
    const half = content.subarray(0, original.size / 2);
    await addFile('thumb', half, { filename: 'thumb.txt', details: { bytes: half.length } });
    addMetadata({ halved: true });
  },
};

export const FIELDS: DocumentFields = {
  content: { maxSize: MAX_SIZE },
  photo: { storage: 'photos', filters: [halving] },
  pages: {},
};
