import type { ObjectStorageSettings } from './options.js';

/** A bucket, or the part of it below a prefix. It is connected to, and made if it may be, at first use. */
export abstract class ObjectBucket<
  Settings extends ObjectStorageSettings = ObjectStorageSettings,
  Connection = unknown,
> {
  readonly settings: Settings;
  /** Whether a request has ever succeeded. */
  protected isKnown = false;
  #connection: Promise<Connection> | undefined;

  constructor(settings: Settings) {
    this.settings = settings;
  }

  /** For error messages. */
  abstract get place(): string;

  /** Fails unless the bucket can be listed, which tells what is wrong with it. */
  abstract check(): Promise<void>;

  /** That there is no such object is no error. */
  abstract delete(key: string): Promise<void>;

  /** Connects, and makes the bucket if it may be. */
  protected abstract openConnection(): Promise<Connection>;
  protected abstract closeConnection(connection: Connection): void;

  /** The URL of the bucket, to which names of public objects are added. */
  protected abstract findAddress(): Promise<string>;

  key(id: string): string {
    return this.settings.prefix + id;
  }

  /** Where everybody can read an object, if they can. */
  async publicUrl(id: string): Promise<string | undefined> {
    const { publicUrl, policy } = this.settings;
    const address = publicUrl ?? (policy === 'public-read' ? await this.findAddress() : undefined);
    // As it can stand in a header: in ASCII.
    const base = address && new URL(address).href;
    return base === undefined ? undefined : `${base.replace(/\/+$/, '')}/${encodePath(this.key(id))}`;
  }

  /** Fails unless the bucket could be used once. */
  async firstUse(): Promise<void> {
    if (!this.isKnown) await this.check();
  }

  /** The connection, once the bucket is there. A failure is forgotten, so that the next call tries again. */
  connect(): Promise<Connection> {
    this.#connection ??= this.openConnection().catch((error) => {
      this.#connection = undefined;
      throw error;
    });
    return this.#connection;
  }

  async close(): Promise<void> {
    const connection = await this.#connection?.catch(() => undefined);
    if (connection !== undefined) this.closeConnection(connection);
  }
}

/** The name of an object as a part of a URL: its slashes stay. */
export function encodePath(key: string): string {
  return key.split('/').map(encodeURIComponent).join('/');
}
