import type { IncomingMessage } from 'node:http';
import type { Content } from '../contract/content.js';
import { assertFileId } from '../contract/file-id.js';
import { type FileInfo, toFileInfo, uploadedFileOf } from '../contract/file-info.js';
import { cleanFileName } from '../contract/file-name.js';
import { assertStorageName, parseFilePath } from '../contract/file-path.js';
import { type Recoverable, type Recovery, totalRecovery } from '../contract/recovery.js';
import { assertFileOptions, type StagedFile, type WrittenDetails } from '../contract/staged-file.js';
import {
  type CreateOptions,
  closedOnFailure,
  FileStorage,
  type ReplaceOptions,
} from '../contract/storage.js';
import type { StorageDirectory } from '../contract/storage-directory.js';
import type { StoredFile } from '../contract/stored-file.js';
import { DepotError } from '../errors.js';
import { assertOptionNames } from '../internal/option-names.js';
import { Signer } from '../internal/signature.js';
import { checkedOptions, isVariantName, type ServeOptions } from '../serve/options.js';
import { type ServeMiddleware, serveFiles } from '../serve/router.js';
import { plainQuery, signedQuery } from '../serve/signed-url.js';
import { type ErrorHandler, type ErrorHandlerOptions, errorHandler } from '../upload/error-handler.js';
import type { ReceiveOptions, UploadOptions } from '../upload/options.js';
import { receiveFile } from '../upload/receive-file.js';
import { type Uploader, uploadFiles } from '../upload/upload-files.js';
import {
  type PlannedStorage,
  planStorage,
  readSettings,
  type StorageOptions,
  type StorageSettings,
} from './config.js';
import { mountable, pathOf } from './mountable.js';
import type { GivenOptions } from './options.js';
import { type FlatSettings, parseSettings } from './settings.js';

export interface ManagerOptions {
  /** With what URLs are signed. */
  readonly signing?: SigningOptions | undefined;
}

export interface SigningOptions {
  /** Secrets of at least 32 bytes, the newest first: it signs, and what an older one has signed goes on working. */
  readonly keys: readonly (string | Uint8Array)[];
}

export interface FileUrlOptions {
  /** Seconds for which the URL works: it is signed. @default for ever; of a private storage, half an hour to an hour */
  readonly expiresIn?: number | undefined;
  /** `attachment` for a download; `inline` as the middleware serves the file anyway. @default 'inline' */
  readonly disposition?: 'inline' | 'attachment' | undefined;
  /** A name for people, at the end of the URL; the file's own is that of a download. @default none */
  readonly filename?: string | undefined;
  /** Name of one of the middleware's `variants`, which is served in place of the file. @default the file itself */
  readonly variant?: string | undefined;
}

const URL_OPTIONS: readonly (keyof FileUrlOptions)[] = ['expiresIn', 'disposition', 'filename', 'variant'];

/** Seconds in which the URL of a file of a private storage stays the same, and at least works, if nobody says how long. */
const URL_STRETCH = 1800;

/** What `create` takes besides the content. */
export interface CreateFileOptions extends CreateOptions {
  /** Name or alias of the storage. @default the default storage */
  readonly storage?: string | undefined;
}

/** A storage with its real name. */
interface NamedStorage {
  readonly name: string;
  readonly storage: FileStorage;
}

/**
 * The storages of an application by their names, and the middlewares that upload to them and serve from them.
 * A file's path is `<storage>/<id>`.
 *
 * @example
 * const depot = new DepotManager();
 * depot.configure('default', { backend: 'local', storagePath: './uploads' });
 * app.use(depot.middleware());
 */
export class DepotManager implements StorageDirectory {
  readonly #storages = new Map<string, FileStorage>();
  readonly #aliases = new Map<string, string>();
  readonly #private = new Set<string>();
  readonly #recoverables: Recoverable[] = [];
  readonly #signer: Signer | undefined;
  #default: string | undefined;
  #baseUrl = (): string => checkedOptions({}).mountpoint;

  /** @throws DepotError `INVALID_OPTION` */
  constructor({ signing }: ManagerOptions = {}) {
    this.#signer = signing && new Signer(signing.keys);
  }

