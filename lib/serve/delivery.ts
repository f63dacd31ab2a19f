import type { IncomingMessage, ServerResponse } from 'node:http';
import { isDeepStrictEqual } from 'node:util';
import type { FileStorage, OpenFile, OpenOptions, ReadOptions } from '../contract/storage.js';
import type { StoredFile } from '../contract/stored-file.js';
import type { Variant } from '../contract/variant.js';
import { DepotError, isDepotError } from '../errors.js';
import type { Departure } from './departure.js';
import type { ServeSettings } from './options.js';
import {
  dispositionOf,
  planRedirect,
  planResponse,
  planSendfile,
  planVariant,
  type RequestHead,
  type ResponsePlan,
  signedUrlSeconds,
} from './plan.js';
import { sendfileHeader } from './sendfile.js';
import type { FileTarget } from './target.js';
import { detailsOfVariant } from './variant.js';
import { writeContent, writeHead, writeVariant } from './write.js';

/** How often a file is opened anew that was replaced between being opened and being read. */
const MAX_ATTEMPTS = 5;

/** The request that is answered, and how. */
export interface DeliveryContext {
  readonly settings: ServeSettings;
  /** Whether the storage serves nothing but what is signed. */
  readonly isPrivate: boolean;
  readonly req: IncomingMessage;
  readonly res: ServerResponse;
  readonly departure: Departure;
}

/**
 * Answers a GET or HEAD for a file of a storage.
 * @throws DepotError `FORBIDDEN`, `VARIANT_NOT_FOUND`, and what the storage, the variant or `authorize` fails with; then
 *   nothing was sent, or only a part
 */
export async function deliver(
  storage: FileStorage,
  target: FileTarget,
  context: DeliveryContext,
): Promise<void> {
  const delivery = new Delivery(storage, target, context);
  for (let attempt = 1; ; attempt++) {
    try {
      await delivery.run();
      return;
    } catch (error) {
      const isReplaced = isDepotError(error, 'CONFLICT') && !context.res.headersSent;
      if (!isReplaced || attempt === MAX_ATTEMPTS) throw error;
    }
  }
}

class Delivery {
  readonly #storage: FileStorage;
  readonly #id: string;
  readonly #context: DeliveryContext;
  readonly #request: RequestHead;
  readonly #variant: Variant | undefined;
  #authorized: StoredFile | undefined;

  constructor(storage: FileStorage, { id, download, variant }: FileTarget, context: DeliveryContext) {
    const { method, headers } = context.req;
    this.#storage = storage;
    this.#id = id;
    this.#context = context;
    this.#request = { method: method === 'HEAD' ? 'HEAD' : 'GET', headers, download };
    this.#variant = variant === undefined ? undefined : variantNamed(variant, context.settings);
  }

