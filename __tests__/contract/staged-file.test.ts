import { beforeEach, describe, expect, jest, test } from '@jest/globals';
import {
  type CommitOptions,
  type FileOptions,
  StagedFile,
  type StagingEnd,
  toFileId,
  type WrittenDetails,
} from '../../lib/contract/staged-file.js';

const facts = { size: 3, sha256: 'abc', detectedType: 'image/gif' };
const conflict = expect.objectContaining({ code: 'CONFLICT' });

function detailsOf(id: string): WrittenDetails {
  const lastModified = new Date(0);
  return { id, filename: 'a', contentType: 'image/gif', size: 3, sha256: 'abc', lastModified, metadata: {} };
}

const end = {
  commit: jest.fn(async ({ id = 'new' }: CommitOptions, _after?: Promise<unknown>) => detailsOf(id)),
  replace: jest.fn(async (id: string, _options: FileOptions) => detailsOf(id)),
  discard: jest.fn(async () => {}),
} satisfies StagingEnd;

let staged: StagedFile;

beforeEach(() => {
  jest.clearAllMocks();
  staged = new StagedFile(facts, end);
});

describe('StagedFile', () => {
  test('tells the facts of its content', () => {
    expect(staged).toMatchObject(facts);
    expect(staged.details).toBeUndefined();
  });

  test('commit makes a file and tells its details', async () => {
    await expect(staged.commit({ id: 'mine', filename: 'a' })).resolves.toBe('mine');
    expect(end.commit).toHaveBeenCalledWith({ id: 'mine', filename: 'a' }, undefined);
    expect(staged.details).toEqual(detailsOf('mine'));
    expect(end.discard).not.toHaveBeenCalled();
  });

  test.each(['old', { id: 'old' }])('replace takes %j', async (fileOrId) => {
    await expect(staged.replace(fileOrId, { filename: 'b' })).resolves.toBe('old');
    expect(end.replace).toHaveBeenCalledWith('old', { filename: 'b' });
    expect(staged.details).toEqual(detailsOf('old'));
  });

  test.each<[string, () => Promise<unknown>]>([
    ['commit', () => staged.commit()],
    ['replace', () => staged.replace('old')],
    ['discard', () => staged.discard()],
  ])('is at its end after %s', async (_method, act) => {
    await act();
    jest.clearAllMocks();
    await expect(staged.commit()).rejects.toEqual(conflict);
    await expect(staged.replace('old')).rejects.toEqual(conflict);
    await staged.discard();
    for (const method of Object.values(end)) expect(method).not.toHaveBeenCalled();
  });

  test('is at its end while it is being committed', async () => {
    const committing = staged.commit();
    await expect(staged.commit()).rejects.toEqual(conflict);
    await staged.discard();
    await expect(committing).resolves.toBe('new');
    expect(end.discard).not.toHaveBeenCalled();
  });

  test.each<['commit' | 'replace', () => Promise<unknown>]>([
    ['commit', () => staged.commit()],
    ['replace', () => staged.replace('old')],
  ])('a failure of %s discards', async (method, act) => {
    const error = new Error('no');
    end[method].mockRejectedValueOnce(error);
    await expect(act()).rejects.toBe(error);
    expect(end.discard).toHaveBeenCalledTimes(1);
    expect(staged.details).toBeUndefined();
    await expect(staged.commit()).rejects.toEqual(conflict);
  });

  test('replace of what cannot be an id discards', async () => {
    await expect(staged.replace('../x')).rejects.toMatchObject({ code: 'INVALID_FILE_ID' });
    expect(end.replace).not.toHaveBeenCalled();
    expect(end.discard).toHaveBeenCalledTimes(1);
  });
});

describe('toFileId', () => {
  test.each([['a'], [{ id: 'a' }]])('of %j', (fileOrId) => {
    expect(toFileId(fileOrId)).toBe('a');
  });

  test.each([[''], ['a/b'], [{ id: '../a' }], [{}], [{ id: 5 }], [null], [undefined], [5], [['a']]])(
    'refuses %j',
    (value) => {
      expect(() => toFileId(value as never)).toThrow(expect.objectContaining({ code: 'INVALID_FILE_ID' }));
    },
  );
});
