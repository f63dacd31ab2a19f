import { isFileId } from '../../contract/file-id.js';
import type { ListOptions } from '../../contract/storage.js';
import type { GCSBucket, Query } from './bucket.js';

/** What a page of a list tells of objects. */
interface ObjectPage<Item> {
  readonly items?: readonly Item[];
  readonly nextPageToken?: string;
}

interface NamedObject {
  readonly name: string;
}

/** The ids below the prefix, page by page, in the order of the names; what is deeper down belongs to others. */
export async function* listIds(
  bucket: GCSBucket,
  { prefix = '', after = '', signal }: ListOptions,
): AsyncGenerator<string> {
  const query = { prefix: bucket.key(prefix), ...(after && { startOffset: bucket.key(after) }) };
  for await (const { name } of listObjects<NamedObject>(bucket, query, 'name', signal)) {
    const id = name.slice(bucket.settings.prefix.length);
    // A start that is given is a part of the list.
    if (isFileId(id) && id !== after) yield id;
  }
}

/**
 * Objects of a bucket, but for what is below a further slash.
 * @param fields what is told of each, with commas between them
 */
export async function* listObjects<Item>(
  bucket: GCSBucket,
  query: Query,
  fields: string,
  signal?: AbortSignal,
): AsyncGenerator<Item> {
  let pageToken: string | undefined;
  do {
    signal?.throwIfAborted();
    const path = bucket.objectsPath(undefined, {
      ...query,
      delimiter: '/',
      maxResults: '1000',
      fields: `items(${fields}),nextPageToken`,
      pageToken,
    });
    const { body } = await bucket.call({ method: 'GET', path }, { signal });
    const page: ObjectPage<Item> = JSON.parse(body);
    yield* page.items ?? [];
    pageToken = page.nextPageToken || undefined;
  } while (pageToken !== undefined);
}
