import type { FileDetails } from '../contract/stored-file.js';
import { DepotError, FileNotFoundError } from '../errors.js';
import type { ObjectBucket } from './object-bucket.js';
import type { FoundObject, ObjectSource } from './object-reader.js';

/** How staged content becomes an object. */
export interface Publication {
  /** Whether the server may know no condition of this write: what must not exist is looked for before. */
  readonly isUnconditional: boolean;
  /**
   * Makes the object. Called again if the condition is not met.
   * @param etag the state that must be there; absent where there must be no object
   * @throws errors of which `WriteRules` tell
   */
  write(etag: string | undefined): Promise<void>;
  /** Comes after a successful `write`. Never fails. */
  settle(): Promise<void>;
  /** Comes in place of a successful `write`. Never fails. */
  discard(): Promise<void>;
}

/** What the errors of a server's writes say. */
export interface WriteRules {
  /** Whether the condition was not met. */
  isConditionRefused(error: unknown): boolean;
  /**
   * Whether a write was refused for what is there, or not. A request that was repeated because its answer was lost is
   * refused too: for what it has done itself.
   */
  isWriteRefused(error: unknown): boolean;
  /** A failure as an error of ours. */
  toStorageError(error: unknown, place: string): unknown;
}

/** How often a replacement that somebody else's came before is tried again. */
const MAX_ATTEMPTS = 10;

/** Makes objects where there are none, or in the place of others. */
export class ConditionalWrite {
  readonly #bucket: ObjectBucket;
  readonly #objects: ObjectSource;
  readonly #rules: WriteRules;
  readonly #revision: string;

  /** @param revision that of the new object: where an answer was lost, it tells our object from another's */
  constructor(bucket: ObjectBucket, objects: ObjectSource, rules: WriteRules, revision: string) {
    this.#bucket = bucket;
    this.#objects = objects;
    this.#rules = rules;
    this.#revision = revision;
  }

  /**
   * Makes an object that must not exist yet.
   * @throws DepotError `FILE_EXISTS`
   */
  async create(id: string, publication: Publication): Promise<void> {
    if (publication.isUnconditional && (await this.#objects.find(id, {})))
      throw new DepotError('FILE_EXISTS');
    const failure = await attempt(publication, undefined);
    if (!failure || (await this.#isDone(id))) return;
    const { error } = failure;
    throw this.#rules.isConditionRefused(error)
      ? new DepotError('FILE_EXISTS', undefined, { cause: error })
      : this.#toError(error);
  }

  /**
   * Puts an object in the place of another one.
   * @throws DepotError `FILE_NOT_FOUND`; `CONFLICT` if others keep coming before
   */
  async replace({ id, etag: firstEtag }: FileDetails, publication: Publication): Promise<void> {
    let etag = firstEtag;
    for (let turn = 1; turn <= MAX_ATTEMPTS; turn++) {
      const failure = await attempt(publication, etag);
      if (!failure) return;
      const current = await this.#afterFailure(id, failure.error);
      if (current.revision === this.#revision) return;
      etag = current.details.etag;
    }
    throw new DepotError('CONFLICT', 'Others keep replacing this file');
  }

  /** What is there: our object, or another one that is to be replaced now. Throws what cannot be tried again. */
  async #afterFailure(id: string, error: unknown): Promise<FoundObject> {
    const isRefused = this.#rules.isWriteRefused(error);
    const current = isRefused ? await this.#look(id) : await this.#look(id).catch(() => undefined);
    if (current?.revision === this.#revision) return current;
    if (isRefused && !current) throw new FileNotFoundError(id, { cause: error });
    if (current && this.#rules.isConditionRefused(error)) return current;
    throw this.#toError(error);
  }

  /** Also where the server does not answer: then nobody knows. */
  async #isDone(id: string): Promise<boolean> {
    const found = await this.#look(id).catch(() => undefined);
    return found?.revision === this.#revision;
  }

  /** A server that has just failed is not asked for long. */
  async #look(id: string): Promise<FoundObject | undefined> {
    const { place, settings } = this.#bucket;
    try {
      return await this.#objects.find(id, { signal: AbortSignal.timeout(settings.idleTimeout) });
    } catch (cause) {
      throw new DepotError('STORAGE_UNAVAILABLE', `${place} does not tell what became of a write`, { cause });
    }
  }

  #toError(error: unknown): unknown {
    return this.#rules.toStorageError(error, this.#bucket.place);
  }
}

async function attempt(
  publication: Publication,
  etag: string | undefined,
): Promise<{ error: unknown } | undefined> {
  try {
    await publication.write(etag);
    return undefined;
  } catch (error) {
    return { error };
  }
}