  /**
   * A manager from flat settings, as of an .ini file or the environment. Those that begin with `prefix` count; unset and
   * empty ones do not. Options are written in camelCase or snake_case.
   * - `depot.backend`, `depot.url`, `depot.storagePath`, …: the storage `default`
   * - `depot.<name>.backend`, …: the storage of that name
   * - `depot.<name>.aliasOf`: makes the name an alias
   * - `depot.default`: name of the default storage, else the one called `default`, else the first
   * - `depot.signingKeys`: keys that URLs are signed with, the newest first, with commas in between
   *
   * A prefix that ends in `_` means environment variables: names are in lower case, and `DEPOT_USER_PHOTOS_STORAGE_PATH`
   * is the `storagePath` of `user_photos`.
   *
   * @example
   * DepotManager.fromConfig(process.env, 'DEPOT_');
   * @throws DepotError `INVALID_OPTION`; `STORAGE_NOT_FOUND` where an alias or the default names no storage
   */
  static fromConfig(settings: FlatSettings, prefix = 'depot.'): DepotManager {
    const { storages, aliases, defaultName, signingKeys } = parseSettings(settings, prefix);
    const manager = new DepotManager(signingKeys && { signing: { keys: signingKeys } });
    for (const [name, options] of storages) manager.#add(name, () => planStorage(options));
    for (const [alias, name] of aliases) manager.alias(alias, name);
    if (defaultName !== undefined) manager.setDefault(defaultName);
    return manager;
  }

  /**
   * Adds a storage. The first one becomes the default.
   * @param storage options of a backend, a URL (`file:./relative`, `file:///absolute`, `memory:`; options as its query),
   *   or a storage of your own
   * @param settings of a storage of your own; options and URLs have them among the others
   * @throws DepotError `INVALID_OPTION`, `STORAGE_EXISTS`
   */
  configure(
    name: string,
    storage: (StorageOptions & StorageSettings) | FileStorage | string,
    settings: StorageSettings = {},
  ): FileStorage {
    return this.#add(name, () => toStorage(storage, settings));
  }

  get(name?: string): FileStorage {
    return this.#find(name).storage;
  }

  resolveAlias(name?: string): string {
    return this.#find(name).name;
  }

