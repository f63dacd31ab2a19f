// @ts-check
import { connect } from 'node:net';

/** As much as one read takes; downloads are counted and dropped. */
const READ_SIZE = 256 * 1024;

const HEADER_END = Buffer.from('\r\n\r\n');

/**
 * @typedef {object} Answer
 * @property {number} status
 * @property {number} bodySize bytes
 * @property {Map<string, string>} headers names in lower case
 */

/** A body in pieces that were made beforehand. @typedef {readonly Buffer[]} Pieces */

/** One keep-alive connection that knows just enough of HTTP, to take as little of the machine as can be. */
export class Connection {
  /** @type {import('node:net').Socket} */
  #socket;
  /** @type {Buffer | undefined} beginning of an answer whose header has not ended */
  #head;
  /** @type {Answer | undefined} */
  #answer;
  #bodyLeft = 0;
  /** @type {((answer: Answer) => void) | undefined} */
  #resolve;
  /** @type {((error: Error) => void) | undefined} */
  #reject;

  /** @param {number} port */
  constructor(port) {
    const onread = { buffer: Buffer.allocUnsafe(READ_SIZE), callback: this.#onRead.bind(this) };
    this.#socket = connect({ host: '127.0.0.1', port, noDelay: true, onread });
    this.#socket.on('error', (error) => this.#fail(error));
    this.#socket.on('close', () => this.#fail(new Error('The server closed the connection')));
  }

  /**
   * Sends a request and waits for the whole answer.
   * @param {Pieces} pieces header and body @returns {Promise<Answer>}
   */
  request(pieces) {
    return new Promise((resolve, reject) => {
      this.#resolve = resolve;
      this.#reject = reject;
      this.#send(pieces, 0);
    });
  }

  close() {
    this.#reject = undefined;
    this.#socket.destroy();
  }

  /** @param {Pieces} pieces @param {number} from */
  #send(pieces, from) {
    for (let index = from; index < pieces.length; index += 1) {
      const room = this.#socket.write(/** @type {Buffer} */ (pieces[index]));
      if (!room && index + 1 < pieces.length) {
        this.#socket.once('drain', () => this.#send(pieces, index + 1));
        return;
      }
    }
  }

  /** @param {number} length @param {Uint8Array} buffer */
  #onRead(length, buffer) {
    try {
      if (this.#answer) this.#takeBody(length);
      else this.#takeHead(Buffer.from(buffer.subarray(0, length)));
    } catch (error) {
      this.#fail(/** @type {Error} */ (error));
    }
    return true;
  }

  /** @param {Buffer} bytes */
  #takeHead(bytes) {
    this.#head = this.#head ? Buffer.concat([this.#head, bytes]) : bytes;
    const end = this.#head.indexOf(HEADER_END);
    if (end < 0) return;
    this.#answer = parseHead(this.#head.toString('latin1', 0, end));
    this.#bodyLeft = this.#answer.bodySize;
    const rest = this.#head.byteLength - end - HEADER_END.byteLength;
    this.#head = undefined;
    this.#takeBody(rest);
  }

  /** @param {number} length */
  #takeBody(length) {
    this.#bodyLeft -= length;
    if (this.#bodyLeft > 0 || !this.#answer) return;
    if (this.#bodyLeft < 0) throw new Error('The answer is longer than it says');
    const answer = this.#answer;
    this.#answer = undefined;
    this.#reject = undefined;
    this.#resolve?.(answer);
  }

  /** @param {Error} error */
  #fail(error) {
    this.#reject?.(error);
    this.#reject = undefined;
  }
}

/** @param {string} head @returns {Answer} */
function parseHead(head) {
  const [statusLine = '', ...lines] = head.split('\r\n');
  const headers = new Map(lines.map(splitField));
  const status = Number(statusLine.slice(9, 12));
  if (headers.has('transfer-encoding')) throw new Error('Answers in chunks are not understood');
  const bodySize = status === 304 ? 0 : Number(headers.get('content-length') ?? 0);
  return { status, bodySize, headers };
}

/** @param {string} line @returns {[string, string]} */
function splitField(line) {
  const colon = line.indexOf(':');
  return [line.slice(0, colon).toLowerCase(), line.slice(colon + 1).trim()];
}
