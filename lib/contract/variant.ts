import type { StoredFile } from './stored-file.js';

/** What can be made of a file on its way to a client, as a smaller picture. It is stored nowhere. */
export interface Variant {
  /** Media type of what is made. */
  readonly contentType: string;
  /** What names of what is made end in, without the dot. */
  readonly extension: string;
  /** A text that is another one where something else would be made of the same file: caches go by it. */
  readonly fingerprint: string;
  /**
   * Called for each request that is not answered by a cache; must bound its own work.
   * @param file one that is replaced before it was read fails its stream with `CONFLICT`, to be passed on
   * @param options `signal` is aborted when nobody waits for it any more
   * @throws DepotError, for clients where its status is one of 4xx
   */
  make(file: StoredFile, options: { readonly signal: AbortSignal }): Promise<Uint8Array>;
}
