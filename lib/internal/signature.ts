import { createHmac, createSecretKey, type KeyObject, timingSafeEqual } from 'node:crypto';
import { types } from 'node:util';
import { DepotError } from '../errors.js';

/** As long as the digest: a shorter key is weaker (RFC 2104 section 3). */
const MIN_KEY_BYTES = 32;

/** Signs texts with a key, and knows what it or an older key has signed. */
export class Signer {
  readonly #keys: readonly [KeyObject, ...KeyObject[]];

  /**
   * @param keys the newest first: it signs, and all of them verify; a text stands for its UTF-8
   * @throws DepotError `INVALID_OPTION`
   */
  constructor(keys: readonly (string | Uint8Array)[]) {
    const [newest, ...older] = Array.isArray(keys) ? keys.map(checkedKey) : [];
    if (!newest) throw new DepotError('INVALID_OPTION', 'signing.keys must be a list of one key or more');
    this.#keys = [newest, ...older];
  }

  /** An HMAC with SHA-256 (RFC 2104), in base64url: 43 characters. */
  sign(text: string): string {
    return signatureOf(text, this.#keys[0]);
  }

  /** Takes the same time for every signature that is wrong, so that nobody can find a right one piece by piece. */
  verify(text: string, signature: string): boolean {
    const given = Buffer.from(signature);
    return this.#keys.some((key) => isEqual(given, Buffer.from(signatureOf(text, key))));
  }
}

function signatureOf(text: string, key: KeyObject): string {
  return createHmac('sha256', key).update(text).digest('base64url');
}

/** As texts: in base64url, several can stand for the same bytes. The length of a signature is no secret. */
function isEqual(given: Buffer, expected: Buffer): boolean {
  return given.byteLength === expected.byteLength && timingSafeEqual(given, expected);
}

/** The key is not repeated in the message. A copy is kept, which no log shows. */
function checkedKey(key: unknown, index: number): KeyObject {
  const bytes = typeof key === 'string' ? Buffer.from(key) : key;
  if (types.isUint8Array(bytes) && bytes.byteLength >= MIN_KEY_BYTES) return createSecretKey(bytes);
  throw new DepotError(
    'INVALID_OPTION',
    `signing.keys[${index}] must be a text or a Buffer of at least ${MIN_KEY_BYTES} bytes`,
  );
}
