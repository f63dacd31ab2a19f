import { ServerResponse } from 'node:http';
import { addAbortSignal, finished, type Readable } from 'node:stream';
import type { OpenFile } from '../contract/storage.js';
import { DepotError } from '../errors.js';
import { sendProblem } from '../internal/problem.js';
import type { Departure } from './departure.js';
import { Drain } from './drain.js';
import { PieceTransfer } from './piece-transfer.js';
import {
  type BodyPart,
  type ContentPlan,
  type EmptyPlan,
  lengthOf,
  type RedirectPlan,
  type RefusalPlan,
  type VariantPlan,
} from './plan.js';
import type { ResolvedRange } from './range.js';
import { type ReadAt, readFully } from './read.js';

/** Bytes of a body that is not worth a shared buffer: it is read and written in one go. */
const SMALL_BODY_BYTES = 16 * 1024;

/** Writes an answer that needs nothing of a file's content. */
export function writeHead(res: ServerResponse, plan: EmptyPlan | RedirectPlan | RefusalPlan): void {
  if (plan.kind === 'refusal') {
    sendProblem(res, plan.error, plan.headers);
    return;
  }
  res.writeHead(plan.status, plan.headers);
  res.end();
}

/** Writes an answer with something that was made. */
export function writeVariant(res: ServerResponse, { status, headers }: VariantPlan, made: Uint8Array): void {
  res.writeHead(status, { ...headers, 'Content-Length': made.byteLength });
  res.end(made);
}

/**
 * Writes an answer with content. The headers go with the first bytes, so that until then a failure can still be
 * answered; a later one must cut the answer off.
 * @throws what the storage fails with; DepotError `STORAGE_FAILED` where it gives less or more than it should
 */
export async function writeContent(
  res: ServerResponse,
  plan: ContentPlan,
  file: OpenFile,
  departure: Departure,
): Promise<void> {
  const [part, ...others] = plan.body;
  const isSingle = typeof part === 'object' && others.length === 0;
  if (!isSingle || !file.read) await writeStream(res, plan, file, departure.signal);
  else if (lengthOf(part) <= SMALL_BODY_BYTES) await writeAtOnce(res, plan, file.read, part);
  else if (tellsOfWrites(res))
    await new PieceTransfer(res, file.read, part, departure).run(() => sendHead(res, plan));
  else await writeStream(res, plan, file, departure.signal);
}

/** Headers and body in one write, and one read. */
async function writeAtOnce(
  res: ServerResponse,
  plan: ContentPlan,
  read: ReadAt,
  { start, end }: ResolvedRange,
): Promise<void> {
  const body = Buffer.allocUnsafe(end - start + 1);
  await readFully(read, body, body.byteLength, start);
  sendHead(res, plan);
  res.end(body);
}

/** Chunk by chunk; the headers go with the first one. */
async function writeStream(
  res: ServerResponse,
  plan: ContentPlan,
  file: OpenFile,
  signal: AbortSignal,
): Promise<void> {
  const drain = new Drain(res, signal);
  const write: WriteChunk = (chunk) => {
    if (!res.headersSent) sendHead(res, plan);
    return res.write(chunk) ? undefined : drain.next();
  };
  for (const part of plan.body) await writePart(file, part, write, signal);
  if (!res.headersSent) sendHead(res, plan);
  res.end();
}

/** Gives what is to be waited for before there is more. */
type WriteChunk = (chunk: Buffer | string) => Promise<void> | undefined;

/** A client that was promised a number of bytes waits for them, and takes more of them for the next answer. */
async function writePart(
  file: OpenFile,
  part: BodyPart,
  write: WriteChunk,
  signal: AbortSignal,
): Promise<void> {
  if (typeof part === 'string') {
    await write(part);
    return;
  }
  let missing = lengthOf(part);
  const { start, end } = part;
  await eachChunk(addAbortSignal(signal, file.stream({ start, end, signal })), (chunk) => {
    missing -= chunk.byteLength;
    if (missing < 0) throw new DepotError('STORAGE_FAILED', 'The content is longer than its size');
    return write(chunk);
  });
  if (missing > 0) throw new DepotError('STORAGE_FAILED', 'The content ended before its size');
}

/**
 * Takes a stream as it comes. An iterator would take what waits all at once, which copies it, and cost several promises
 * for each chunk.
 * @throws what the stream or `take` fails with; the stream is destroyed then
 */
function eachChunk(stream: Readable, take: (chunk: Buffer) => Promise<void> | undefined): Promise<void> {
  return new Promise((resolve, reject) => {
    const fail = (error: unknown) => {
      reject(error);
      stream.destroy();
    };
    stream.on('data', (chunk: Buffer) => {
      try {
        const pause = take(chunk);
        if (!pause) return;
        stream.pause();
        pause.then(() => stream.resume(), fail);
      } catch (error) {
        fail(error);
      }
    });
    finished(stream, { writable: false }, (error) => (error ? reject(error) : resolve()));
  });
}

function sendHead(res: ServerResponse, plan: ContentPlan): void {
  res.writeHead(plan.status, plan.headers);
}

/**
 * Whether we learn when a buffer was written, and can use it again: middlewares that compress put a `write` of their own
 * in its place, which keeps the buffer and never tells.
 */
function tellsOfWrites(res: ServerResponse): boolean {
  return res.write === ServerResponse.prototype.write;
}
