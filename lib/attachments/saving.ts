import type { Content } from '../contract/content.js';
import { toContentSource } from '../contract/content.js';
import { parseFilePath } from '../contract/file-path.js';
import { parseFrozen } from '../contract/metadata.js';
import type { StagedFile, WrittenDetails } from '../contract/staged-file.js';
import { closedOnFailure, type FileStorage, type StageOptions } from '../contract/storage.js';
import type { StorageDirectory } from '../contract/storage-directory.js';
import { DepotError } from '../errors.js';
import { decideContentType } from '../internal/accept.js';
import { detectContentType, HEAD_BYTES } from '../internal/content-type.js';
import { type Attachment, type AttachmentData, newStored } from './attachment.js';
import type { AttachmentField } from './field.js';
import { type Additions, type FileFinder, FilterRun, filterSource } from './filter-run.js';
import type { AddFileOptions, DerivedFile, OriginalFile } from './filters.js';
import { type Incoming, type IncomingContent, type IncomingFile, toCopy, toIncoming } from './incoming.js';
import type { Intent } from './journal/journal.js';
import type { TakenSlot } from './slots.js';

/** Where intents are written, and files go that came to nothing. */
export interface IntentDesk {
  readonly depot: StorageDirectory;
  newIntent(state: Intent['state'], paths: readonly string[]): Intent;
  announce(intents: readonly Intent[]): Promise<void>;
  /** For a file that will be stored in the storage of that name. */
  takeSlot(storageName: string): TakenSlot;
  /** Deletes the files of intents, and forgets them. Never fails. */
  discharge(intents: readonly Intent[]): Promise<void>;
  /** Forgets intents without a file, in the background. Never fails. */
  forget(intents: readonly Intent[]): void;
}

/** An attachment whose files are stored, and the intents that stand for them. */
export interface Saved {
  readonly attachment: Attachment;
  readonly intents: readonly Intent[];
}

/** A file that is stored for the attachment. */
interface OwnFile {
  readonly depot: string;
  readonly path: string;
  readonly details: WrittenDetails;
}

/** What is known of the original. */
interface Original extends OwnFile {
  readonly content: Content;
  readonly detectedType: string | undefined;
}

/** Stores the files of one attachment: the original, and what filters add. */
export class Saving {
  readonly #desk: IntentDesk;
  readonly #field: AttachmentField;
  readonly #signal: AbortSignal;
  readonly #intents: Intent[] = [];
  /** Intents whose files may be there. */
  readonly #visible = new Set<Intent>();
  #leavesUpload = false;

  constructor(desk: IntentDesk, field: AttachmentField, signal: AbortSignal) {
    this.#desk = desk;
    this.#field = field;
    this.#signal = signal;
  }

  /** Whether it has failed before it took over the upload that it was given, which can be saved another time. */
  get leavesUpload(): boolean {
    return this.#leavesUpload;
  }

  /**
   * If it fails, nothing stays stored but what cannot be deleted, which the journal remembers, and an upload that was not
   * taken over.
   */
  async run(value: unknown): Promise<Saved> {
    try {
      const original = await this.#store(await toIncoming(value));
      const additions = await this.#filter(original);
      const data = toData(original, additions);
      return { attachment: newStored(data, this.#desk.depot), intents: this.#intents };
    } catch (error) {
      await this.undo();
      throw error;
    }
  }

  /** Removes what was stored. Never fails. */
  async undo(): Promise<void> {
    const isVisible = (intent: Intent) => this.#visible.has(intent);
    await this.#desk.discharge(this.#intents.filter(isVisible));
    this.#desk.forget(this.#intents.filter((intent) => !isVisible(intent)));
  }

  async #store(incoming: Incoming): Promise<Original> {
    return incoming.kind === 'file' ? this.#adopt(incoming) : this.#create(await this.#process(incoming));
  }

  async #process(incoming: IncomingContent): Promise<IncomingContent> {
    const { processContent } = this.#field;
    if (!processContent) return incoming;
    const { content, ...options } = await processContent({ content: incoming.content, ...incoming.options });
    return { ...incoming, content, options };
  }

