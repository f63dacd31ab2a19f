import { createHash } from 'node:crypto';
import { describe, expect, test } from '@jest/globals';
import { ContentMeter } from '../../lib/internal/content-meter.js';
import { HEAD_BYTES } from '../../lib/internal/content-type.js';

const gif = Buffer.from('GIF89a');

describe('ContentMeter', () => {
  test('counts and hashes', () => {
    const meter = new ContentMeter();
    const chunks = ['some ', '', 'bytes'].map((text) => Buffer.from(text));
    for (const chunk of chunks) meter.observe(chunk);
    meter.hash(chunks);
    expect(meter.size).toBe(10);
    expect(meter.sha256()).toBe(createHash('sha256').update('some bytes').digest('hex'));
  });

  test('of nothing has the digest of nothing', async () => {
    const meter = new ContentMeter();
    expect(meter.size).toBe(0);
    expect(await meter.detectType()).toBeUndefined();
    expect(meter.sha256()).toBe('e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855');
  });

  test('takes as much as its limit, and not a byte more', () => {
    const meter = new ContentMeter(10);
    meter.observe(Buffer.alloc(4));
    meter.observe(Buffer.alloc(6));
    expect(() => meter.observe(Buffer.alloc(1))).toThrow(expect.objectContaining({ code: 'FILE_TOO_LARGE' }));
  });

  test('with a limit of 0 takes nothing', () => {
    const meter = new ContentMeter(0);
    meter.observe(Buffer.alloc(0));
    expect(() => meter.observe(Buffer.alloc(1))).toThrow(expect.objectContaining({ code: 'FILE_TOO_LARGE' }));
  });

  test.each([Number.NaN, -1, '10mb' as never, null as never])('refuses %p as a limit', (maxSize) => {
    expect(() => new ContentMeter(maxSize)).toThrow(expect.objectContaining({ code: 'INVALID_OPTION' }));
  });

  test('has a head as soon as enough bytes came, in whatever pieces', () => {
    const meter = new ContentMeter();
    meter.observe(Buffer.alloc(HEAD_BYTES - 1));
    expect(meter.hasHead).toBe(false);
    meter.observe(Buffer.alloc(1));
    expect(meter.hasHead).toBe(true);
  });

  test('tells the type from a beginning that comes byte by byte', async () => {
    const meter = new ContentMeter();
    for (const byte of gif) meter.observe(Buffer.from([byte]));
    meter.observe(Buffer.alloc(10_000, 0xff));
    expect(await meter.detectType()).toBe('image/gif');
  });
});
