import type { ClientSession, Filter, ObjectId } from 'mongodb';
import { insertAll } from '../../internal/insert-all.js';
import type { Bucket } from './database.js';
import type { ChunkDocument, ContentKey } from './documents.js';

/** Chunks that one command deletes or moves: so many take about a second. */
const CHUNKS_AT_ONCE = 512;

/** A content by what its chunks know of it. */
export type ChunkOwner = Pick<ContentKey, 'fileId' | 'revision'>;

/**
 * The chunks of a content. They are under the id of their file, where everybody looks for them; those of a replacement
 * that is not finished are still under their revision.
 */
export function chunksOf({ fileId, revision }: ChunkOwner): Filter<ChunkDocument> {
  if (revision === null) return { files_id: fileId, revision: null as never };
  const places = revision.equals(fileId) ? fileId : { $in: [fileId, revision] };
  return { files_id: places, revision };
}

/** Cuts bytes into chunks, the first with the given number, and inserts them. The last one may be smaller. */
export async function insertChunks(
  bucket: Bucket,
  owner: { readonly fileId: ObjectId; readonly revision: ObjectId },
  bytes: Buffer,
  { chunkSize, first = 0, session }: { chunkSize: number; first?: number; session?: ClientSession },
): Promise<void> {
  const chunks = chunksFrom(bucket, owner, bytes, { chunkSize, first });
  await insertAll(bucket.chunks, chunks, session ? { session } : {});
}

/** The chunks of bytes, the first with the given number. The last one may be smaller. */
export function chunksFrom(
  { driver }: Bucket,
  { fileId, revision }: { readonly fileId: ObjectId; readonly revision: ObjectId },
  bytes: Buffer,
  { chunkSize, first = 0 }: { chunkSize: number; first?: number },
): ChunkDocument[] {
  const documents: ChunkDocument[] = [];
  for (let start = 0; start < bytes.byteLength; start += chunkSize) {
    documents.push({
      _id: new driver.ObjectId(),
      files_id: fileId,
      n: first + documents.length,
      data: bytes.subarray(start, start + chunkSize),
      revision,
    });
  }
  return documents;
}

/** Deletes the chunks of a content, and of no other. */
export async function deleteChunks(
  bucket: Bucket,
  owner: ChunkOwner,
  session?: ClientSession,
): Promise<void> {
  await eachPortion(bucket, chunksOf(owner), session, (portion) =>
    bucket.chunks.deleteMany(portion, session ? { session } : {}),
  );
}

/** Puts the chunks of a content under the id of its file. */
export async function moveChunks(
  bucket: Bucket,
  { fileId, revision }: { readonly fileId: ObjectId; readonly revision: ObjectId },
  session?: ClientSession,
): Promise<void> {
  await eachPortion(bucket, { files_id: revision, revision }, session, (portion) =>
    bucket.chunks.updateMany(portion, { $set: { files_id: fileId } }, session ? { session } : {}),
  );
}

type Portion = Filter<ChunkDocument>;

/**
 * One command for all chunks of a large file would outlast the time that a command has. What is in a transaction is not
 * so large.
 */
async function eachPortion(
  { chunks }: Bucket,
  all: Portion,
  session: ClientSession | undefined,
  act: (portion: Portion) => Promise<unknown>,
): Promise<void> {
  if (session) {
    await act(all);
    return;
  }
  for (;;) {
    const next = await chunks.findOne(all, { sort: { n: 1 }, projection: { n: 1 } });
    if (!next) return;
    await act({ ...all, n: { $gte: next.n, $lt: next.n + CHUNKS_AT_ONCE } });
  }
}