  async #create({ content, options, previousType }: IncomingContent): Promise<Original> {
    const said = toContentSource(content);
    const filename = options.filename ?? said.filename;
    const declared = options.contentType ?? (previousType === undefined ? said.contentType : undefined);
    let detectedType: string | undefined;
    let contentType: string | undefined;
    const checkType = (detected: string | undefined) => {
      detectedType = detected;
      const claims = { detected, declared, filename, previous: previousType };
      contentType = decideContentType(claims, this.#field.accept);
    };
    const file = await this.#createFile(content, this.#field.storage, {
      options: () => ({ filename, contentType, metadata: options.metadata }),
      staging: { maxSize: this.#field.maxSize, checkType },
    });
    return { ...file, content, detectedType };
  }

  #createFile(content: Content, storageName: string | undefined, how: HowToCreate): Promise<OwnFile> {
    return closedOnFailure(content, () => this.#announceAndCreate(content, storageName, how));
  }

  /** Announces while the content is stored; no reader sees the file before it is announced. */
  async #announceAndCreate(
    content: Content,
    storageName: string | undefined,
    how: HowToCreate,
  ): Promise<OwnFile> {
    const depot = this.#desk.depot.resolveAlias(storageName);
    const storage = this.#desk.depot.get(depot);
    const { id, intent, announced } = this.#desk.takeSlot(depot);
    this.#intents.push(intent);
    const expected = () => ({ ...how.options(), id });
    // The content may be long in coming, and hears of a failure then.
    announced.catch(() => {});
    try {
      const staged = await storage.stage(content, { ...how.staging, expected, signal: this.#signal });
      await staged.commit(expected(), this.#whenAnnounced(intent, announced));
      return { depot, path: `${depot}/${id}`, details: detailsOf(staged) };
    } catch (error) {
      await Promise.allSettled([announced]);
      throw error;
    }
  }

  /** After that, the file may be there. */
  async #whenAnnounced(intent: Intent, announced: Promise<void>): Promise<void> {
    await announced;
    this.#visible.add(intent);
    this.#signal.throwIfAborted();
  }

  /** Takes over a file where it is, unless the field stores something else in its place. */
  async #adopt({ info, options }: IncomingFile): Promise<Original> {
    const { storageName: depot, id } = parseFilePath(info.path);
    this.#leavesUpload = true;
    const file = await this.#desk.depot.get(depot).get(id);
    const intent = this.#desk.newIntent('upload', [info.path]);
    await this.#desk.announce([intent]);
    this.#leavesUpload = false;
    this.#intents.push(intent);
    this.#visible.add(intent);
    this.#signal.throwIfAborted();
    const processed = await this.#process(toCopy(file, options));
    if (processed.content !== file) return this.#createInstead(intent, processed);
    const detectedType = await detectContentType(
      Buffer.concat(await file.stream({ end: HEAD_BYTES - 1 }).toArray()),
    );
    const { filename = file.filename, metadata = file.metadata } = processed.options;
    const claims = { detected: detectedType, filename, previous: file.contentType };
    const contentType = decideContentType(claims, this.#field.accept);
    if (file.size > this.#field.maxSize) throw new DepotError('FILE_TOO_LARGE');
    const details = { ...file, filename, metadata, contentType };
    return { depot, path: info.path, details, content: file, detectedType };
  }

  /** Of an uploaded file that was changed, the first form goes at once: no row will ever refer to it. */
  async #createInstead(uploaded: Intent, changed: IncomingContent): Promise<Original> {
    const original = await this.#create(changed);
    this.#intents.splice(this.#intents.indexOf(uploaded), 1);
    await this.#desk.discharge([uploaded]);
    return original;
  }

  async #filter(original: Original): Promise<Additions> {
    const { content, detectedType, details, depot } = original;
    const { filters } = this.#field;
    if (filters.length === 0) return { files: {}, metadata: {} };
    const finder = finderOf(this.#desk.depot.get(depot), details.id);
    const facts: OriginalFile = { ...details, sha256: details.sha256 ?? '', detectedType };
    const store = (derived: Content, options: AddFileOptions) => this.#storeDerived(depot, derived, options);
    return new FilterRun(facts, filterSource(content, finder), filters, this.#signal, store).run();
  }

  async #storeDerived(depot: string, content: Content, options: AddFileOptions): Promise<DerivedFile> {
    const { filename, contentType, details = {}, storage = depot } = options;
    const file = await this.#createFile(content, storage, {
      options: () => ({ filename, contentType }),
      staging: {},
    });
    return { ...details, ...nameOf(file), size: file.details.size };
  }
}

function finderOf(storage: FileStorage, id: string): FileFinder {
  const locate = async () => {
    const file = await storage.open(id);
    await file.close();
    return file.localPath;
  };
  const isLocal = storage.capabilities.has('localPath');
  return { find: () => storage.get(id), locate: isLocal ? locate : async () => undefined };
}

interface HowToCreate {
  /** Asked when the type is decided. */
  readonly options: () => { filename?: string | undefined; contentType?: string | undefined };
  readonly staging: StageOptions;
}

function toData(original: Original, { files, metadata }: Additions): AttachmentData {
  const { size, sha256, lastModified } = original.details;
  const facts = { ...original.details.metadata, ...metadata };
  const paths = [original.path, ...Object.values(files).map(({ path }) => path)];
  const data = {
    ...nameOf(original),
    ...{ size, sha256, uploadedAt: lastModified.toISOString(), files: paths },
    ...(Object.keys(facts).length > 0 && { metadata: facts }),
    ...files,
  };
  return parseFrozen(JSON.stringify(data));
}

function nameOf({ depot, path, details: { id, filename, contentType } }: OwnFile) {
  return { depot, id, path, filename, contentType };
}

function detailsOf({ details }: StagedFile): WrittenDetails {
  if (details) return details;
  throw new DepotError('STORAGE_FAILED', 'The storage does not tell what it has stored');
}
