import { type Cases, collect, type Subject } from './subject.js';

/** Endings of ids in ascending order of their characters' codes: `-` < digits < capitals < `_` < small letters. */
const ENDINGS = ['-z', '0', '01', '1', 'A', 'B9', 'Z', '_', 'a', 'aa', 'ab', 'b'];

/** `list`: ids in order, by prefix, and from where one left off. */
export const listing: Cases = {
  'list: gives the ids of all files, in ascending order': async (subject) => {
    const { all } = await storeSeveral(subject);
    const ids = await subject.ids();
    subject.ok(isAscending(ids), 'list', 'give ids in ascending order of their characters, each once');
    subject.ok(
      all.every((id) => ids.includes(id)),
      'list',
      'give the ids of all files',
    );
  },

  'list: by prefix': async (subject) => {
    const { prefix, all } = await storeSeveral(subject);
    for (const each of prefix === '' ? all : [prefix, `${prefix}a`, `${prefix}Z`, ...all]) {
      const expected = (await subject.ids()).filter((id) => id.startsWith(each));
      const ids = await collect(subject.storage.list({ prefix: each }));
      subject.equal(ids, expected, 'list', 'give the ids that begin so, and no other');
    }
    subject.equal(
      await collect(subject.storage.list({ prefix: subject.newId() })),
      [],
      'list',
      'give no ids where none begin so',
    );
  },

  'list: after an id, whether it exists or not': async (subject) => {
    const { all } = await storeSeveral(subject);
    const everything = await subject.ids();
    for (const after of [...all, `${all[3]}-`, '0', 'zzz']) {
      const expected = everything.filter((id) => id > after);
      subject.equal(
        await collect(subject.storage.list({ after })),
        expected,
        'list',
        'give what sorts after an id',
      );
    }
  },

  'list: after an id, by prefix': async (subject) => {
    const { prefix, all } = await storeSeveral(subject);
    const everything = await subject.ids();
    for (const after of [...all, '0', 'zzz']) {
      const expected = everything.filter((id) => id > after && id.startsWith(prefix));
      const ids = await collect(subject.storage.list({ prefix, after }));
      subject.equal(ids, expected, 'list', 'give what begins so and sorts after an id');
    }
  },

  'list: can be left and resumed': async (subject) => {
    await storeSeveral(subject);
    const expected = await subject.ids();
    const ids: string[] = [];
    for (let turn = 0; turn <= expected.length; turn++) {
      for await (const id of subject.storage.list({ after: ids.at(-1) })) {
        ids.push(id);
        if (ids.length % 3 === 0) break;
      }
    }
    subject.equal(ids, expected, 'list', 'go on after the id where it was left');
  },

  'list: is an iterable that starts anew each time': async (subject) => {
    const { all } = await storeSeveral(subject);
    const [once, twice] = [await subject.ids(), await subject.ids()];
    subject.equal(once, twice, 'list', 'give the same ids again');
    const [first] = all;
    for await (const id of subject.storage.list({ prefix: first }))
      subject.equal(typeof id, 'string', 'list', 'give ids');
  },

  'list: goes on while files come and go': async (subject) => {
    const { all } = await storeSeveral(subject);
    const seen: string[] = [];
    for await (const id of subject.storage.list()) {
      if (!all.includes(id)) continue;
      seen.push(id);
      await subject.storage.delete(id);
      await subject.storage.delete(await subject.storage.create('passing'));
    }
    subject.equal(seen, [...all].sort(), 'list', 'give each file that was there all the time exactly once');
  },

  'list: gives up when the signal says so': async (subject) => {
    await storeSeveral(subject);
    const reason = new Error('not now');
    const list = collect(subject.storage.list({ signal: AbortSignal.abort(reason) }));
    await subject.rejectsWith(list, reason, 'list', 'as the reason of its signal');
  },

  'list: gives up in the midst of it': async (subject) => {
    await storeSeveral(subject);
    const controller = new AbortController();
    const reason = new Error('enough');
    let count = 0;
    const readAll = async () => {
      for await (const _id of subject.storage.list({ signal: controller.signal }))
        if (++count === 2) controller.abort(reason);
    };
    await subject.rejectsWith(readAll(), reason, 'list', 'as the reason of its signal');
    subject.equal(count, 2, 'list', 'give no id after its signal was aborted');
  },
};

/** Files in an order that is not that of their ids. */
async function storeSeveral(subject: Subject): Promise<{ prefix: string; all: string[] }> {
  const prefix = subject.can('anyId') ? `${subject.newId()}-` : '';
  const all: string[] = [];
  for (const ending of ENDINGS.toReversed()) {
    all.push(await subject.storage.create(ending, prefix === '' ? {} : { id: prefix + ending }));
  }
  return { prefix, all };
}

function isAscending(ids: readonly string[]): boolean {
  return ids.every((id, index) => index === 0 || (ids[index - 1] ?? '') < id);
}