  async run(): Promise<void> {
    if (this.#variant) await this.#sendVariant(this.#variant);
    else await this.#sendFile();
  }

  async #sendFile(): Promise<void> {
    const plan = await this.#planByDetails();
    if (plan && plan.kind !== 'content') writeHead(this.#context.res, plan);
    else await this.#sendContent();
  }

  /** An answer from the file's details alone, tried where it is likely to do: it spares opening the content. */
  async #planByDetails(): Promise<ResponsePlan | undefined> {
    const { settings } = this.#context;
    const { capabilities } = this.#storage;
    const mayRedirect = capabilities.has('url') && this.#isToRedirect();
    const mayHandOver = settings.sendfile && capabilities.has('localPath');
    if (!mayRedirect && (mayHandOver || !asksForNoContent(this.#request))) return undefined;
    const isRecalled = mayRedirect && !settings.verify && this.#request.method === 'GET';
    const file = await (isRecalled
      ? this.#storage.recall(this.#id)
      : this.#storage.get(this.#id, this.#readOptions()));
    await this.#authorize(file);
    const redirect = mayRedirect ? await this.#planRedirect(file) : undefined;
    return redirect ?? planResponse(this.#request, file, settings);
  }

  async #sendContent(): Promise<void> {
    const { settings, res } = this.#context;
    const open = await this.#storage.open(this.#id, this.#openOptions());
    try {
      await this.#authorize(open.file);
      const plan = this.#planHandover(open) ?? planResponse(this.#request, open.file, settings);
      if (plan.kind === 'content') await writeContent(res, plan, open, this.#context.departure);
      else writeHead(res, plan);
    } finally {
      await open.close().catch(ignore);
    }
  }

  /** Made only for who may have the file, and does not have it already. */
  async #sendVariant(variant: Variant): Promise<void> {
    const { settings, res, departure } = this.#context;
    const file = await this.#storage.get(this.#id, this.#readOptions());
    await this.#authorize(file);
    const plan = planVariant(this.#request, detailsOfVariant(file, variant), settings);
    if (plan.kind !== 'variant') writeHead(res, plan);
    else writeVariant(res, plan, await variant.make(file, { signal: departure.signal }));
  }

  /** What lies on this machine is there at once, and is not worth a signal. */
  #readOptions(): ReadOptions {
    return this.#storage.capabilities.has('localPath') ? {} : { signal: this.#context.departure.signal };
  }

  /** With the range that is likely to be sent. */
  #openOptions(): OpenOptions {
    const { method, headers } = this.#request;
    const isHint = method === 'GET' && headers['if-range'] === undefined;
    const options = this.#readOptions();
    return isHint && options.signal ? { ...options, range: headers.range } : options;
  }

  /** What is said of the storage goes before what is said of all. */
  #isToRedirect(): boolean {
    const { serve } = this.#storage;
    return serve === 'auto' ? this.#context.settings.redirect : serve === 'redirect';
  }

  async #planRedirect(file: StoredFile): Promise<ResponsePlan | undefined> {
    const { settings, isPrivate } = this.#context;
    const disposition = dispositionOf(this.#request, file, settings);
    let urlSeconds: number | undefined;
    const onExpiry = (expiresAt: Date) => {
      urlSeconds = (expiresAt.getTime() - Date.now()) / 1000;
    };
    const expiresIn = signedUrlSeconds(settings);
    const url = await this.#storage.url(file, { expiresIn, disposition, onExpiry });
    // A URL that is signed for GET refuses a HEAD: we have all that it asks for. One that is public never ends.
    const isUseless = url === file.publicUrl ? isPrivate : this.#request.method === 'HEAD';
    return url === undefined || isUseless ? undefined : planRedirect(file, url, settings, urlSeconds);
  }

  #planHandover({ file, localPath }: OpenFile): ResponsePlan | undefined {
    const { settings } = this.#context;
    const header = settings.sendfile && sendfileHeader(settings.sendfile, localPath);
    return header && planSendfile(this.#request, file, settings, header);
  }

  /** Once for each state of the file, however often it has to be looked at: a replaced one may be another's. */
  async #authorize(file: StoredFile): Promise<void> {
    const { settings, req } = this.#context;
    if (!settings.authorize || isDeepStrictEqual(file, this.#authorized)) return;
    if (!(await settings.authorize(req, file))) throw new DepotError('FORBIDDEN');
    this.#authorized = file;
  }
}

/** One of those that are allowed: what a client says is a name, and nothing more. */
function variantNamed(name: string, { variants }: ServeSettings): Variant {
  const variant = variants.get(name);
  if (variant) return variant;
  throw new DepotError('VARIANT_NOT_FOUND', `There is no variant ${JSON.stringify(name)}`);
}

/** HEAD, and what is likely to end as a 304. */
function asksForNoContent({ method, headers }: RequestHead): boolean {
  return (
    method === 'HEAD' || headers['if-none-match'] !== undefined || headers['if-modified-since'] !== undefined
  );
}

/** Nothing was written to the file, so nothing is lost if closing it fails; its content was sent. */
function ignore(): void {}
