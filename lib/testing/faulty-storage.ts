import { addAbortSignal, Readable } from 'node:stream';
import { setTimeout as wait } from 'node:timers/promises';
import type { Capabilities } from '../contract/capabilities.js';
import type { FileOrId } from '../contract/staged-file.js';
import {
  FileStorage,
  type ListOptions,
  type NewFileDetails,
  type OpenFile,
  type OpenOptions,
  type ReadOptions,
  type StagingArea,
  type StagingOptions,
  type UrlOptions,
} from '../contract/storage.js';
import { type FileDetails, StoredFile, type StreamOptions } from '../contract/stored-file.js';
import { DepotError, type DepotErrorCode } from '../errors.js';

/**
 * Where a fault strikes:
 * - `stage`: while content is uploaded, by `create`, `replace` or `stage`,
 * - `commit`: when staged content becomes a file, also by `create`,
 * - `replace`: when staged content becomes that of an existing file,
 * - `stat`: when details are looked up, by `stat`, `get`, `exists` and `replace`,
 * - `stream`: while content is read, by streams of `get` and of `open`,
 * - `open`, `delete`, `list`, `url`, `check`: in the method of that name.
 */
export type FaultPoint =
  | 'stage'
  | 'commit'
  | 'replace'
  | 'stat'
  | 'stream'
  | 'open'
  | 'delete'
  | 'list'
  | 'url'
  | 'check';

interface FaultPlace {
  readonly on: FaultPoint;
  /** Which call, counted from 1. @default each one */
  readonly call?: number | undefined;
  /**
   * Of `stage` and `stream`: how many bytes pass before. Beyond the end of the content, nothing happens. @default 0
   */
  readonly atByte?: number | undefined;
}

interface Failure {
  /** What it fails with: an error, or the code of a `DepotError`. */
  readonly fail: Error | DepotErrorCode;
}

interface Delay {
  /** Milliseconds that pass before it goes on. */
  readonly delay: number;
}

interface Hang {
  /** Nothing happens until the signal is aborted; where there is none, for ever. */
  readonly hang: true;
}

interface Wait {
  /** Goes on when this has resolved, and fails with what it rejects with. */
  readonly until: () => Promise<unknown>;
}

/** One thing that goes wrong. */
export type Fault = FaultPlace & (Failure | Delay | Hang | Wait);

/**
 * A storage that goes wrong where it is told to, and for the rest does what the one within does: to test what an
 * application makes of it. Several faults of one call strike one after the other.
 * ```ts
 * const storage = faultyStorage(new MemoryStorage(), [
 *   { on: 'stage', call: 2, atByte: 100_000, fail: 'STORAGE_FULL' },
 *   { on: 'delete', fail: 'STORAGE_UNAVAILABLE' },
 *   { on: 'stream', atByte: 1000, hang: true },
 * ]);
 * depot.configure('default', storage);
 * ```
 */
export function faultyStorage(storage: FileStorage, faults: readonly Fault[]): FileStorage {
  return new FaultyStorage(storage, new FaultPlan(faults));
}

/** What a storage asks of its backend: open to its own class only, and here. */
interface Backend {
  readonly pieceSize: number;
  openStaging(options: StagingOptions): StagingArea;
  readDetails(id: string, options: ReadOptions): Promise<FileDetails>;
  openStream(details: FileDetails, options: StreamOptions): Readable;
  remove(id: string): Promise<void>;
  listIds(options: ListOptions): AsyncIterable<string>;
}

class FaultyStorage extends FileStorage {
  readonly capabilities: Capabilities;
  override readonly serve: FileStorage['serve'];
  override readonly isPublic: boolean;
  protected override readonly pieceSize: number;
  readonly #storage: FileStorage;
  readonly #backend: Backend;
  readonly #plan: FaultPlan;

  constructor(storage: FileStorage, plan: FaultPlan) {
    super();
    this.#storage = storage;
    this.#backend = storage as unknown as Backend;
    this.#plan = plan;
    this.capabilities = storage.capabilities;
    this.serve = storage.serve;
    this.isPublic = storage.isPublic;
    this.pieceSize = this.#backend.pieceSize;
  }

  override newId(): string {
    return this.#storage.newId();
  }

  async check(): Promise<void> {
    await this.#plan.strike('check');
    await this.#storage.check();
  }

  override close(): Promise<void> {
    return this.#storage.close();
  }

  override async open(fileOrId: FileOrId, options: OpenOptions = {}): Promise<OpenFile> {
    await this.#plan.strike('open', options.signal);
    const opened = await this.#storage.open(fileOrId, options);
    const { file, localPath } = opened;
    return {
      file: this.#faultyFile(file),
      localPath,
      stream: (range = {}) => this.#faultyStream((part) => opened.stream(part), file.size, range),
      close: () => opened.close(),
    };
  }

  override async url(fileOrId: FileOrId, options: UrlOptions = {}): Promise<string | undefined> {
    await this.#plan.strike('url');
    return this.#storage.url(fileOrId, options);
  }

  protected openStaging(options: StagingOptions): StagingArea {
    const area = this.#backend.openStaging(options);
    return new FaultyStagingArea(area, this.#plan, options.signal);
  }

  protected async readDetails(id: string, options: ReadOptions): Promise<FileDetails> {
    await this.#plan.strike('stat', options.signal);
    return this.#backend.readDetails(id, options);
  }

  protected openStream(details: FileDetails, options: StreamOptions): Readable {
    return this.#faultyStream((part) => this.#backend.openStream(details, part), details.size, options);
  }

  protected async remove(id: string): Promise<void> {
    await this.#plan.strike('delete');
    await this.#backend.remove(id);
  }

  protected async *listIds(options: ListOptions): AsyncIterable<string> {
    await this.#plan.strike('list', options.signal);
    yield* this.#backend.listIds(options);
  }

  #faultyFile(file: StoredFile): StoredFile {
    return new StoredFile(file, (range) => this.#faultyStream((part) => file.stream(part), file.size, range));
  }

  #faultyStream(open: OpenPart, size: number, options: StreamOptions): Readable {
    const length = lengthOf(size, options);
    const faults = this.#plan.next('stream').filter((fault) => positionOf(fault) <= length);
    return faults.length === 0 ? open(options) : new FaultyContent(open, options, faults);
  }
}

