import { setTimeout as delay } from 'node:timers/promises';
import { type ChunkOwner, deleteChunks, moveChunks } from './contents.js';
import type { Bucket } from './database.js';
import { REVISION } from './documents.js';
import { isDuplicateKey } from './errors.js';
import type { Intent } from './intents.js';

/** A content in whose place another's chunks still are waits for them so often. */
const ATTEMPTS = 10;

/** Milliseconds from one attempt to the next. */
const PAUSE = 50;

/**
 * Brings chunks into line with the file's document: those of its content go where everybody looks for them, those of
 * another are deleted. A new file that was retracted goes first. May be done by several at once, and again.
 * @returns whether all is in line; if not, it can be tried again later
 */
export async function settle(bucket: Bucket, { fileId, contents, isRetracted }: Intent): Promise<boolean> {
  if (isRetracted) await bucket.files.deleteOne({ _id: fileId, [REVISION]: { $in: contents } });
  let isSettled = true;
  for (const revision of contents) {
    isSettled = (await settleContent(bucket, { fileId, revision })) && isSettled;
  }
  return isSettled;
}

async function settleContent(bucket: Bucket, owner: ChunkOwner): Promise<boolean> {
  const { fileId, revision } = owner;
  let isInPlace = revision === null || revision.equals(fileId);
  for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
    if (!(await isContentOfFile(bucket, owner))) {
      await deleteChunks(bucket, owner);
      return true;
    }
    if (isInPlace || revision === null) return true;
    // Whether it still is the file's content by now is asked once more.
    isInPlace = await canMove(moveChunks(bucket, { fileId, revision }));
    if (!isInPlace) await delay(PAUSE);
  }
  return false;
}

/** Chunks of a content that is being deleted may be in the way. */
async function canMove(moving: Promise<void>): Promise<boolean> {
  try {
    await moving;
    return true;
  } catch (error) {
    if (isDuplicateKey(error)) return false;
    throw error;
  }
}

async function isContentOfFile({ files }: Bucket, { fileId, revision }: ChunkOwner): Promise<boolean> {
  const document = await files.findOne({ _id: fileId, [REVISION]: revision }, { projection: { _id: 1 } });
  return document !== null;
}
