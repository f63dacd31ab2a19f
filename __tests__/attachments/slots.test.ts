import { afterEach, beforeEach, expect, jest, test } from '@jest/globals';
import { type Slot, type SlotDesk, Slots } from '../../lib/attachments/slots.js';

/** What was announced, each time. */
let announcements: (readonly Slot[])[];
let forgotten: string[];
let fault: Error | undefined;

function desk(): SlotDesk {
  let number = 0;
  return {
    newSlot() {
      number += 1;
      const id = `file-${number}`;
      const createdAt = new Date(Date.now());
      return { id, intent: { id, state: 'upload', paths: [`default/${id}`], owner: 'us', createdAt } };
    },
    async announce(slots) {
      announcements.push(slots);
      if (fault) throw fault;
    },
    forget: (slots) => void forgotten.push(...slots.map(({ id }) => id)),
  };
}

/** Takes slots one after the other, each when the last is announced. */
async function take(slots: Slots, count: number): Promise<string[]> {
  const ids = [];
  for (let taken = 0; taken < count; taken += 1) {
    const { id, announced } = slots.take();
    await announced;
    ids.push(id);
  }
  return ids;
}

const counts = () => announcements.map((slots) => slots.length);
const announced = () => announcements.flat().map(({ id }) => id);

beforeEach(() => {
  jest.useFakeTimers();
  announcements = [];
  forgotten = [];
  fault = undefined;
});

afterEach(() => {
  jest.useRealTimers();
});

test('a file that comes alone is announced alone', async () => {
  const slots = new Slots(desk());
  for (const _file of [1, 2, 3]) {
    await take(slots, 1);
    jest.advanceTimersByTime(1500);
  }
  expect(counts()).toEqual([1, 1, 1]);
  expect(forgotten).toEqual([]);
});

test('files that come quickly are announced ahead, more with each time', async () => {
  const slots = new Slots(desk());
  const ids = await take(slots, 50);
  expect(counts()).toEqual([1, 2, 4, 8, 16, 16, 16]);
  expect(new Set(ids).size).toBe(50);
  expect(announced()).toEqual(expect.arrayContaining(ids));
});

test('what is taken at once is never the same, and all of it is announced', async () => {
  const slots = new Slots(desk());
  for (const _burst of [1, 2, 3]) {
    const taken = Array.from({ length: 40 }, () => slots.take());
    await Promise.all(taken.map((slot) => slot.announced));
    expect(new Set(taken.map(({ id }) => id)).size).toBe(40);
    expect(announced()).toEqual(expect.arrayContaining(taken.map(({ id }) => id)));
  }
});

test('slots that nobody has used in a second are forgotten', async () => {
  const slots = new Slots(desk());
  const ids = await take(slots, 10);
  jest.advanceTimersByTime(1500);
  expect([...ids, ...forgotten].sort()).toEqual(announced().sort());
  expect(forgotten.length).toBeGreaterThan(0);
  await take(slots, 1);
  expect(counts().at(-1)).toBe(1);
});

test('a process that has slept uses none of before', async () => {
  const slots = new Slots(desk());
  await take(slots, 2);
  const [, two] = announcements;
  jest.setSystemTime(Date.now() + 24 * 60 * 60 * 1000);
  const [id] = await take(slots, 1);
  expect(two?.map((slot) => slot.id)).not.toContain(id);
  expect(forgotten).toEqual([two?.[1]?.id]);
});

test('slots have a second from when they were announced, however busy it was before', async () => {
  const slots = new Slots(desk());
  for (let taken = 0; taken < 60; taken += 1) {
    await take(slots, 1);
    jest.advanceTimersByTime(50);
  }
  expect(forgotten).toEqual([]);
});

test('release forgets those that are free, also those that are being announced', async () => {
  const slots = new Slots(desk());
  const ids = await take(slots, 5);
  const late = Array.from({ length: 5 }, () => slots.take());
  ids.push(...late.map(({ id }) => id));
  await Promise.all([slots.release(), slots.release()]);
  await Promise.all(late.map((slot) => slot.announced));
  expect([...ids, ...forgotten].sort()).toEqual(announced().sort());
});

test('a failure is that of the file which was to be announced, and nothing is ahead', async () => {
  const slots = new Slots(desk());
  await take(slots, 1);
  fault = new Error('full');
  const failing = slots.take();
  await expect(failing.announced).rejects.toThrow('full');
  expect(forgotten).toEqual(
    announcements
      .at(-1)
      ?.slice(1)
      .map(({ id }) => id),
  );
  fault = undefined;
  await take(slots, 3);
  expect(announced()).not.toContain(undefined);
  expect(forgotten).toHaveLength(1);
});
