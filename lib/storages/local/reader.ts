import { type Stats, statSync } from 'node:fs';
import { basename } from 'node:path';
import { DepotError, FileNotFoundError } from '../../errors.js';
import { ContentHandle } from './content-handle.js';
import * as files from './files.js';
import { type LocalDetails, type LocalLayout, parseDetails, parseSharedMetadata, STAGED } from './layout.js';

/** Details of this many files are kept in memory, a few hundred bytes each. */
const CACHED_FILES = 4096;

/** Milliseconds for which the system surely knows a file that it was asked about. */
const WARM_MILLISECONDS = 1000;

/** A reader that meets one replacement after another starts anew so often before it gives up. */
const READ_ATTEMPTS = 100;

interface Found {
  readonly details: LocalDetails;
  readonly stats: Stats;
  /** When the file was last looked at, in milliseconds of `performance.now()`. */
  lookedAt: number;
}

/** Details as they lie on the disk. */
interface DetailsText {
  readonly path: string;
  readonly json: string;
  readonly stats: Stats;
  /** Whether these are what Python knows, and not ours. */
  readonly isShared: boolean;
}

export interface OpenContent {
  readonly details: LocalDetails;
  readonly handle: ContentHandle;
  readonly path: string;
}

/**
 * A way to look at a content: by its path alone, or by opening it. What the system knows from a moment ago is warm, so that
 * the call costs less than a thread's hop.
 */
type Look<Content extends { stats: Stats }> = (path: string, isWarm: boolean) => Promise<Content>;

/**
 * Reads details that belong to their content, whoever replaces the file meanwhile.
 *
 * Every replacement makes a new content on the disk, so what `fstat` tells of a content tells its revision: details
 * that were once read with it stay true, and are kept.
 */
export class LocalReader {
  readonly #layout: LocalLayout;
  readonly #cache = new Map<string, Found>();

  constructor(layout: LocalLayout) {
    this.#layout = layout;
  }

  /** @throws DepotError `FILE_NOT_FOUND`, caused by `FILE_DAMAGED` where only half of a file is there */
  async details(id: string): Promise<LocalDetails> {
    const { details } = await this.#read(id, lookAt, ignore);
    return details;
  }

  /**
   * Opens the content together with the details that belong to it. The caller must close the handle.
   * @throws DepotError `FILE_NOT_FOUND`, as `details` does
   */
  async open(id: string): Promise<OpenContent> {
    const { details, content, path } = await this.#read(id, ContentHandle.open, (handle) => handle.close());
    return { details, handle: content, path };
  }

  forget(id: string): void {
    this.#cache.delete(id);
  }

