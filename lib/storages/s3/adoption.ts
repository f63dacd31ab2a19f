import { randomUUID } from 'node:crypto';
import { assertFileId } from '../../contract/file-id.js';
import { cleanFileName } from '../../contract/file-name.js';
import { checkedMetadata } from '../../contract/metadata.js';
import type { ExpectedFile } from '../../contract/storage.js';
import type { FileDetails } from '../../contract/stored-file.js';
import { DepotError, FileNotFoundError, isDepotError } from '../../errors.js';
import { decideContentType, parseAccept } from '../../internal/accept.js';
import { detectContentType, HEAD_BYTES } from '../../internal/content-type.js';
import { toLimit } from '../../internal/limit.js';
import { assertOptionNames } from '../../internal/option-names.js';
import { ConditionalWrite } from '../../object-storage/conditional-write.js';
import { ObjectReader } from '../../object-storage/object-reader.js';
import { STAGING_FOLDER } from '../../object-storage/staging-area.js';
import { copyObject } from './copy-object.js';
import { isConditionRefused, isObjectMissing } from './errors.js';
import type { AdoptOptions } from './options.js';
import { conditionOf, writeParameters } from './parameters.js';
import type { S3Writer } from './writer.js';

const OPTION_NAMES = ['filename', 'metadata', 'maxSize', 'accept', 'checkType', 'signal'];

/** Makes a file of what a client has posted to the staging folder; see `S3Storage.adopt`. */
export async function adopt(writer: S3Writer, id: string, options: AdoptOptions): Promise<string> {
  assertFileId(id);
  const decideType = typeDecision(options);
  const filename = cleanFileName(options.filename);
  const metadata = checkedMetadata(options.metadata);
  const { object, head } = await lookAt(writer, id, options.signal);
  const remove = () => writer.bucket.delete(stagedKey(writer, id)).catch(ignore);
  try {
    const contentType = await decideType(object, head, filename);
    options.signal?.throwIfAborted();
    await publish(writer, { id, filename, contentType, metadata }, object);
  } catch (error) {
    if (isRefusal(error)) await remove();
    throw error;
  }
  await remove();
  return id;
}

/** The questions that are asked of content which comes through the application, too. */
function typeDecision(options: AdoptOptions) {
  assertOptionNames(options, OPTION_NAMES, 'adopt');
  const { maxSize = Number.POSITIVE_INFINITY, accept, checkType } = options;
  const maxBytes = toLimit('maxSize', maxSize);
  const accepted = parseAccept(accept);
  return async (object: FileDetails, head: Buffer, filename: string): Promise<string> => {
    if (object.size > maxBytes)
      throw new DepotError('FILE_TOO_LARGE', `The file is larger than ${maxBytes} bytes`);
    const detected = await detectContentType(head);
    await checkType?.(detected);
    return decideContentType({ detected, declared: object.contentType, filename }, accepted);
  };
}

/** What S3 tells of an object, and its first bytes; its type is the one that its client has declared. */
async function lookAt({ objects }: S3Writer, id: string, signal: AbortSignal | undefined) {
  signal?.throwIfAborted();
  const [start, end] = [0, HEAD_BYTES - 1];
  const range = `bytes=${start}-${end}`;
  try {
    const posted = await new ObjectReader(objects).open(STAGING_FOLDER + id, { range, signal });
    const head = Buffer.concat(await posted.stream({ start, end, signal }).toArray());
    return { object: posted.details, head };
  } catch (error) {
    throw isDepotError(error, 'FILE_NOT_FOUND') ? new FileNotFoundError(id, { cause: error }) : error;
  }
}

/** Copies the object that was looked at: until its form expires, its client can post another one. */
async function publish(writer: S3Writer, file: ExpectedFile, { size, etag }: FileDetails): Promise<void> {
  const { bucket, objects } = writer;
  const revision = randomUUID();
  const source = { key: stagedKey(writer, file.id), size, etag };
  const parameters = writeParameters(bucket.settings, file, revision);
  const copy = () =>
    copyObject(bucket, source, bucket.key(file.id), parameters, conditionOf(bucket.settings, undefined));
  const write = new ConditionalWrite(bucket, objects, writer, revision);
  await write.create(file.id, {
    isUnconditional: true,
    write: () => copy().catch((error) => explain(writer, file.id, error)),
    settle: async () => {},
    discard: async () => {},
  });
}

/** Conditions are refused for either object. */
async function explain({ objects }: S3Writer, id: string, cause: unknown): Promise<never> {
  if (isObjectMissing(cause)) throw new FileNotFoundError(id, { cause });
  if (!isConditionRefused(cause) || (await objects.find(id, {}))) throw cause;
  throw new DepotError('CONFLICT', 'The upload was replaced while it was adopted', { cause });
}

/** Whether an error says that this upload can become no file; after others it may be tried again. */
function isRefusal(error: unknown): boolean {
  const { status } = Object(error) as { status?: unknown };
  return typeof status === 'number' && status >= 400 && status < 500;
}

function stagedKey({ bucket }: S3Writer, id: string): string {
  return bucket.key(STAGING_FOLDER + id);
}

function ignore(): void {}
