import { mkdtemp, readdir, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from '@jest/globals';
import { newHeldPath } from '../../lib/images/held-files.js';
import { removeFolder } from '../support/folders.js';
import { until } from '../support/until.js';

test('what crashes have left is removed when it is more than a day old', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'filedepot-held-'));
  try {
    const hoursOld = { 'filedepot-image-1-a': 25, 'filedepot-image-2-b': 23, 'of-others': 1000 };
    for (const [name, hours] of Object.entries(hoursOld)) {
      await writeFile(join(folder, name), 'content');
      const time = Date.now() / 1000 - hours * 3600;
      await utimes(join(folder, name), time, time);
    }
    expect(newHeldPath(folder).startsWith(join(folder, `filedepot-image-${process.pid}-`))).toBe(true);
    await until(async () => (await readdir(folder)).length < 3, 'the old file to go');
    expect((await readdir(folder)).sort()).toEqual(['filedepot-image-2-b', 'of-others']);
  } finally {
    await removeFolder(folder);
  }
});
