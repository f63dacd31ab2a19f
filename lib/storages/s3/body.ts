import { OutgoingMessage } from 'node:http';
import { Readable } from 'node:stream';
import type { S3Client } from '@aws-sdk/client-s3';

/** What is sent with a request: buffers as they came, without a copy or another pass over them. */
export interface RequestBody {
  readonly chunks: readonly Buffer[];
  readonly byteLength: number;
  /** Hexadecimal digest, where it is known: the server checks it. */
  readonly sha256?: string | undefined;
}

/** What is done with a command on its way. */
export type CommandStack = Pick<S3Client['middlewareStack'], 'add'>;

interface HttpRequest {
  readonly headers: Record<string, string>;
  body?: unknown;
}

/**
 * Gives a command its body. The SDK would hash a buffer, and does not try a stream again: so it is told length and
 * digest, and each attempt gets a stream of its own.
 */
export function addBody(stack: CommandStack, body: RequestBody): void {
  const describe = (request: HttpRequest) => {
    request.headers['content-length'] = String(body.byteLength);
    // https://docs.aws.amazon.com/AmazonS3/latest/API/sig-v4-header-based-auth.html
    request.headers['x-amz-content-sha256'] = body.sha256 ?? 'UNSIGNED-PAYLOAD';
  };
  const attach = (request: HttpRequest) => {
    request.body = toSendable(body);
  };
  stack.add(onRequest(describe), { step: 'build', priority: 'low', name: 'depotDescribeBody' });
  stack.add(onRequest(attach), { step: 'deserialize', priority: 'low', name: 'depotAttachBody' });
}

/** The plain way, for clients of which nobody knows what they do with a body: they may compute a checksum. */
export function giveBuffer(input: object, { chunks, byteLength }: RequestBody): void {
  Object.assign(input, { Body: Buffer.concat(chunks, byteLength) });
}

function onRequest(act: (request: HttpRequest) => void) {
  return <Args extends { readonly request: unknown }, Result>(next: (args: Args) => Promise<Result>) =>
    async (args: Args): Promise<Result> => {
      act(args.request as HttpRequest);
      return next(args);
    };
}

/** What Node's HTTP client sends; once. */
export function toSendable({ chunks }: RequestBody): Buffer | Readable | undefined {
  return chunks.length === 1 ? chunks[0] : new ChunkStream(chunks);
}

/** Buffers, one after the other; Node's HTTP client has all of them at once, and the system in as few calls as it takes. */
class ChunkStream extends Readable {
  readonly #chunks: readonly Buffer[];
  #next = 0;

  constructor(chunks: readonly Buffer[]) {
    super();
    this.#chunks = chunks;
  }

  override _read(): void {
    this.push(this.#chunks[this.#next++] ?? null);
  }

  /** They are in memory anyway: there is nothing to be gained by waiting for each to be sent. */
  override pipe<Destination extends NodeJS.WritableStream>(destination: Destination): Destination {
    if (!(destination instanceof OutgoingMessage)) return super.pipe(destination);
    destination.cork();
    for (const chunk of this.#chunks) destination.write(chunk);
    destination.end();
    destination.uncork();
    return destination;
  }
}
