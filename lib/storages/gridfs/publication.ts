import type { ClientSession, ObjectId } from 'mongodb';
import type { NewFileDetails } from '../../contract/storage.js';
import { DepotError, FileNotFoundError } from '../../errors.js';
import { Batches } from '../../internal/batches.js';
import { insertAll } from '../../internal/insert-all.js';
import { KeyedMutex } from '../../internal/keyed-mutex.js';
import { chunksFrom, deleteChunks, insertChunks, moveChunks } from './contents.js';
import { type Bucket, type Database, inTransaction } from './database.js';
import {
  type ChunkDocument,
  contentKeyOf,
  type FileDocument,
  formatDocument,
  mergedDocument,
  whileUnchanged,
} from './documents.js';
import { isDuplicateKey } from './errors.js';
import { type Intent, type Intents, lost } from './intents.js';
import { settle } from './settlement.js';

/**
 * Bytes of old and new content that a transaction exchanges. It would have to hold more in the server's cache than there
 * may be room for, and longer than a transaction lives (60 s): 256 MB take two seconds, 1 GB fails with a cache of 1 GB.
 */
export const TRANSACTION_BYTES = 64 * 1024 * 1024;

/** Bytes of small files that one transaction makes; those beyond wait for the next one. */
const BATCH_BYTES = 8 * 1024 * 1024;

/** How often a change is tried anew that others were faster with. */
const ATTEMPTS = 10;

/** Content that is no file's yet. */
export interface StagedContent {
  /** By which its chunks are known; they are under it until they are a file's. */
  readonly revision: ObjectId;
  /** The whole content, if it is small and none of it was sent yet. */
  readonly held: Buffer | undefined;
  readonly chunkSize: number;
}

/** A file that is to be made at once, and what has become of that. */
interface NewSmallFile {
  readonly document: FileDocument;
  readonly chunks: readonly ChunkDocument[];
  failure?: unknown;
}

/** The acts by which content becomes a file's, or a file goes. The files document decides, at one moment. */
export class Publication {
  readonly #database: Database;
  readonly #intents: Intents;
  readonly #turns = new KeyedMutex();
  /** Small files that come while others are being made: a transaction for all costs little more than for one. */
  readonly #creations = new Batches<NewSmallFile>((files) => this.#createAll(files));

  constructor(database: Database, intents: Intents) {
    this.#database = database;
    this.#intents = intents;
  }

  /** @throws DepotError `FILE_EXISTS` */
  async create(staged: StagedContent, details: NewFileDetails): Promise<void> {
    const bucket = await this.#database.open();
    const document = newDocument(bucket, staged, details);
    try {
      if (staged.held?.byteLength === 0) await bucket.files.insertOne(document);
      else if (staged.held && bucket.hasTransactions)
        await this.#createAtOnce(bucket, staged, staged.held, document);
      else await this.#createInSteps(bucket, staged, document);
    } catch (error) {
      if (isDuplicateKey(error)) throw new DepotError('FILE_EXISTS', undefined, { cause: error });
      throw error;
    }
  }

