import { describe, expect, test } from '@jest/globals';
import { MemoryJournal } from '../../../lib/attachments/journal/memory-journal.js';
import { idsOf, intent, standingIds } from '../../support/attachments/sample-intents.js';

function transaction() {
  const acts: (() => void)[] = [];
  return {
    defer: (act: () => void) => void acts.push(act),
    commit: () => {
      for (const act of acts) act();
    },
  };
}

describe('memory journal', () => {
  test('decisions count from the commit on', async () => {
    const journal = new MemoryJournal();
    const [upload, deletion] = [intent('upload', 'default/a'), intent('delete', 'default/b')];
    await journal.announce([upload]);
    const open = transaction();
    await journal.record({ keep: [upload], condemn: [deletion] }, open);
    expect(await standingIds(journal)).toEqual(idsOf(upload));
    open.commit();
    expect(await journal.standing([upload, deletion])).toEqual([deletion]);
    await journal.forget([upload, deletion]);
    expect(await standingIds(journal)).toEqual([]);
  });

  test('an upload that was claimed cannot be kept, neither now nor at the commit', async () => {
    const journal = new MemoryJournal();
    const upload = intent('upload', 'default/a');
    await journal.announce([upload]);
    const open = transaction();
    await journal.record({ keep: [upload], condemn: [] }, open);
    expect(await journal.standing([upload])).toEqual([upload]);
    expect(() => open.commit()).toThrow(expect.objectContaining({ code: 'ATTACHMENT_CONFLICT' }));
    const late = journal.record({ keep: [upload], condemn: [] }, transaction());
    await expect(late).rejects.toMatchObject({ code: 'ATTACHMENT_CONFLICT' });
  });

  test('what was retracted is as if it had not been recorded', async () => {
    const journal = new MemoryJournal();
    const [upload, deletion] = [intent('upload', 'default/a'), intent('delete', 'default/b')];
    await journal.announce([upload]);
    const open = transaction();
    await journal.record({ keep: [upload], condemn: [deletion] }, open);
    await journal.retract({ keep: [upload], condemn: [deletion] }, open);
    open.commit();
    expect(await journal.standing([upload, deletion])).toEqual([upload]);
  });
});
