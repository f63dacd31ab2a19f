import { appendFile, mkdtemp, readdir, readFile, rm, stat, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { FileJournal } from '../../../lib/attachments/journal/file-journal.js';
import { ownerName } from '../../../lib/internal/owner.js';
import { idsOf, intent, standingIds } from '../../support/attachments/sample-intents.js';
import { removeFolder } from '../../support/folders.js';

let root: string;
let folder: string;
let journal: FileJournal;
beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'filedepot-journal-'));
  folder = join(root, 'var/intents');
  journal = new FileJournal({ folder });
  await journal.prepare();
});
afterEach(async () => {
  await journal.close();
  await removeFolder(root);
});

const logs = async () => (await readdir(folder)).map((name) => join(folder, name));

describe('file journal', () => {
  test('is there for others when it was announced', async () => {
    const [one, other] = [intent('upload', 'default/a'), intent('delete', 'default/b')];
    await journal.announce([one]);
    await journal.announce([other]);
    const entries = [];
    for await (const entry of new FileJournal({ folder }).entries()) entries.push(entry);
    expect(entries).toEqual([one, other]);
  });

  test('forgets, whoever has announced it', async () => {
    const [one, other, third] = [intent('upload', 'a/a'), intent('upload', 'a/b'), intent('upload', 'a/c')];
    await journal.announce([one, other, third]);
    await journal.forget([one]);
    await journal.forget([one]);
    await new FileJournal({ folder }).forget([other]);
    expect(await standingIds(journal)).toEqual(idsOf(third));
  });

  test('a log does not grow without an end', async () => {
    for (let round = 0; round < 30; round += 1) {
      const intents = Array.from({ length: 30 }, () => intent('upload', 'default/a'));
      await journal.announce(intents);
      await journal.forget(intents);
    }
    const [log = ''] = await logs();
    expect((await stat(log)).size).toBeLessThan(128 * 1024);
    expect(await standingIds(journal)).toEqual([]);
  });

  test('goes on when its log was taken for abandoned', async () => {
    const [one, other] = [intent('upload', 'default/a'), intent('upload', 'default/b')];
    await journal.announce([one]);
    await journal.forget([one]);
    const [log = ''] = await logs();
    await rm(log);
    await journal.announce([other]);
    expect(await standingIds(journal)).toEqual(idsOf(other));
  });

  test('a line that its writer died in is none, and the next one counts', async () => {
    const [one, other] = [intent('upload', 'default/a'), intent('upload', 'default/b')];
    await journal.announce([one]);
    const [log = ''] = await logs();
    await appendFile(log, '\n{"announced":[{"id":"half');
    await journal.announce([other]);
    expect(await standingIds(journal)).toEqual(idsOf(one, other));
  });

  test('asks the rows what has become of a transaction', async () => {
    const asking = new FileJournal({ folder, isReferenced: async (path) => path === 'default/kept' });
    const [kept, lost] = [intent('upload', 'default/kept'), intent('upload', 'default/lost')];
    const deletion = intent('delete', 'default/old');
    await asking.announce([kept, lost]);
    await asking.record({ keep: [kept], condemn: [deletion] });
    expect(await asking.standing([kept, lost, deletion])).toEqual([lost, deletion]);
    await asking.retract({ keep: [], condemn: [deletion] });
    expect(await standingIds(asking)).toEqual(idsOf(kept, lost));
    await asking.close();
  });

  test('purge removes empty logs of processes that are no more, and no others', async () => {
    const dead = ownerName(4_194_305);
    const uuid = '00000000-0000-4000-8000-000000000000';
    const empty = join(folder, `${dead}.${uuid}.log`);
    await writeFile(empty, '');
    const standing = intent('upload', 'default/a');
    await writeFile(
      join(folder, `${dead}.${uuid.replace('0', '1')}.log`),
      JSON.stringify({ announced: [standing] }),
    );
    const foreign = join(folder, `elsewhere.1.2.abc.${uuid}.log`);
    await writeFile(foreign, '');
    await journal.announce([intent('upload', 'default/b')]);
    await journal.purge(new Date(Date.now() - 60_000));
    expect((await logs()).length).toBe(3);
    await utimes(foreign, 0, 0);
    await journal.purge(new Date(Date.now() - 60_000));
    expect((await logs()).length).toBe(2);
    expect(await standingIds(journal)).toContain(standing.id);
  });

  test('a log without anything that stands goes when it is closed', async () => {
    const one = intent('upload', 'default/a');
    await journal.announce([one]);
    await journal.forget([one]);
    await journal.close();
    expect(await logs()).toEqual([]);
  });

  test('a log in which something stands stays, and can be gone on with', async () => {
    const [one, other] = [intent('upload', 'default/a'), intent('upload', 'default/b')];
    await journal.announce([one]);
    await journal.close();
    await journal.announce([other]);
    expect(await readFile((await logs())[0] ?? '', 'utf8')).toContain(one.id);
    expect(await standingIds(journal)).toEqual(idsOf(one, other));
  });

  test('fails where the folder cannot be written', async () => {
    const broken = new FileJournal({ folder: '/dev/null/intents' });
    await expect(broken.prepare()).rejects.toMatchObject({ code: 'ENOTDIR' });
    await expect(broken.announce([intent('upload', 'default/a')])).rejects.toMatchObject({ code: 'ENOTDIR' });
  });

  test('many announce at once', async () => {
    const intents = Array.from({ length: 50 }, () => intent('upload', 'default/a'));
    await Promise.all(intents.map((one) => journal.announce([one])));
    expect(await standingIds(journal)).toEqual(idsOf(...intents));
  });
});