  async #read<Content extends { stats: Stats }>(
    id: string,
    look: Look<Content>,
    release: (content: Content) => unknown,
  ): Promise<{ details: LocalDetails; content: Content; path: string }> {
    try {
      return await this.#find(id, look, release);
    } catch (error) {
      const cause = error instanceof FileNotFoundError && (await this.#damageOf(id));
      throw cause ? new FileNotFoundError(id, { cause }) : error;
    }
  }

  /** What is wrong where one half of a file is without the other, and nobody is replacing it. */
  async #damageOf(id: string): Promise<DepotError | undefined> {
    const folder = this.#layout.folder(id);
    const names = new Set(await files.readdir(folder).catch((): string[] => []));
    const hasContent = names.has(STAGED.content);
    const hasDetails = names.has(STAGED.details) || names.has(STAGED.sharedMetadata);
    if (hasContent === hasDetails || names.has(basename(this.#layout.lock(id)))) return undefined;
    const halves = hasContent ? 'content without metadata' : 'metadata without content';
    return new DepotError('FILE_DAMAGED', `The folder ${folder} has ${halves}`);
  }

  async #find<Content extends { stats: Stats }>(
    id: string,
    look: Look<Content>,
    release: (content: Content) => unknown,
  ): Promise<{ details: LocalDetails; content: Content; path: string }> {
    const path = this.#layout.content(id);
    const known = this.#cache.get(id);
    if (known) {
      const now = performance.now();
      const content = await orNotFound(id, look(path, now - known.lookedAt < WARM_MILLISECONDS));
      known.lookedAt = now;
      if (isSameContent(known.stats, content.stats)) return { details: known.details, content, path };
      await release(content);
    }
    for (let attempt = 0; attempt < READ_ATTEMPTS; attempt++) {
      const found = await this.#readOnce(id, look, release);
      if (found) return found;
    }
    throw new FileNotFoundError(id);
  }

  /** Nothing where details and content may not belong together: somebody replaces the file just now. */
  async #readOnce<Content extends { stats: Stats }>(
    id: string,
    look: Look<Content>,
    release: (content: Content) => unknown,
  ) {
    const before = await this.#readDetailsText(id);
    const own = before.isShared ? undefined : parseDetails(id, before.json);
    const { content, path } = await this.#lookAtRevision(id, own?.revision, look);
    let details: LocalDetails | undefined;
    try {
      if (await this.#isStill(id, before)) details = own ?? parseShared(id, before, content.stats);
    } finally {
      if (!details) await release(content);
    }
    if (!details) return undefined;
    this.#remember(id, { details, stats: content.stats, lookedAt: performance.now() });
    return { details, content, path };
  }

  /** Whether the details still are those of the file when its content has been looked at. */
  async #isStill(id: string, before: DetailsText): Promise<boolean> {
    // A file of ours that came between two looks would pass for one of Python's, without its metadata. The order matters:
    // as long as the same metadata.json is there, details.json is as well.
    if (before.isShared && (await isThere(this.#layout.details(id)))) return false;
    const after = await files.stat(before.path).catch(() => undefined);
    return after !== undefined && isSameContent(before.stats, after);
  }

  async #lookAtRevision<Content extends { stats: Stats }>(
    id: string,
    revision: string | undefined,
    look: Look<Content>,
  ) {
    if (revision !== undefined) {
      const path = this.#layout.content(id, revision);
      const content = await look(path, false).catch((error) => {
        if (!files.hasCode(error, 'ENOENT')) throw error;
      });
      if (content) return { content, path };
    }
    const path = this.#layout.content(id);
    return { content: await orNotFound(id, look(path, false)), path };
  }

  async #readDetailsText(id: string): Promise<DetailsText> {
    const own = await readWithStats(this.#layout.details(id));
    if (own) return { ...own, isShared: false };
    const shared = await readWithStats(this.#layout.sharedMetadata(id));
    if (shared) return { ...shared, isShared: true };
    throw new FileNotFoundError(id);
  }

  /** The files that were asked for longest ago are forgotten first. */
  #remember(id: string, found: Found): void {
    this.#cache.delete(id);
    this.#cache.set(id, found);
    if (this.#cache.size <= CACHED_FILES) return;
    const [oldest] = this.#cache.keys();
    if (oldest !== undefined) this.#cache.delete(oldest);
  }
}

async function lookAt(path: string, isWarm: boolean): Promise<{ stats: Stats }> {
  return { stats: isWarm ? statSync(path) : await files.stat(path) };
}

async function isThere(path: string): Promise<boolean> {
  try {
    await files.stat(path);
    return true;
  } catch (error) {
    if (files.hasCode(error, 'ENOENT', 'ENOTDIR')) return false;
    throw error;
  }
}

/** Python writes its metadata in place, and may be about to do so, or have died meanwhile. */
function parseShared(id: string, { path, json }: DetailsText, stats: Stats): LocalDetails {
  try {
    return parseSharedMetadata(id, json, stats);
  } catch (error) {
    const cause = new DepotError('FILE_DAMAGED', `The metadata in ${path} cannot be read`, { cause: error });
    throw new FileNotFoundError(id, { cause });
  }
}

async function readWithStats(path: string): Promise<Omit<DetailsText, 'isShared'> | undefined> {
  try {
    const handle = await ContentHandle.open(path, false);
    const { stats } = handle;
    try {
      const buffer = Buffer.allocUnsafe(stats.size);
      const bytesRead = await handle.read(buffer, stats.size, 0);
      return { path, json: buffer.toString('utf8', 0, bytesRead), stats };
    } finally {
      await handle.close();
    }
  } catch (error) {
    if (files.hasCode(error, 'ENOENT', 'ENOTDIR')) return undefined;
    throw error;
  }
}

function isSameContent(one: Stats, other: Stats): boolean {
  return one.ino === other.ino && one.mtimeMs === other.mtimeMs && one.size === other.size;
}

async function orNotFound<Result>(id: string, act: Promise<Result>): Promise<Result> {
  try {
    return await act;
  } catch (error) {
    if (files.hasCode(error, 'ENOENT', 'ENOTDIR')) throw new FileNotFoundError(id, { cause: error });
    throw error;
  }
}

function ignore(): void {}