  /** Names of the storages in the order of their configuration, without aliases. */
  names(): string[] {
    return [...this.#storages.keys()];
  }

  /** @throws DepotError `STORAGE_NOT_FOUND` */
  setDefault(name: string): void {
    this.#default = this.resolveAlias(name);
  }

  /**
   * Name of the storage that is used where none is named.
   * @throws DepotError `STORAGE_NOT_FOUND` where none is configured
   */
  getDefault(): string {
    if (this.#default === undefined) throw new DepotError('STORAGE_NOT_FOUND', 'No storage is configured');
    return this.#default;
  }

  /**
   * Lets a name stand for a storage: files under the name of one that is gone are found in its replacement.
   * @throws DepotError `INVALID_OPTION`; `STORAGE_EXISTS` where the alias is taken; `STORAGE_NOT_FOUND` for its target
   */
  alias(alias: string, name: string): void {
    this.#assertFree(alias);
    this.#aliases.set(alias, this.resolveAlias(name));
  }

  /**
   * Stores content as a new file; resolves when it is durable.
   * @throws DepotError `STORAGE_NOT_FOUND`, and those of `FileStorage.create`
   */
  async create(content: Content, options: CreateFileOptions = {}): Promise<FileInfo> {
    return closedOnFailure(content, async () => {
      const { name, storage } = this.#find(options.storage);
      if (options.id !== undefined) assertFileId(options.id);
      assertFileOptions(options);
      const source = await this.#sourceOf(content);
      const staged = await storage.stage(source, { ...options, expected: options });
      await staged.commit(options);
      return this.#inform(name, staged);
    });
  }

  /**
   * Gives a file new content, and keeps its path; what `options` leave out stays as it was.
   * @throws DepotError `INVALID_PATH`, `STORAGE_NOT_FOUND`, and those of `FileStorage.replace`
   */
  async replace(path: string, content: Content, options: ReplaceOptions = {}): Promise<FileInfo> {
    return closedOnFailure(content, async () => {
      const { name, storage, id } = this.#locate(path);
      assertFileOptions(options);
      const replaces = await storage.stat(id, options);
      const source = await this.#sourceOf(content);
      const staged = await storage.stage(source, { ...options, expected: options, replaces });
      await staged.replace(id, options);
      return this.#inform(name, staged);
    });
  }

  /** @throws DepotError `INVALID_PATH`, `STORAGE_NOT_FOUND`, `FILE_NOT_FOUND` */
  async getFile(path: string): Promise<StoredFile> {
    const { storage, id } = this.#locate(path);
    return storage.get(id);
  }

  /**
   * The JSON form of a file. Its storage is the real one, also where the path has an alias.
   * @throws DepotError `INVALID_PATH`, `STORAGE_NOT_FOUND`, `FILE_NOT_FOUND`
   */
  async info(path: string): Promise<FileInfo> {
    const { name, storage, id } = this.#locate(path);
    return this.#toInfo(name, await storage.stat(id));
  }

  /**
   * Deletes a file. That it does not exist is no error.
   * @throws DepotError `INVALID_PATH`, `STORAGE_NOT_FOUND`
   */
  async delete(path: string): Promise<void> {
    const { storage, id } = this.#locate(path);
    await storage.delete(id);
  }

  /**
   * Where the middleware serves a file, from the root of the application: below the path that Express mounted it on.
   * With several middlewares, it is the one made or mounted last.
   *
   * With `expiresIn`, and for a private storage always, the URL is signed: it works for so long, as it is, and as no
   * other. Without `expiresIn` it stays the same for half an hour, so that browsers can cache the file.
   * @throws DepotError `INVALID_PATH`; `INVALID_OPTION`, also where a URL is to be signed and there are no keys
   */
  urlFor(path: string, options: FileUrlOptions = {}): string {
    const { storageName, id } = parseFilePath(path);
    assertOptionNames(options, URL_OPTIONS, 'urlFor');
    const { filename, download, variant, expires } = checkedUrlOptions(options, Date.now());
    const name = filename === undefined ? '' : `/${encodeURIComponent(filename)}`;
    const url = `${this.#baseUrl()}/${storageName}/${id}${name}`;
    const link = { storage: storageName, id, filename, download, variant, expires };
    const isSigned = options.expiresIn !== undefined || this.isPrivate(storageName);
    const query = isSigned ? signedQuery(link, (text) => this.#sign(text)) : plainQuery(link);
    return query === '' ? url : `${url}?${query}`;
  }

  isPrivate(name: string): boolean {
    return this.#private.has(this.#aliases.get(name) ?? name);
  }

  get isSigned(): StorageDirectory['isSigned'] {
    const signer = this.#signer;
    return signer && ((text, signature) => signer.verify(text, signature));
  }

  /**
   * A middleware that serves the files, for Express, Connect and node:http.
   * Express has this manager as `app.locals.depot` when `app.use` returns.
   */
  middleware(options: ServeOptions = {}): ServeMiddleware {
    const { mountpoint } = checkedOptions(options);
    this.#baseUrl = () => mountpoint;
    return mountable(serveFiles(this, options), (parent, mountPath) => {
      Object.assign(parent.locals, { depot: this });
      this.#baseUrl = () => pathOf(parent) + mountPath + mountpoint;
    });
  }

  /**
   * Handlers that store the files of a form: `.single(name)`, `.array(name)`, `.fields(fields)`, `.any()`, `.none()`,
   * as multer's. The stored file is `req.file.depot`, or `req.files[i].depot`.
   * @throws DepotError `INVALID_OPTION`, `INVALID_METADATA`
   */
  upload(options: UploadOptions = {}): Uploader {
    return uploadFiles(this, options);
  }

  /**
   * Stores the body of a request as a file, or as the new content of one; resolves when it is durable.
   * @throws DepotError those of `receiveFile`
   */
  receive(req: IncomingMessage, options: ReceiveOptions = {}): Promise<FileInfo> {
    return receiveFile(this, req, options);
  }

  /** Answers errors of uploads and downloads as problem details (RFC 9457); others go on. Comes after all routes. */
  errorHandler(options: ErrorHandlerOptions = {}): ErrorHandler {
    return errorHandler(options);
  }

  /**
   * Fails unless every storage can be used. All are tried; the first failure is thrown.
   * @throws DepotError `STORAGE_UNAVAILABLE`
   */
  async check(): Promise<void> {
    await allDone([...this.#storages.values()].map((storage) => storage.check()));
  }

  addRecoverable(recoverable: Recoverable): void {
    this.#recoverables.push(recoverable);
  }

  /**
   * Settles what processes that have died left of the attachments of all databases: files without a row go. Meant for
   * the start of the application, when its models are declared; several processes may do so at once.
   * All are tried; the first failure is thrown.
   */
  async recover(): Promise<Recovery> {
    return totalRecovery(await allDone(this.#recoverables.map((recoverable) => recoverable.recover())));
  }

  /** Releases what the storages hold. All are closed; the first failure is thrown. */
  async close(): Promise<void> {
    await allDone([...this.#storages.values()].map((storage) => storage.close()));
  }

  /** What can be wrong is looked for before the storage is opened. */
  #add(name: string, plan: () => PlannedStorage): FileStorage {
    this.#assertFree(name);
    const { settings, open } = plan();
    if (settings.private && !this.#signer) throw missingKeys(`The storage "${name}" is private`);
    const storage = open();
    if (settings.private && storage.isPublic)
      throw new DepotError('INVALID_OPTION', `"${name}" cannot be private: its backend lets everybody read`);
    if (settings.private) this.#private.add(name);
    this.#storages.set(name, storage);
    this.#default ??= name;
    return storage;
  }

  #sign(text: string): string {
    if (!this.#signer) throw missingKeys('The URL is to expire');
    return this.#signer.sign(text);
  }

  /** The `req.file` of an upload here has no content any more, but tells where it is. */
  async #sourceOf(content: Content): Promise<Content> {
    const info = uploadedFileOf(content);
    return info ? this.getFile(info.path) : content;
  }

  /** A staged file knows its details as soon as it is one that readers see. */
  #inform(name: string, { details }: StagedFile): FileInfo {
    return this.#toInfo(name, details as WrittenDetails);
  }

  #toInfo(name: string, details: WrittenDetails): FileInfo {
    return toFileInfo(name, details, this.urlFor(`${name}/${details.id}`));
  }

  #locate(path: string): NamedStorage & { readonly id: string } {
    const { storageName, id } = parseFilePath(path);
    return { ...this.#find(storageName), id };
  }

  #find(nameOrAlias = this.getDefault()): NamedStorage {
    const name = this.#aliases.get(nameOrAlias) ?? nameOrAlias;
    const storage = this.#storages.get(name);
    if (!storage) throw new DepotError('STORAGE_NOT_FOUND', `There is no storage ${JSON.stringify(name)}`);
    return { name, storage };
  }

  #assertFree(name: string): void {
    assertStorageName(name);
    if (!this.#storages.has(name) && !this.#aliases.has(name)) return;
    throw new DepotError('STORAGE_EXISTS', `The name "${name}" is taken by a storage or an alias`);
  }
}

function toStorage(
  storage: (StorageOptions & StorageSettings) | FileStorage | string,
  settings: StorageSettings,
): PlannedStorage {
  if (storage instanceof FileStorage)
    return { settings: readSettings(givenOf(settings)), open: () => storage };
  if (typeof storage !== 'string' && !isObject(storage))
    throw new DepotError('INVALID_OPTION', 'A storage is given as options, as a URL, or as a FileStorage');
  const options = typeof storage === 'string' ? { url: storage } : storage;
  return planStorage([...givenOf(options), ...givenOf(settings)]);
}

function isObject(value: unknown): value is object {
  return typeof value === 'object' && value !== null;
}

function givenOf(options: object): GivenOptions {
  return Object.entries(options).filter(([, value]) => value !== undefined);
}

function checkedUrlOptions(options: FileUrlOptions, now: number) {
  const { expiresIn, disposition = 'inline', filename, variant } = options;
  if (expiresIn !== undefined && !isPeriod(expiresIn))
    throw new DepotError('INVALID_OPTION', 'expiresIn must be a number of seconds, more than 0');
  if (disposition !== 'inline' && disposition !== 'attachment')
    throw new DepotError('INVALID_OPTION', 'disposition must be "inline" or "attachment"');
  if (variant !== undefined && !isVariantName(variant))
    throw new DepotError('INVALID_OPTION', 'variant must be a name of letters, digits, "-" and "_"');
  return {
    filename: filename === undefined ? undefined : cleanFileName(filename),
    download: disposition === 'attachment',
    variant,
    expires: expiryOf(expiresIn, now / 1000).toFixed(),
  };
}

function isPeriod(seconds: unknown): boolean {
  return typeof seconds === 'number' && seconds > 0 && Number.isSafeInteger(Math.ceil(seconds));
}

/** Seconds since the epoch; without a period, at the end of the next stretch. */
function expiryOf(expiresIn: number | undefined, now: number): number {
  if (expiresIn !== undefined) return Math.ceil(now + expiresIn);
  return (Math.floor(now / URL_STRETCH) + 2) * URL_STRETCH;
}

function missingKeys(reason: string): DepotError {
  const message = `${reason}, and there is nothing to sign with: new DepotManager({ signing: { keys: [secret] } })`;
  return new DepotError('INVALID_OPTION', message);
}

/** Waits for all, whatever becomes of some. */
async function allDone<Result>(acts: readonly Promise<Result>[]): Promise<Result[]> {
  await Promise.allSettled(acts);
  return Promise.all(acts);
}
