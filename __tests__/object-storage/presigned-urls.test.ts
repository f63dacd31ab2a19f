import { afterEach, beforeEach, describe, expect, jest, test } from '@jest/globals';
import type { FileDetails } from '../../lib/contract/stored-file.js';
import { PresignedUrls, type SignUrl } from '../../lib/object-storage/presigned-urls.js';

const FILE: FileDetails = {
  id: 'id',
  filename: 'a.txt',
  contentType: 'text/plain',
  size: 1,
  lastModified: new Date(0),
  metadata: {},
  etag: '"1"',
};

describe('URLs that a backend signs', () => {
  let signed: number;
  let urls: PresignedUrls;
  const sign: SignUrl = async ({ id }, { disposition, expiresIn, signedAt }) => ({
    url: `${id} ${disposition} ${expiresIn} ${signedAt.toISOString()} ${++signed}`,
  });

  beforeEach(() => {
    signed = 0;
    urls = new PresignedUrls(sign);
    jest.useFakeTimers({ now: Date.parse('2026-01-01T00:10:00Z') });
  });
  afterEach(() => {
    jest.useRealTimers();
  });

  test('are signed for the beginning of half their time, and the same within it', async () => {
    const url = await urls.get(FILE, {});
    expect(url).toBe('id inline 3600 2026-01-01T00:00:00.000Z 1');
    jest.setSystemTime(Date.parse('2026-01-01T00:29:59.999Z'));
    expect(await urls.get(FILE, {})).toBe(url);
    jest.setSystemTime(Date.parse('2026-01-01T00:30:00Z'));
    expect(await urls.get(FILE, {})).toBe('id inline 3600 2026-01-01T00:30:00.000Z 2');
  });

  test('are signed anew when there is a better one, and not before', async () => {
    const freshUntil = Date.parse('2026-01-01T00:12:00Z');
    const ending = new PresignedUrls(async (...given) => ({ ...(await sign(...given)), freshUntil }));
    const url = await ending.get(FILE, {});
    jest.setSystemTime(freshUntil - 1);
    expect(await ending.get(FILE, {})).toBe(url);
    jest.setSystemTime(freshUntil);
    expect(await ending.get(FILE, {})).toMatch(/T00:00:00.000Z 2$/);
  });

  test.each([
    [undefined, '2026-01-01T01:00:00Z'],
    ['2026-01-01T00:17:00Z', '2026-01-01T00:17:00Z'],
    ['2026-01-01T09:00:00Z', '2026-01-01T01:00:00Z'],
  ])('tell when they expire, where what signs them ends at %s', async (end, expected) => {
    const signerEnd = end === undefined ? undefined : Date.parse(end);
    const ending = new PresignedUrls(async (...given) => ({ ...(await sign(...given)), signerEnd }));
    const onExpiry = jest.fn();
    for (const _turn of [1, 2]) await ending.get(FILE, { onExpiry });
    expect(onExpiry.mock.calls).toEqual([[new Date(expected)], [new Date(expected)]]);
    expect(signed).toBe(1);
  });

  test('are others for what is another file, or another use of it', async () => {
    const all = await Promise.all([
      urls.get(FILE, {}),
      urls.get({ ...FILE, id: 'other' }, {}),
      urls.get({ ...FILE, filename: 'b.txt' }, {}),
      urls.get({ ...FILE, contentType: 'text/html' }, {}),
      urls.get(FILE, { disposition: 'attachment' }),
      urls.get(FILE, { expiresIn: 60 }),
    ]);
    expect(new Set(all).size).toBe(all.length);
  });

  test('are not kept where signing failed', async () => {
    let isWrong = true;
    const failing = new PresignedUrls((...given) =>
      isWrong ? Promise.reject(new Error('no key')) : sign(...given),
    );
    await expect(failing.get(FILE, {})).rejects.toThrow('no key');
    isWrong = false;
    await expect(failing.get(FILE, {})).resolves.toMatch(/^id /);
  });

  test.each([0, -1, Number.NaN, 604_801, Number.POSITIVE_INFINITY])(
    'cannot work for %d seconds',
    async (expiresIn) => {
      await expect(urls.get(FILE, { expiresIn })).rejects.toMatchObject({ code: 'INVALID_OPTION' });
    },
  );

  test('work for whole seconds', async () => {
    expect(await urls.get(FILE, { expiresIn: 1.9 })).toMatch(/^id inline 1 /);
  });
});
