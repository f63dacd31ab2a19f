import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test } from '@jest/globals';
import { DepotError, ERROR_TABLE, FileNotFoundError, isDepotError } from '../lib/errors.js';

describe('an error', () => {
  test('has a code, the status that it means, and a text for people', () => {
    const cause = new Error('ENOSPC');
    const error = new DepotError('STORAGE_FULL', 'No room in ./files', { cause });
    expect(error).toMatchObject({ code: 'STORAGE_FULL', status: 507, title: 'Storage full', cause });
    expect(String(error)).toBe('DepotError: No room in ./files');
    expect(error.stack).toContain('errors.test');
  });

  test('says what its code says, if nobody says more', () => {
    expect(new DepotError('FORBIDDEN').message).toBe('Access denied');
  });

  test('of a missing file names the file', () => {
    expect(new FileNotFoundError('a"b')).toMatchObject({
      name: 'FileNotFoundError',
      message: 'There is no file "a\\"b"',
      status: 404,
    });
  });
});

describe('isDepotError', () => {
  test('of any code, or of one', () => {
    const error = new DepotError('CONFLICT');
    expect([isDepotError(error), isDepotError(error, 'CONFLICT'), isDepotError(error, 'FORBIDDEN')]).toEqual([
      true,
      true,
      false,
    ]);
    expect(isDepotError(new FileNotFoundError('x'), 'FILE_NOT_FOUND')).toBe(true);
  });

  test('knows those of another copy of the package', () => {
    const { code, status, title } = new DepotError('CONFLICT');
    expect(isDepotError(Object.assign(new Error('busy'), { code, status, title }))).toBe(true);
  });

  test.each([
    Object.assign(new Error('A code as other packages have'), { code: 'FORBIDDEN' }),
    Object.assign(new Error('A code and a status'), { code: 'FORBIDDEN', status: 403 }),
    Object.assign(new Error('No code of ours'), { code: 'ENOENT', status: 404, title: 'Not found' }),
    Object.assign(new Error('A name of all objects'), { code: 'constructor', status: 404, title: '' }),
    { code: 'FORBIDDEN', status: 403, title: 'Access denied' },
    new Error('No code at all'),
    'FORBIDDEN',
    undefined,
  ])('%j is none', (error) => {
    expect(isDepotError(error)).toBe(false);
  });
});

test('docs/errors.md has every code, with its status and its title', async () => {
  const text = await readFile(join(import.meta.dirname, '../docs/errors.md'), 'utf8');
  const rows = [...text.matchAll(/^\| `(\w+)` \| (\d+) \| (.+) \|$/gm)];
  const told = rows.map(([, code, status, title]) => [code, { status: Number(status), title }]);
  expect(told).toEqual(Object.entries(ERROR_TABLE));
});
