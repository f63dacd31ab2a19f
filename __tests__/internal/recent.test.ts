import { afterEach, beforeEach, expect, jest, test } from '@jest/globals';
import { Recent } from '../../lib/internal/recent.js';

const SOON = 1000;

beforeEach(() => {
  jest.useFakeTimers();
});
afterEach(() => {
  jest.useRealTimers();
});

/** Answers with the number of the look. */
function looking() {
  let looks = 0;
  return async () => ++looks;
}

const until = () => Date.now() + SOON;

test('an answer is given again until its time is over', async () => {
  const recent = new Recent<number>(10);
  const look = looking();
  expect(await recent.get('a', until(), look)).toBe(1);
  jest.advanceTimersByTime(SOON - 1);
  expect(await recent.get('a', until(), look)).toBe(1);
  jest.advanceTimersByTime(1);
  expect(await recent.get('a', until(), look)).toBe(2);
});

test('other questions have other answers', async () => {
  const recent = new Recent<number>(10);
  const look = looking();
  expect(await recent.get('a', until(), look)).toBe(1);
  expect(await recent.get('b', until(), look)).toBe(2);
});

test('whoever asks meanwhile waits for the same look', async () => {
  const recent = new Recent<number>(10);
  const look = looking();
  expect(await Promise.all([1, 2, 3].map(() => recent.get('a', until(), look)))).toEqual([1, 1, 1]);
});

test('a failure is not kept', async () => {
  const recent = new Recent<number>(10);
  const fail = () => Promise.reject(new Error('not now'));
  const outcomes = await Promise.allSettled([recent.get('a', until(), fail), recent.get('a', until(), fail)]);
  expect(outcomes.map(({ status }) => status)).toEqual(['rejected', 'rejected']);
  expect(await recent.get('a', until(), async () => 7)).toBe(7);
});

test('what is forgotten is looked for anew, also what is being looked for', async () => {
  const recent = new Recent<string>(10);
  let answer = (_text: string) => {};
  const old = recent.get(
    'a',
    until(),
    () =>
      new Promise((resolve) => {
        answer = resolve;
      }),
  );
  recent.forget('a');
  const fresh = recent.get('a', until(), async () => 'new');
  answer('old');
  expect([await old, await fresh, await recent.get('a', until(), async () => 'other')]).toEqual([
    'old',
    'new',
    'new',
  ]);
});

test('a failure of what is forgotten leaves alone what came after it', async () => {
  const recent = new Recent<string>(10);
  let fail = (_error: Error) => {};
  const old = recent.get(
    'a',
    until(),
    () =>
      new Promise((_, reject) => {
        fail = reject;
      }),
  );
  recent.forget('a');
  const fresh = recent.get('a', until(), async () => 'new');
  fail(new Error('too late'));
  await expect(old).rejects.toThrow('too late');
  expect([await fresh, await recent.get('a', until(), async () => 'other')]).toEqual(['new', 'new']);
});

test('what was found longest ago goes first', async () => {
  const recent = new Recent<number>(2);
  const look = looking();
  for (const question of ['a', 'b', 'c']) await recent.get(question, until(), look);
  expect(await recent.get('b', until(), look)).toBe(2);
  expect(await recent.get('c', until(), look)).toBe(3);
  expect(await recent.get('a', until(), look)).toBe(4);
});
