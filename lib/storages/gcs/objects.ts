import type { ReadOptions } from '../../contract/storage.js';
import { FileNotFoundError } from '../../errors.js';
import { revisionOf } from '../../object-storage/object-metadata.js';
import type {
  FoundObject,
  ObjectContent,
  ObjectPart,
  ObjectSource,
} from '../../object-storage/object-reader.js';
import type { GCSBucket } from './bucket.js';
import { isMissing, statusOf } from './errors.js';
import { generationIn, parseObject, userMetadataIn } from './object-format.js';

/** Content as it is stored: the server would unpack what others have stored compressed, and ranges are of the packed. */
const AS_STORED = { 'accept-encoding': 'gzip' };

/** Finds and reads objects of Google's. */
export class GCSObjects implements ObjectSource {
  readonly #bucket: GCSBucket;

  constructor(bucket: GCSBucket) {
    this.#bucket = bucket;
  }

  async find(id: string, { signal }: ReadOptions): Promise<FoundObject | undefined> {
    const bucket = this.#bucket;
    const head = await bucket.head(bucket.key(id), { signal });
    if (!head) return undefined;
    const details = parseObject(id, head, await bucket.publicUrl(id));
    return { details, revision: revisionOf(userMetadataIn(head)) };
  }

  async get(
    id: string,
    { range, etag }: ObjectPart,
    signal: AbortSignal | undefined,
  ): Promise<ObjectContent | undefined> {
    const bucket = this.#bucket;
    const headers = { ...AS_STORED, ...(range !== undefined && { range }) };
    const query = etag === undefined ? {} : { generation: generationIn({ etag }) };
    const request = { method: 'GET', path: bucket.contentPath(bucket.key(id), query), headers } as const;
    const isExpected = (error: unknown) => isMissing(error) || isUnsatisfiable(error);
    try {
      const body = await bucket.open(request, { signal, isExpected });
      const details = parseObject(id, body.headers, await bucket.publicUrl(id));
      const contentLength = Number(body.headers['content-length']);
      return { details, body, contentRange: body.headers['content-range'], contentLength };
    } catch (error) {
      if (isUnsatisfiable(error)) return undefined;
      if (!isMissing(error)) throw error;
      // The object may be there, but this generation is not any more.
      if (etag !== undefined && (await bucket.head(bucket.key(id), { signal }))) return undefined;
      throw new FileNotFoundError(id, { cause: error });
    }
  }
}

/** RFC 9110 section 15.5.17. */
function isUnsatisfiable(error: unknown): boolean {
  return statusOf(error) === 416;
}
