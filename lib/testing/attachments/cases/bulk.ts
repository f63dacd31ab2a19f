import assert from 'node:assert/strict';
import { type AttachmentCases, hasCode, type Scene } from '../scene.js';
import { savedRow } from './saving.js';

/** Several rows at once. */
export const bulk: AttachmentCases = {
  'bulk: many rows are created at once': async (scene) => {
    const rows = Array.from({ length: 20 }, (_row, index) => ({
      name: `row ${index}`,
      content: Buffer.from(`content ${index}`),
      photo: index % 2 ? Buffer.from(`photo ${index}`) : null,
    }));
    const ids = await scene.orm.createMany(rows);
    assert.equal(ids.length, 20);
    await scene.assertContent((await scene.row(ids[7] ?? '')).photo, 'photo 7');
    assert.equal((await scene.files()).length, 20 + 10 * 2);
  },

  'bulk: one row that is refused takes the files of all': async (scene) => {
    const rows = ['a', 'b', 'a'].map((name) => ({ name, content: Buffer.from(name) }));
    const act = scene.orm.transaction((orm) => orm.createMany(rows));
    await scene.assertFails(act, 'creating two rows of the same name');
    assert.deepEqual(await scene.files(), []);
  },

  'bulk: rows are changed by criteria, or that is refused': async (scene) => {
    const first = await savedRow(scene);
    const second = await savedRow(scene);
    const ids = [first.id, second.id];
    const isHandled = await handled(() => scene.orm.updateMany(ids, { content: Buffer.from('bulk') }));
    await scene.assertEven('after rows were changed by criteria');
    const row = await scene.row(first.id);
    await scene.assertContent(row.content, isHandled ? 'bulk' : 'content');
    await handled(() => scene.orm.updateMany(ids, { photo: null }));
    await scene.assertEven('after attachments were removed by criteria');
  },

  'bulk: rows are deleted by criteria, or that is refused': async (scene) => {
    const first = await savedRow(scene);
    const second = await savedRow(scene);
    const isHandled = await handled(() => scene.orm.removeMany([first.id]));
    assert.equal((await scene.files()).length, isHandled ? 3 : 6);
    await scene.assertContent((await scene.row(second.id)).content, 'content');
  },

  'bulk: a rollback undoes what was done by criteria': async (scene) => {
    const { id } = await savedRow(scene);
    const acts = [
      () => scene.orm.transaction((orm) => orm.updateMany([id], { content: Buffer.from('x') }).then(undo)),
      () => scene.orm.transaction((orm) => orm.removeMany([id]).then(undo)),
    ];
    for (const act of acts) {
      await scene.assertFails(act(), 'the transaction');
      await scene.assertEven('after the rollback');
    }
    await scene.assertContent((await scene.row(id)).content, 'content');
  },

  'bulk: what is changed by criteria without attachments is left alone': async (scene) => {
    const { id } = await savedRow(scene);
    await handled(() => scene.orm.updateMany([id], { name: 'renamed' }));
    await scene.assertContent((await scene.row(id)).content, 'content');
  },
};

/** Rows that are deleted by the ORM with the row that they belong to. */
export const cascades: AttachmentCases = {
  'cascade: documents are stored and removed with their folder': async (scene) => {
    const folder = await folderOf(scene, ['a', 'b', 'c']);
    assert.equal((await scene.files()).length, 3);
    await scene.orm.removeFolder?.(folder);
    assert.deepEqual(await scene.files(), []);
  },

  'cascade: a rollback keeps them': async (scene) => {
    const folder = await folderOf(scene, ['a', 'b']);
    const act = scene.orm.transaction(async (orm) => {
      await orm.removeFolder?.(folder);
      undo();
    });
    await scene.assertFails(act, 'the transaction');
    assert.equal((await scene.files()).length, 2);
  },

  'cascade: a document that is refused takes the others along': async (scene) => {
    await scene.assertFails(folderOf(scene, ['a', 'a']), 'a folder with two documents of the same name');
    assert.deepEqual(await scene.files(), []);
  },
};

async function folderOf(scene: Scene, names: readonly string[]): Promise<string> {
  const documents = names.map((name) => ({ name, content: Buffer.from(name) }));
  const folder = await scene.orm.createFolder?.(documents);
  assert.ok(folder !== undefined, 'createFolder must give an id');
  return folder;
}

/** Whether it was done; what cannot be followed may be refused, and nothing else may happen. */
async function handled(act: () => Promise<void>): Promise<boolean> {
  try {
    await act();
    return true;
  } catch (error) {
    if (!hasCode(error, 'ATTACHMENT_UNSUPPORTED')) throw error;
    return false;
  }
}

function undo(): void {
  throw new Error('undone');
}
