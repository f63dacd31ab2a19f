import { createHmac } from 'node:crypto';
import { describe, expect, test } from '@jest/globals';
import { Signer } from '../../lib/internal/signature.js';

const OLD = 'an old secret that has served for years';
const NEW = Buffer.alloc(32, 7);

describe('a signature', () => {
  test('is an HMAC with SHA-256 by the newest key, in base64url', () => {
    const expected = createHmac('sha256', NEW).update('text ✓').digest('base64url');
    expect(new Signer([NEW, OLD]).sign('text ✓')).toBe(expected);
    expect(expected).toMatch(/^[\w-]{43}$/);
  });

  test('by an older key goes on counting, by one that is gone no longer', () => {
    const signature = new Signer([OLD]).sign('text');
    expect(new Signer([NEW, OLD]).verify('text', signature)).toBe(true);
    expect(new Signer([NEW]).verify('text', signature)).toBe(false);
  });

  test('of another text, or another form of the same bytes, does not count', () => {
    const signer = new Signer([NEW]);
    const signature = signer.sign('text');
    expect(signer.verify('text', signature)).toBe(true);
    expect(signer.verify('Text', signature)).toBe(false);
    const last = Buffer.from(signature, 'base64url');
    const others = [...'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_']
      .map((letter) => signature.slice(0, -1) + letter)
      .filter((other) => other !== signature);
    expect(others.some((other) => Buffer.from(other, 'base64url').equals(last))).toBe(true);
    for (const other of others) expect(signer.verify('text', other)).toBe(false);
  });

  test.each(['', 'x', '='.repeat(43), 'é'.repeat(43), 'x'.repeat(42), 'x'.repeat(44), 'x'.repeat(100_000)])(
    '%.50j is none, and no error',
    (signature) => {
      expect(new Signer([NEW]).verify('text', signature)).toBe(false);
    },
  );

  test('with padding does not count', () => {
    const signer = new Signer([NEW]);
    expect(signer.verify('text', `${signer.sign('text')}=`)).toBe(false);
  });
});

describe('keys', () => {
  test('are taken as they are at that moment', () => {
    const key = Buffer.alloc(32, 1);
    const signer = new Signer([key]);
    const signature = signer.sign('text');
    key.fill(2);
    expect(signer.sign('text')).toBe(signature);
  });

  test('a text counts by its bytes', () => {
    expect(() => new Signer(['é'.repeat(16)])).not.toThrow();
    expect(() => new Signer([new Uint8Array(32)])).not.toThrow();
  });

  test.each<[unknown, string]>([
    [undefined, 'signing.keys must be a list of one key or more'],
    [[], 'signing.keys must be a list of one key or more'],
    ['x'.repeat(32), 'signing.keys must be a list of one key or more'],
    [['x'.repeat(31)], 'signing.keys[0] must be a text or a Buffer of at least 32 bytes'],
    [[NEW, Buffer.alloc(31)], 'signing.keys[1] must be a text or a Buffer of at least 32 bytes'],
    [[NEW, undefined], 'signing.keys[1] must be a text or a Buffer of at least 32 bytes'],
    [[7], 'signing.keys[0] must be a text or a Buffer of at least 32 bytes'],
    [[{ byteLength: 32 }], 'signing.keys[0] must be a text or a Buffer of at least 32 bytes'],
  ])('%j are none', (keys, message) => {
    expect(() => new Signer(keys as never)).toThrow(
      expect.objectContaining({ code: 'INVALID_OPTION', message }),
    );
  });
});
