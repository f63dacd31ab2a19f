import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import type { Capability } from '../../contract/capabilities.js';
import type { Content } from '../../contract/content.js';
import type { CreateOptions, FileStorage } from '../../contract/storage.js';
import type { StoredFile } from '../../contract/stored-file.js';
import { type DepotErrorCode, isDepotError } from '../../errors.js';

/** A storage that the suite may use, as its author's test makes it. */
export interface StorageUnderTest {
  readonly storage: FileStorage;
  /**
   * What uploads that came to nothing have left behind, where readers do not look: staged folders, parts of uploads.
   * Asked after each case; any answer but an empty one fails it.
   */
  readonly leftovers?: (() => Promise<readonly string[]>) | undefined;
  /** Called after each case, however it ended: closes the storage, removes its folder. */
  readonly cleanup?: (() => Promise<void>) | undefined;
}

export type OpenStorage = () => Promise<StorageUnderTest>;

/** What a case proves, as a sentence, and how. */
export type Cases = Readonly<Record<string, (subject: Subject) => Promise<void>>>;

/** The storage of one case, and assertions whose messages name its class and the method. */
export class Subject {
  readonly storage: FileStorage;
  readonly #openStorage: OpenStorage;
  readonly #leftovers: () => Promise<readonly string[]>;
  readonly #endings: (() => unknown)[] = [];

  static async open(openStorage: OpenStorage): Promise<Subject> {
    return new Subject(await openStorage(), openStorage);
  }

  private constructor({ storage, leftovers, cleanup }: StorageUnderTest, openStorage: OpenStorage) {
    this.storage = storage;
    this.#openStorage = openStorage;
    this.#leftovers = leftovers ?? (async () => []);
    if (cleanup) this.atEnd(cleanup);
  }

  get className(): string {
    return this.storage.constructor.name;
  }

  /** Something to do when the case has ended, last come first. */
  atEnd(ending: () => unknown): void {
    this.#endings.unshift(ending);
  }

  async end(): Promise<void> {
    for (const ending of this.#endings) await ending();
  }

  /** A second storage of the same kind; maybe the same one. */
  async another(): Promise<FileStorage> {
    const { storage, cleanup } = await this.#openStorage();
    if (cleanup) this.atEnd(cleanup);
    return storage;
  }

  can(capability: Capability): boolean {
    return this.storage.capabilities.has(capability);
  }

  /** An id that no file has, and that every storage with the capability `anyId` takes. */
  newId(): string {
    return `conformance-${randomUUID()}`;
  }

  /** The id of a file that was, in the storage's own form. */
  async goneId(): Promise<string> {
    const id = await this.storage.create('gone');
    await this.storage.delete(id);
    return id;
  }

  async store(content: Content, options?: CreateOptions): Promise<StoredFile> {
    return this.storage.get(await this.storage.create(content, options));
  }

  /** All ids, those of files that others stored too. */
  async ids(): Promise<string[]> {
    return collect(this.storage.list());
  }

  /** Text of an assertion about a method. */
  must(method: string, sentence: string): string {
    return `${this.className}.${method}() must ${sentence}`;
  }

  ok(condition: unknown, method: string, sentence: string): void {
    assert.ok(condition, this.must(method, sentence));
  }

  equal(actual: unknown, expected: unknown, method: string, sentence: string): void {
    assert.deepEqual(actual, expected, this.must(method, sentence));
  }

  /** As `equal`, without a listing of megabytes when it fails. */
  sameBytes(actual: Uint8Array, expected: Uint8Array, method: string, sentence: string): void {
    if (Buffer.compare(actual, expected) === 0) return;
    const position = expected.findIndex((byte, index) => byte !== actual[index]);
    const where = position < 0 ? 'has bytes after the end' : `differs at byte ${position}`;
    const what = `${actual.byteLength} bytes came instead of ${expected.byteLength}, and the content ${where}`;
    assert.fail(`${this.must(method, sentence)}; ${what}`);
  }

  /** The promise must fail with a `DepotError` of this code. */
  async rejects(act: Promise<unknown>, code: DepotErrorCode, method: string, when: string): Promise<void> {
    const outcome = await outcomeOf(act);
    const failed = this.must(method, `fail with ${code} ${when}`);
    assert.ok('error' in outcome, `${failed}, but it did not fail`);
    assert.ok(isDepotError(outcome.error, code), `${failed}, but it failed with ${inOneLine(outcome.error)}`);
  }

  /** The promise must fail with this very error. */
  async rejectsWith(act: Promise<unknown>, error: unknown, method: string, when: string): Promise<void> {
    const outcome = await outcomeOf(act);
    const failed = this.must(method, `fail with the error that was given ${when}`);
    assert.ok('error' in outcome, `${failed}, but it did not fail`);
    assert.ok(outcome.error === error, `${failed}, but it failed with ${inOneLine(outcome.error)}`);
  }

  /** The promise may fail, but only with one of these codes; gives its value if it does not. */
  async allow<T>(act: Promise<T>, codes: readonly DepotErrorCode[], method: string): Promise<T | undefined> {
    const outcome = await outcomeOf(act);
    if (!('error' in outcome)) return outcome.value;
    const { error } = outcome;
    const allowed = codes.some((code) => isDepotError(error, code));
    assert.ok(
      allowed,
      `${this.must(method, `fail with ${codes.join(' or ')} only`)}, not ${inOneLine(error)}`,
    );
    return undefined;
  }

  /** Whatever is done must leave the same files as before. */
  async leavesNothing(method: string, when: string, act: () => Promise<void>): Promise<void> {
    const before = await this.ids();
    await act();
    this.equal(await this.ids(), before, method, `leave no file behind ${when}`);
    await this.assertNoLeftovers();
  }

  async assertNoLeftovers(): Promise<void> {
    const leftovers = [...(await this.#leftovers())];
    assert.deepEqual(leftovers, [], this.must('stage', 'leave nothing behind of what did not become a file'));
  }
}

/** All that an iterable gives. */
export async function collect<T>(iterable: AsyncIterable<T>): Promise<T[]> {
  const items: T[] = [];
  for await (const item of iterable) items.push(item);
  return items;
}

type Outcome<T> = { readonly value: T } | { readonly error: unknown };

async function outcomeOf<T>(act: Promise<T>): Promise<Outcome<T>> {
  try {
    return { value: await act };
  } catch (error) {
    return { error };
  }
}

/** An error in one line. */
export function inOneLine(error: unknown): string {
  const code = isDepotError(error) ? ` ${error.code}` : '';
  return error instanceof Error || error instanceof DOMException
    ? `${error.name}${code}: ${error.message}`
    : String(error);
}
