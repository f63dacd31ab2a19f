import { Readable } from 'node:stream';
import type { StoredFile, StreamOptions } from '../contract/stored-file.js';

/** The content of a file that is looked up when the stream is read; that it is missing arrives on the stream. */
export function lateStream(find: () => Promise<StoredFile>, options: StreamOptions = {}): Readable {
  const read = async function* () {
    yield* (await find()).stream(options);
  };
  return Readable.from(read(), { objectMode: false });
}