class FaultyStagingArea implements StagingArea {
  readonly #area: StagingArea;
  readonly #plan: FaultPlan;
  readonly #signal: AbortSignal | undefined;
  #faults: readonly Fault[];
  #position = 0;

  constructor(area: StagingArea, plan: FaultPlan, signal: AbortSignal | undefined) {
    this.#area = area;
    this.#plan = plan;
    this.#signal = signal;
    this.#faults = plan.next('stage');
  }

  get newId(): string | undefined {
    return this.#area.newId;
  }

  async write(chunks: readonly Buffer[], byteLength: number): Promise<void> {
    this.#position += byteLength;
    await this.#strike((atByte) => atByte < this.#position);
    await this.#area.write(chunks, byteLength);
  }

  async finish(): Promise<void> {
    await this.#strike((atByte) => atByte <= this.#position);
    await this.#area.finish();
  }

  async prepare(details: NewFileDetails): Promise<void> {
    await this.#area.prepare?.(details);
  }

  async commit(details: NewFileDetails): Promise<void> {
    await this.#plan.strike('commit', this.#signal);
    await this.#area.commit(details);
  }

  async replace(details: NewFileDetails, old: FileDetails): Promise<void> {
    await this.#plan.strike('replace', this.#signal);
    await this.#area.replace(details, old);
  }

  discard(): Promise<void> {
    return this.#area.discard();
  }

  async #strike(isDue: (atByte: number) => boolean): Promise<void> {
    const due = this.#faults.filter((fault) => isDue(positionOf(fault)));
    this.#faults = this.#faults.filter((fault) => !due.includes(fault));
    for (const fault of due) await strike(fault, this.#signal);
  }
}

/** Faults, and how often each point was come by. */
class FaultPlan {
  readonly #faults: readonly Fault[];
  readonly #calls = new Map<FaultPoint, number>();

  constructor(faults: readonly Fault[]) {
    this.#faults = faults;
  }

  /** The faults of the next call at a point. */
  next(point: FaultPoint): Fault[] {
    const count = (this.#calls.get(point) ?? 0) + 1;
    this.#calls.set(point, count);
    return this.#faults.filter(({ on, call = count }) => on === point && call === count);
  }

  async strike(point: FaultPoint, signal?: AbortSignal): Promise<void> {
    for (const fault of this.next(point)) await strike(fault, signal);
  }
}

async function strike(fault: Fault, signal: AbortSignal | undefined): Promise<void> {
  if ('delay' in fault) await untilAborted(wait(fault.delay), signal);
  else if ('hang' in fault) await untilAborted(new Promise(() => {}), signal);
  else if ('until' in fault) await untilAborted(fault.until(), signal);
  else throw fault.fail instanceof Error ? fault.fail : new DepotError(fault.fail);
}

/** Waits, or fails with the reason of the signal. */
async function untilAborted(waiting: Promise<unknown>, signal: AbortSignal | undefined): Promise<void> {
  signal?.throwIfAborted();
  let giveUp = () => {};
  const aborted = new Promise<never>((_resolve, reject) => {
    giveUp = () => reject(signal?.reason);
  });
  signal?.addEventListener('abort', giveUp);
  await Promise.race([waiting, aborted]).finally(() => signal?.removeEventListener('abort', giveUp));
}

type OpenPart = (options: StreamOptions) => Readable;

/** Content whose parts are read one after the other, with a fault between them. */
class FaultyContent extends Readable {
  readonly #closing = new AbortController();
  readonly #chunks: AsyncGenerator<Buffer>;

  constructor(open: OpenPart, options: StreamOptions, faults: readonly Fault[]) {
    const { signal } = options;
    super();
    const ended = this.#closing.signal;
    const either = signal ? AbortSignal.any([signal, ended]) : ended;
    this.#chunks = readParts(open, { ...options, signal: either }, faults);
    if (signal) addAbortSignal(signal, this);
  }

  override _read(): void {
    this.#chunks.next().then(
      ({ done, value }) => this.push(done ? null : value),
      (error) => this.destroy(error),
    );
  }

  /** Ends what hangs, then the part that is being read. */
  override _destroy(error: Error | null, callback: (error: Error | null) => void): void {
    this.#closing.abort();
    this.#chunks.return(undefined).then(
      () => callback(error),
      () => callback(error),
    );
  }
}

async function* readParts(
  open: OpenPart,
  { start = 0, end = Number.MAX_SAFE_INTEGER, signal }: StreamOptions,
  faults: readonly Fault[],
): AsyncGenerator<Buffer> {
  let position = start;
  for (const fault of faults.toSorted((one, other) => positionOf(one) - positionOf(other))) {
    const stop = start + positionOf(fault);
    if (stop > position) yield* open({ start: position, end: stop - 1, signal });
    position = stop;
    await strike(fault, signal);
  }
  if (position <= end) yield* open({ start: position, end, signal });
}

function positionOf(fault: Fault): number {
  return fault.atByte ?? 0;
}

/** How many bytes a part of a file has. */
function lengthOf(size: number, { start = 0, end = size }: StreamOptions): number {
  return Math.max(0, Math.min(end + 1, size) - start);
}