  /** @throws DepotError `FILE_NOT_FOUND`, `CONFLICT` */
  async replace(staged: StagedContent, details: NewFileDetails): Promise<void> {
    const bucket = await this.#database.open();
    const fresh = newDocument(bucket, staged, details);
    await this.#onUnchanged(bucket, fresh._id, async (old) => {
      if (!old) throw new FileNotFoundError(details.id);
      const document = mergedDocument(old, fresh);
      return fitsTransaction(bucket, old, document)
        ? this.#replaceAtOnce(bucket, staged, old, document)
        : this.#replaceInSteps(bucket, staged, old, document);
    });
  }

  /** @throws DepotError `CONFLICT` */
  async remove(fileId: ObjectId): Promise<void> {
    const bucket = await this.#database.open();
    await this.#onUnchanged(bucket, fileId, async (old) => {
      if (!old) return true;
      return fitsTransaction(bucket, old) ? removeAtOnce(bucket, old) : this.#removeInSteps(bucket, old);
    });
  }

  /** Looks at the file again until the act meets it unchanged. In this process, one waits for the other. */
  #onUnchanged(
    { files }: Bucket,
    fileId: ObjectId,
    act: (old: FileDocument | null) => Promise<boolean>,
  ): Promise<void> {
    return this.#turns.run(fileId.toHexString(), async () => {
      for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
        if (await act(await files.findOne({ _id: fileId }))) return;
      }
      throw new DepotError('CONFLICT');
    });
  }

  async #createAtOnce(
    bucket: Bucket,
    { revision, chunkSize }: StagedContent,
    held: Buffer,
    document: FileDocument,
  ): Promise<void> {
    const chunks = chunksFrom(bucket, { fileId: document._id, revision }, held, { chunkSize });
    const file: NewSmallFile = { document, chunks };
    await this.#creations.add([file]);
    if (file.failure !== undefined) throw file.failure;
  }

  /** Never fails: each file is told what has become of it. */
  async #createAll(files: readonly NewSmallFile[]): Promise<void> {
    for (const batch of batched(files)) await this.#createBatch(batch);
  }

  /** An id that is in use already is the fault of one: the transaction has done nothing, and each gets its own. */
  async #createBatch(files: readonly NewSmallFile[]): Promise<void> {
    try {
      await insertTogether(await this.#database.open(), files);
    } catch (error) {
      if (isDuplicateKey(error) && files.length > 1) {
        for (const file of files) await this.#createBatch([file]);
      } else {
        for (const file of files) file.failure = error;
      }
    }
  }

  async #createInSteps(bucket: Bucket, staged: StagedContent, document: FileDocument): Promise<void> {
    const { revision } = staged;
    const intent = { fileId: document._id, contents: [revision] };
    await this.#announce(bucket, staged, intent);
    await bucket.files.insertOne(document);
    await this.#settle(bucket, revision, intent);
  }

  async #replaceAtOnce(
    bucket: Bucket,
    staged: StagedContent,
    old: FileDocument,
    document: FileDocument,
  ): Promise<boolean> {
    const isReplaced = await inTransaction(bucket, async (session) => {
      const { matchedCount } = await bucket.files.replaceOne(whileUnchanged(contentKeyOf(old)), document, {
        session,
      });
      if (matchedCount === 0) return false;
      await deleteChunks(bucket, contentKeyOf(old), session);
      await placeChunks(bucket, staged, document._id, session);
      return true;
    });
    if (isReplaced) this.#intents.abandon(staged.revision);
    return isReplaced;
  }

  async #replaceInSteps(
    bucket: Bucket,
    staged: StagedContent,
    old: FileDocument,
    document: FileDocument,
  ): Promise<boolean> {
    const { revision } = staged;
    const oldKey = contentKeyOf(old);
    const intent = { fileId: document._id, contents: [oldKey.revision, revision] };
    await this.#announce(bucket, staged, intent);
    const { matchedCount } = await bucket.files.replaceOne(whileUnchanged(oldKey), document);
    if (matchedCount === 0) return false;
    await this.#settle(bucket, revision, intent);
    return true;
  }

  async #removeInSteps(bucket: Bucket, old: FileDocument): Promise<boolean> {
    const key = contentKeyOf(old);
    const intentId = new bucket.driver.ObjectId();
    const intent = { fileId: old._id, contents: [key.revision] };
    await this.#intents.begin(intentId, intent);
    const { deletedCount } = await bucket.files.deleteOne(whileUnchanged(key));
    await this.#settle(bucket, intentId, intent);
    return deletedCount > 0;
  }

  /** Content that was held back is sent now. */
  async #announce(bucket: Bucket, staged: StagedContent, intent: Intent): Promise<void> {
    const { revision, held, chunkSize } = staged;
    if (!held) return this.#intents.confirm(revision, intent);
    await this.#intents.begin(revision, intent);
    await deleteChunks(bucket, { fileId: revision, revision });
    await insertChunks(bucket, { fileId: revision, revision }, held, { chunkSize });
  }

  /** The act is done: what fails here is left to the sweep, and readers find the content all the same. */
  async #settle(bucket: Bucket, intentId: ObjectId, intent: Intent): Promise<void> {
    try {
      if (await settle(bucket, intent)) await this.#intents.end(intentId);
      else this.#intents.abandon(intentId);
    } catch {
      this.#intents.abandon(intentId);
    }
  }
}

function newDocument(
  { driver }: Bucket,
  { revision, chunkSize }: StagedContent,
  details: NewFileDetails,
): FileDocument {
  const fileId = driver.ObjectId.createFromHexString(details.id);
  const length = driver.Long.fromNumber(details.size);
  return formatDocument({ fileId, revision, length, chunkSize }, details);
}

function fitsTransaction({ hasTransactions }: Bucket, ...documents: readonly FileDocument[]): boolean {
  const bytes = documents.reduce((sum, { length }) => sum + Number(length), 0);
  return hasTransactions && bytes <= TRANSACTION_BYTES;
}

function batched(files: readonly NewSmallFile[]): NewSmallFile[][] {
  const batches: NewSmallFile[][] = [];
  let bytes = Number.POSITIVE_INFINITY;
  for (const file of files) {
    const size = Number(file.document.length);
    if (bytes + size > BATCH_BYTES) {
      batches.push([]);
      bytes = 0;
    }
    batches.at(-1)?.push(file);
    bytes += size;
  }
  return batches;
}

async function insertTogether(bucket: Bucket, files: readonly NewSmallFile[]): Promise<void> {
  const documents = files.map(({ document }) => document);
  const chunks = files.flatMap((file) => file.chunks);
  await inTransaction(bucket, async (session) => {
    await insertAll(bucket.files, documents, { session });
    await insertAll(bucket.chunks, chunks, { session });
  });
}

async function removeAtOnce(bucket: Bucket, old: FileDocument): Promise<boolean> {
  const key = contentKeyOf(old);
  return inTransaction(bucket, async (session) => {
    const { deletedCount } = await bucket.files.deleteOne(whileUnchanged(key), { session });
    if (deletedCount > 0) await deleteChunks(bucket, key, session);
    return deletedCount > 0;
  });
}

/** Puts the content under the id of its file; a note of it, if there is one, goes with that. */
async function placeChunks(
  bucket: Bucket,
  { revision, held, chunkSize }: StagedContent,
  fileId: ObjectId,
  session: ClientSession,
): Promise<void> {
  if (held) return insertChunks(bucket, { fileId, revision }, held, { chunkSize, session });
  const { deletedCount } = await bucket.intents.deleteOne(
    { _id: revision, claimed: { $ne: true } },
    { session },
  );
  if (deletedCount === 0) throw lost();
  await moveChunks(bucket, { fileId, revision }, session);
}
