import * as fs from 'node:fs';
import { dirname } from 'node:path';
import { promisify, types } from 'node:util';
import { DepotError } from '../../errors.js';

// The callback API by descriptor: half the cost of `FileHandle` for small files.
export const open = promisify(fs.open);
export const close = promisify(fs.close);
export const stat = promisify(fs.stat);
export const mkdir = promisify(fs.mkdir);
export const rename = promisify(fs.rename);
export const unlink = promisify(fs.unlink);
export const rmdir = promisify(fs.rmdir);
export const readdir = promisify(fs.readdir);
export const readFile = promisify(fs.readFile);
const fsync = promisify(fs.fsync);
const rm = promisify(fs.rm);

type WriteCallback = (error: NodeJS.ErrnoException | null, written: number) => void;

/** Whether an error of the file system has one of these codes. */
export function hasCode(error: unknown, ...codes: string[]): boolean {
  return types.isNativeError(error) && 'code' in error && codes.includes(error.code as string);
}

/** Waits for an act that may find nothing to act upon. */
export async function ignoring(act: Promise<unknown>, ...codes: string[]): Promise<void> {
  try {
    await act;
  } catch (error) {
    if (!hasCode(error, ...codes)) throw error;
  }
}

/** Makes a folder and those above it. Node's own `recursive` never ends where a file system refuses with ENOENT. */
export async function makeFolders(path: string): Promise<void> {
  try {
    await mkdir(path);
  } catch (error) {
    if (hasCode(error, 'EEXIST')) return;
    if (!hasCode(error, 'ENOENT') || dirname(path) === path) throw error;
    await makeFolders(dirname(path));
    await ignoring(mkdir(path), 'EEXIST');
  }
}

/** Removes a folder with all that is in it; never fails: what stays is swept at the next start. */
export async function removeFolder(path: string): Promise<void> {
  await rm(path, { recursive: true, force: true }).catch(() => {});
}

/** Writes all chunks at a position; the system may write less than it is given (write(2)). */
export async function writeChunks(
  descriptor: number,
  chunks: readonly Buffer[],
  position: number,
): Promise<void> {
  const byteLength = chunks.reduce((sum, chunk) => sum + chunk.byteLength, 0);
  const written = await writeSome(descriptor, chunks, position);
  if (written < byteLength) await writeChunks(descriptor, chunksAfter(chunks, written), position + written);
}

function writeSome(descriptor: number, chunks: readonly Buffer[], position: number): Promise<number> {
  return new Promise((resolve, reject) => {
    const callback: WriteCallback = (error, written) => (error ? reject(error) : resolve(written));
    const [first] = chunks;
    if (chunks.length === 1 && first) fs.write(descriptor, first, 0, first.byteLength, position, callback);
    else fs.writev(descriptor, chunks, position, callback);
  });
}

function chunksAfter(chunks: readonly Buffer[], bytes: number): Buffer[] {
  let skipped = bytes;
  return chunks.flatMap((chunk) => {
    const rest = chunk.subarray(Math.min(skipped, chunk.byteLength));
    skipped -= chunk.byteLength - rest.byteLength;
    return rest.byteLength > 0 ? [rest] : [];
  });
}

/** The small steps of storing a file. */
export interface Steps {
  mkdir(path: string): Promise<unknown>;
  rename(from: string, to: string): Promise<unknown>;
  /** Opens a file for writing that must not exist yet. */
  create(path: string): Promise<number>;
  /** Writes all chunks at a position. */
  write(descriptor: number, chunks: readonly Buffer[], byteLength: number, position: number): Promise<void>;
  /** Writes a small file that must not exist yet. */
  writeNewFile(path: string, text: string): Promise<void>;
  /** Closes a file that was written. */
  finish(descriptor: number): Promise<void>;
}

/** Each change is synced, which takes long: other threads wait for it. */
export const durableSteps: Steps = {
  mkdir,
  rename,
  create: (path) => open(path, 'wx'),
  write: (descriptor, chunks, _byteLength, position) => writeChunks(descriptor, chunks, position),
  writeNewFile: (path, text) => writeNewFile(path, text, true),
  finish: (descriptor) => syncAndClose(descriptor, true),
};

/** Bytes that are copied to the system's memory faster than a thread is woken for them. */
const SMALL_WRITE_BYTES = 64 * 1024;

/** Nothing is synced, and each step only changes what the system has in memory: a thread's hop costs several of them. */
export const quickSteps: Steps = {
  mkdir: async (path) => fs.mkdirSync(path),
  rename: async (from, to) => fs.renameSync(from, to),
  create: async (path) => fs.openSync(path, 'wx'),
  write: async (descriptor, chunks, byteLength, position) => {
    if (byteLength > SMALL_WRITE_BYTES) return writeChunks(descriptor, chunks, position);
    const written = fs.writevSync(descriptor, chunks, position);
    if (written < byteLength) await writeChunks(descriptor, chunksAfter(chunks, written), position + written);
  },
  writeNewFile: async (path, text) => fs.writeFileSync(path, text, { flag: 'wx' }),
  finish: async (descriptor) => fs.closeSync(descriptor),
};

/** Writes a small file that must not exist yet, and syncs it if asked to. */
export async function writeNewFile(path: string, text: string, sync: boolean): Promise<void> {
  const descriptor = await open(path, 'wx');
  try {
    await writeChunks(descriptor, [Buffer.from(text)], 0);
    if (sync) await fsync(descriptor);
  } finally {
    await close(descriptor);
  }
}

/** Syncs and closes a file that was written; it is closed also if syncing fails. */
export async function syncAndClose(descriptor: number, sync: boolean): Promise<void> {
  try {
    if (sync) await fsync(descriptor);
  } finally {
    await close(descriptor);
  }
}

/** Makes the names in a folder durable (fsync(2)). Windows has no such thing and needs none. */
export async function syncFolder(path: string): Promise<void> {
  if (process.platform === 'win32') return;
  await syncAndClose(await open(path, 'r'), true);
}

/** A fault of the file system as an error of ours, naming the path; errors of ours stay what they are. */
export function toStorageError(error: unknown, path: string): unknown {
  if (error instanceof DepotError || !types.isNativeError(error)) return error;
  const reason = `${path}: ${error.message}`;
  if (hasCode(error, 'ENOSPC', 'EDQUOT')) {
    return new DepotError('STORAGE_FULL', `No space left in ${reason}`, { cause: error });
  }
  if (hasCode(error, 'ENOENT', 'ENOTDIR', 'EEXIST', 'EACCES', 'EPERM', 'EROFS')) {
    return new DepotError('STORAGE_UNAVAILABLE', `Cannot use the folder ${reason}`, { cause: error });
  }
  return new DepotError('STORAGE_FAILED', `The file system failed in ${reason}`, { cause: error });
}
