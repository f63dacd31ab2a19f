import { expect, test } from '@jest/globals';
import { Backlog } from '../../lib/storages/gcs/backlog.js';

const text = (chunks: readonly Buffer[]) => Buffer.concat(chunks).toString();

function backlog(...parts: string[]): Backlog {
  const all = new Backlog();
  for (const part of parts) all.add([Buffer.from(part)], part.length);
  return all;
}

test('gives what is not confirmed, from where that begins', () => {
  const all = backlog('abc', 'def', 'ghi');
  expect([all.start, all.end, text(all.before(9))]).toEqual([0, 9, 'abcdefghi']);
  expect(text(all.before(5))).toBe('abcde');
  all.confirm(4);
  expect([all.start, all.end, text(all.before(9)), text(all.before(4))]).toEqual([4, 9, 'efghi', '']);
  all.confirm(4);
  all.add([Buffer.from('jkl')], 3);
  all.confirm(9);
  expect([all.start, all.end, text(all.before(12))]).toEqual([9, 12, 'jkl']);
  all.confirm(12);
  expect(all.before(12)).toEqual([]);
});

test.each([3, 10, Number.NaN])('cannot be at %d', (position) => {
  const all = backlog('abcdef', 'ghi');
  all.confirm(4);
  expect(() => all.confirm(position)).toThrow(expect.objectContaining({ code: 'STORAGE_FAILED' }));
});

test('can keep what it has without the buffers that it came in', () => {
  const buffer = Buffer.from('abc');
  const all = new Backlog();
  all.add([buffer], 3);
  all.own();
  buffer.fill('x');
  expect(text(all.before(3))).toBe('abc');
});
