import { describe, expect, test } from '@jest/globals';
import {
  checkedMetadata,
  MAX_METADATA_BYTES,
  type Metadata,
  parseFrozen,
} from '../../lib/contract/metadata.js';

const invalid = expect.objectContaining({ code: 'INVALID_METADATA', status: 400 });

function ofBytes(byteLength: number): Metadata {
  return { a: 'x'.repeat(byteLength - '{"a":""}'.length) };
}

describe('checkedMetadata', () => {
  test('of nothing is empty and frozen', () => {
    expect(checkedMetadata(undefined)).toEqual({});
    expect(Object.isFrozen(checkedMetadata(undefined))).toBe(true);
  });

  test('is a copy, frozen at every depth', () => {
    const given = { list: [{ value: 1 }], none: null };
    const metadata = checkedMetadata(given);
    expect(metadata).toEqual(given);
    given.list.push({ value: 2 });
    expect(metadata).toEqual({ list: [{ value: 1 }], none: null });
    expect(() => (metadata.list as unknown[]).push(1)).toThrow(TypeError);
    expect(() => Object.assign((metadata.list as object[])[0] as object, { value: 3 })).toThrow(TypeError);
  });

  test('takes objects without a prototype', () => {
    const given: Metadata = Object.assign(Object.create(null), { a: 1 });
    expect(checkedMetadata(given)).toEqual({ a: 1 });
  });

  test('leaves out what JSON does not know', () => {
    expect(checkedMetadata({ a: undefined } as never)).toEqual({});
  });

  test('keeps __proto__ as a key, and Object.prototype clean', () => {
    const metadata = checkedMetadata(JSON.parse('{"__proto__":{"polluted":1}}'));
    expect(Object.keys(metadata)).toEqual(['__proto__']);
    expect(Object.getPrototypeOf(metadata)).toBe(Object.prototype);
    expect('polluted' in {}).toBe(false);
  });

  test.each([
    ['null', null],
    ['text', 'text'],
    ['text that looks like JSON', '{"a":1}'],
    ['a number', 1],
    ['a list', [1]],
    ['a Map', new Map([['a', 1]])],
    ['a Set', new Set([1])],
    ['a Date', new Date(0)],
    ['a function', () => {}],
    ['a symbol', Symbol('a')],
    ['what turns itself into text', { toJSON: () => 'text' }],
    ['what turns itself into nothing', { toJSON: () => undefined }],
    ['a big integer within', { a: 1n }],
  ])('refuses %s', (_what, value) => {
    expect(() => checkedMetadata(value as never)).toThrow(invalid);
  });

  test('refuses what contains itself, and tells why', () => {
    const cyclic: { self?: unknown } = {};
    cyclic.self = cyclic;
    expect(() => checkedMetadata(cyclic as never)).toThrow(invalid);
    expect(() => checkedMetadata(cyclic as never)).toThrow(
      expect.objectContaining({ cause: expect.objectContaining({ name: 'TypeError' }) }),
    );
  });

  test('refuses what is nested beyond all measure', () => {
    let deep: Metadata = {};
    for (let depth = 0; depth < 100_000; depth++) deep = { deep };
    expect(() => checkedMetadata(deep)).toThrow(invalid);
  });

  test('takes 1,024 bytes of JSON, and not one more', () => {
    expect(checkedMetadata(ofBytes(MAX_METADATA_BYTES))).toEqual(ofBytes(1024));
    expect(() => checkedMetadata(ofBytes(MAX_METADATA_BYTES + 1))).toThrow(invalid);
  });

  test('counts bytes, not characters', () => {
    expect(() => checkedMetadata({ a: 'é'.repeat(600) })).toThrow(invalid);
  });
});

describe('parseFrozen', () => {
  test('freezes at every depth', () => {
    const value = parseFrozen('{"a":[{"b":[]}]}');
    expect([value, value.a, value.a[0], value.a[0].b].every(Object.isFrozen)).toBe(true);
  });
});
