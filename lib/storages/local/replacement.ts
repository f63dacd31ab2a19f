import { setTimeout as delay } from 'node:timers/promises';
import { DepotError, FileNotFoundError } from '../../errors.js';
import { KeyedMutex } from '../../internal/keyed-mutex.js';
import { isAbandoned } from '../../internal/owner.js';
import * as files from './files.js';
import {
  formatDetails,
  formatSharedMetadata,
  type LocalDetails,
  parseDetails,
  replacementFolderName,
  STAGED,
} from './layout.js';
import type { Workplace } from './workplace.js';

/*
 * A replacement has to change two files, content and details, at one moment. Under a lock that only writers take:
 *
 *   1. the new content is put beside the old one, as `file.<revision>`;
 *   2. the new details, which name that revision, replace the old ones by a rename: this is the moment;
 *   3. `file.<revision>` becomes `file`, and `metadata.json` follows, for Python's sake.
 *
 * A reader takes the details, then `file.<revision>` if they name one and it is still there, else `file`, and starts
 * anew if the details have changed meanwhile. A process that dies leaves its lock, whose token tells whose it is;
 * the next writer, or the sweep at start, goes on from 2 to 3, or takes back 1.
 */

/** How long (milliseconds) a writer waits for another one before it gives up with `CONFLICT`. */
const LOCK_PATIENCE = 30_000;

/** Longest pause (milliseconds) between two looks at a lock that is taken. */
const LOCK_PAUSE = 20;

/** Writers of one process queue up here, and only processes contend for the lock on the disk. */
const writers = new KeyedMutex();

/** Whose replacement of which file. */
export interface Replacement {
  readonly id: string;
  readonly revision: string;
  readonly owner: string;
}

type NewDetails = Omit<LocalDetails, 'etag'> & { readonly revision: string };

/**
 * Puts a staged folder's content in the place of a file's.
 * @throws DepotError `FILE_NOT_FOUND`; `CONFLICT` if others hold the file for too long
 */
export function replaceFile(workplace: Workplace, folder: string, details: NewDetails): Promise<void> {
  const { id, revision } = details;
  const replacement = { id, revision, owner: workplace.owner };
  return writers.run(workplace.layout.folder(id), async () => {
    await lock(workplace, folder, replacement);
    try {
      await exchange(workplace, folder, details);
    } finally {
      await settleReplacement(workplace, replacement);
    }
    // Whoever deletes the file from here on deletes what was replaced already.
    if (workplace.durable) await files.ignoring(files.syncFolder(workplace.layout.folder(id)), 'ENOENT');
  });
}

async function exchange({ layout, durable }: Workplace, folder: string, details: NewDetails): Promise<void> {
  const { id, revision } = details;
  await Promise.all([
    files.writeNewFile(`${folder}/${STAGED.details}`, formatDetails(details), durable),
    files.writeNewFile(`${folder}/${STAGED.sharedMetadata}`, formatSharedMetadata(details), durable),
  ]);
  await renameWithin(id, `${folder}/${STAGED.content}`, layout.content(id, revision));
  await renameWithin(id, `${folder}/${STAGED.details}`, layout.details(id));
}

/**
 * Brings a replacement to its end, whoever began it and wherever it stopped: forward if its details are in place,
 * back if not. Several processes may do so at once, and a file that was deleted meanwhile needs nothing.
 */
export async function settleReplacement(workplace: Workplace, replacement: Replacement): Promise<void> {
  const { layout } = workplace;
  const { id, revision, owner } = replacement;
  const details = await readDetailsIfAny(layout.details(id), id);
  if (details?.revision === revision) {
    const staged = `${layout.staging}/${owner}/${replacementFolderName(revision, id)}/${STAGED.sharedMetadata}`;
    await files.ignoring(files.rename(staged, layout.sharedMetadata(id)), 'ENOENT');
    await files.ignoring(files.rename(layout.content(id, revision), layout.content(id)), 'ENOENT');
  } else {
    await files.ignoring(files.unlink(layout.content(id, revision)), 'ENOENT', 'ENOTDIR');
  }
  await unlock(workplace, replacement);
}

async function readDetailsIfAny(path: string, id: string): Promise<LocalDetails | undefined> {
  try {
    return parseDetails(id, await files.readFile(path, 'utf8'));
  } catch {
    return undefined;
  }
}

/** A lock is a folder with one token in it: renaming it into place fails while another one is there (rename(2)). */
async function lock(workplace: Workplace, folder: string, replacement: Replacement): Promise<void> {
  const { id } = replacement;
  const prepared = `${folder}/${STAGED.lock}`;
  await files.mkdir(prepared);
  await files.writeNewFile(`${prepared}/${tokenOf(replacement)}`, '', false);
  const deadline = Date.now() + LOCK_PATIENCE;
  while (!(await tryRename(id, prepared, workplace.layout.lock(id)))) {
    await settleLeftLock(workplace, id);
    if (Date.now() > deadline) throw new DepotError('CONFLICT', 'Others keep replacing this file');
    await delay(Math.random() * LOCK_PAUSE);
  }
}

/** Whoever removes the token has released the lock; a folder without a token is free to be taken. */
async function unlock({ layout }: Workplace, replacement: Replacement): Promise<void> {
  const path = layout.lock(replacement.id);
  await files.ignoring(files.unlink(`${path}/${tokenOf(replacement)}`), 'ENOENT', 'ENOTDIR');
  await files.ignoring(files.rmdir(path), 'ENOENT', 'ENOTDIR', 'ENOTEMPTY', 'EEXIST');
}

/** A lock of our own, here where no other writer of ours is at work, was left by an attempt that failed. */
async function settleLeftLock(workplace: Workplace, id: string): Promise<void> {
  const path = workplace.layout.lock(id);
  const stats = await files.stat(path).catch(() => undefined);
  for (const token of await files.readdir(path).catch(() => [])) {
    const [owner = '', revision = ''] = token.split('~');
    const isLeft = owner === workplace.owner || (stats && isAbandoned(owner, stats.mtimeMs));
    if (isLeft) await settleReplacement(workplace, { id, revision, owner });
  }
}

function tokenOf({ owner, revision }: Replacement): string {
  return `${owner}~${revision}`;
}

async function tryRename(id: string, from: string, to: string): Promise<boolean> {
  try {
    await renameWithin(id, from, to);
    return true;
  } catch (error) {
    if (files.hasCode(error, 'ENOTEMPTY', 'EEXIST')) return false;
    throw error;
  }
}

/** Into the folder of a file, which somebody may have deleted. */
async function renameWithin(id: string, from: string, to: string): Promise<void> {
  try {
    await files.rename(from, to);
  } catch (error) {
    if (files.hasCode(error, 'ENOENT')) throw new FileNotFoundError(id, { cause: error });
    throw error;
  }
}
