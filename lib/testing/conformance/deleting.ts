import type { Cases } from './subject.js';

/** `delete`: a file goes, and that it is gone already is no error. */
export const deleting: Cases = {
  'delete: removes a file': async (subject) => {
    const { storage } = subject;
    const { id } = await subject.store('x');
    subject.equal(await storage.delete(id), undefined, 'delete', 'resolve to nothing');
    subject.equal(await storage.exists(id), false, 'delete', 'remove the file');
    await subject.rejects(storage.get(id), 'FILE_NOT_FOUND', 'get', 'after delete');
    subject.ok(!(await subject.ids()).includes(id), 'list', 'not give the ids of deleted files');
  },

  'delete: of a missing file is no error': async (subject) => {
    const { storage } = subject;
    const id = await subject.goneId();
    for (const missing of [id, id, subject.newId(), 'constructor']) {
      const outcome = await subject.allow(storage.delete(missing), [], 'delete');
      subject.equal(outcome, undefined, 'delete', 'not fail where there is no such file');
    }
  },

  'delete: takes a file as well as its id': async (subject) => {
    const [one, two] = [await subject.store('one'), await subject.store('two')];
    await subject.storage.delete(one);
    await subject.storage.delete({ id: two.id });
    subject.equal(await subject.storage.exists(one.id), false, 'delete', 'take a file');
    subject.equal(await subject.storage.exists(two.id), false, 'delete', 'take what has an id');
  },

  'delete: leaves other files alone': async (subject) => {
    const { id } = await subject.store('x');
    const other = await subject.store('other');
    await subject.storage.delete(id);
    subject.equal(await other.text(), 'other', 'delete', 'leave other files alone');
  },

  'delete: frees the id': async (subject) => {
    const { storage } = subject;
    const { id } = await subject.store('old', { filename: 'old.txt', metadata: { old: true } });
    await storage.delete(id);
    await storage.create('new', { id });
    const file = await storage.get(id);
    subject.equal(await file.text(), 'new', 'create', 'take an id again whose file was deleted');
    subject.equal([file.filename, file.metadata], ['unnamed', {}], 'delete', 'leave no details behind');
  },
};
