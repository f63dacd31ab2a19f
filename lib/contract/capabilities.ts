/**
 * What a storage can do beyond the contract that all share.
 * - `url`: `url()` gives a URL that clients can fetch without us, public or presigned.
 * - `localPath`: an opened file has a path on this machine, so that a proxy in front can send it.
 * - `anyId`: `create` takes any valid id; without it, only ids of the storage's own form.
 */
export type Capability = 'url' | 'localPath' | 'anyId';

/** The capabilities of one storage. */
export type Capabilities = ReadonlySet<Capability>;
