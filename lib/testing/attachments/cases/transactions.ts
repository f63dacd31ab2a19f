import assert from 'node:assert/strict';
import { attach } from '../../../attachments/attachment.js';
import { REFUSED } from '../fields.js';
import type { DocumentOperations } from '../harness.js';
import type { AttachmentCases, Scene } from '../scene.js';
import { savedRow } from './saving.js';

const UNDONE = new Error('undone');

/** Rows that are changed in a transaction. */
export const transactions: AttachmentCases = {
  'transaction: a commit keeps the new files and deletes the old ones': async (scene) => {
    const replaced = await savedRow(scene);
    const removed = await savedRow(scene);
    const created = await scene.orm.transaction(async (orm) => {
      await orm.update(replaced.id, { content: Buffer.from('new'), photo: null });
      await orm.remove(removed.id);
      return orm.create({ name: 'created', photo: Buffer.from('created') });
    });
    await scene.assertContent((await scene.row(replaced.id)).content, 'new');
    await scene.assertContent((await scene.row(created)).photo, 'created');
    await scene.assertNoRow(removed.id);
    assert.equal((await scene.files()).length, 3);
  },

  'transaction: a rollback deletes the new files and keeps the old ones': async (scene) => {
    const replaced = await savedRow(scene);
    const removed = await savedRow(scene);
    await undone(scene, async (orm) => {
      await orm.update(replaced.id, { content: Buffer.from('new'), photo: null });
      await orm.remove(removed.id);
      await orm.create({ name: 'created', photo: Buffer.from('created') });
    });
    const row = await scene.row(replaced.id);
    assert.equal(row.content?.path, replaced.content.path);
    await scene.assertContent(row.photo, 'photo');
    await scene.assertContent((await scene.row(removed.id)).content, 'content');
    assert.equal((await scene.files()).length, 6);
  },

  'transaction: old files stay as long as it is open': async (scene) => {
    const { id, content, photo } = await savedRow(scene);
    const stay = async () => {
      const files = await scene.files();
      for (const path of [...content.files, ...photo.files])
        assert.ok(files.includes(path), 'An old file must be there until the transaction is committed');
    };
    await scene.orm.transaction(async (orm) => {
      await orm.update(id, { content: Buffer.from('new') });
      await stay();
      await orm.remove(id);
      await stay();
    });
    assert.deepEqual(await scene.files(), []);
  },

  'transaction: new files are there before it is committed': async (scene) => {
    await scene.orm.transaction(async (orm) => {
      await orm.create({ name: 'one', content: Buffer.from('new') });
      assert.equal((await scene.files()).length, 1);
    });
  },

  'transaction: an error in the middle undoes it all': async (scene) => {
    const { id } = await savedRow(scene);
    await scene.orm.create({ name: 'taken' });
    const act = scene.orm.transaction(async (orm) => {
      await orm.update(id, { content: Buffer.from('new') });
      await orm.create({ name: 'taken', content: Buffer.from('refused by the database') });
    });
    await scene.assertFails(act, 'a transaction with a name that is taken');
    await scene.assertContent((await scene.row(id)).content, 'content');
    assert.equal((await scene.files()).length, 3);
  },

  'transaction: a statement that fails, and is caught, changes nothing': async (scene) => {
    const { id } = await savedRow(scene);
    await scene.orm.create({ name: 'taken' });
    const act = scene.orm.transaction(async (orm) => {
      await orm.create({ name: 'before', content: Buffer.from('before') });
      const change = { name: 'taken', content: Buffer.from('new'), photo: null };
      await orm.update(id, change).catch(() => {});
      await orm.create({ name: 'taken', photo: Buffer.from('new') }).catch(() => {});
    });
    // Some databases go on after it, others refuse the commit, and others make it a rollback without a word.
    await act.catch(() => {});
    const row = await scene.row(id);
    await scene.assertContent(row.content, 'content');
    await scene.assertContent(row.photo, 'photo');
  },

  'transaction: a save that is refused, and caught, leaves nothing': async (scene) => {
    const { id } = await savedRow(scene);
    const act = scene.orm.transaction(async (orm) => {
      const values = { content: Buffer.from('fine'), photo: Buffer.from(REFUSED) };
      await orm.create({ name: 'refused', ...values }).catch(() => {});
      await orm.update(id, values).catch(() => {});
      await orm.create({ name: 'after', content: Buffer.from('after') });
    });
    await act.catch(() => {});
    await scene.assertContent((await scene.row(id)).content, 'content');
  },

  'transaction: a field that is replaced twice keeps the last': async (scene) => {
    const { id } = await savedRow(scene);
    const twice = async (orm: DocumentOperations) => {
      await orm.update(id, { photo: Buffer.from('first') });
      await orm.update(id, { photo: Buffer.from('second') });
    };
    await undone(scene, twice);
    await scene.assertContent((await scene.row(id)).photo, 'photo');
    await scene.assertEven('after the rollback');
    await scene.orm.transaction(twice);
    await scene.assertContent((await scene.row(id)).photo, 'second');
  },

  'transaction: what is created and removed in it leaves nothing': async (scene) => {
    const both = async (orm: DocumentOperations) => {
      const id = await orm.create({ name: 'short-lived', photo: Buffer.from('photo') });
      await orm.update(id, { content: Buffer.from('content') });
      await orm.remove(id);
    };
    await scene.orm.transaction(both);
    assert.deepEqual(await scene.files(), []);
    await undone(scene, both);
    assert.deepEqual(await scene.files(), []);
  },

  'transaction: an attachment of a rollback can be saved again': async (scene) => {
    const photo = attach(Buffer.from('again'));
    await undone(scene, async (orm) => {
      await orm.create({ name: 'one', photo });
    });
    const id = await scene.orm.transaction((orm) => orm.create({ name: 'one', photo }));
    await scene.assertContent((await scene.row(id)).photo, 'again');
  },

  'transaction: one without attachments is left alone': async (scene) => {
    await scene.orm.transaction(async (orm) => {
      await orm.create({ name: 'one' });
    });
    await undone(scene, async (orm) => {
      await orm.create({ name: 'two' });
    });
  },

  'transaction: many at once, some of them undone': async (scene) => {
    const acts = Array.from({ length: 12 }, async (_act, index) => {
      const act = scene.orm.transaction(async (orm) => {
        const id = await orm.create({ name: `one ${index}`, content: Buffer.from(`content ${index}`) });
        await orm.update(id, { photo: Buffer.from(`photo ${index}`) });
        if (index % 3 === 0) throw UNDONE;
        return id;
      });
      if (index % 3 === 0) await scene.assertFails(act, 'the transaction');
      else await scene.assertContent((await scene.row(await act)).photo, `photo ${index}`);
    });
    await Promise.all(acts);
    assert.equal((await scene.files()).length, 8 * 3);
  },

  'transaction: two that replace the same attachment': async (scene) => {
    const { id } = await savedRow(scene);
    const other = await scene.start();
    const replace = (orm: DocumentOperations, text: string) => orm.update(id, { content: Buffer.from(text) });
    const acts = [
      scene.orm.transaction((orm) => replace(orm, 'one')),
      other.harness.transaction((orm) => replace(orm, 'two')),
    ];
    await Promise.allSettled(acts);
    await scene.assertEven('after two transactions have replaced the same attachment');
    const { content } = await scene.row(id);
    assert.ok(content);
    assert.match((await content.buffer()).toString(), /^(?:one|two|content)$/);
  },
};

/** Transactions in transactions. */
export const nested: AttachmentCases = {
  'nested: the inner one is undone alone': async (scene) => {
    const kept = await savedRow(scene);
    const id = await scene.orm.transaction(async (orm) => {
      const created = await orm.create({ name: 'outer', content: Buffer.from('outer') });
      await undoneWithin(orm, async (inner) => {
        await inner.create({ name: 'inner', content: Buffer.from('inner') });
        await inner.update(created, { content: Buffer.from('changed within') });
        await inner.remove(kept.id);
      });
      return created;
    });
    await scene.assertContent((await scene.row(id)).content, 'outer');
    await scene.assertContent((await scene.row(kept.id)).photo, 'photo');
    assert.equal((await scene.files()).length, 4);
  },

  'nested: what follows an inner rollback is kept': async (scene) => {
    const { id } = await savedRow(scene);
    await scene.orm.transaction(async (orm) => {
      await undoneWithin(orm, async (inner) => {
        await inner.update(id, { content: Buffer.from('within') });
      });
      await orm.update(id, { content: Buffer.from('after') });
    });
    await scene.assertContent((await scene.row(id)).content, 'after');
  },

  'nested: the outer one takes the inner one along': async (scene) => {
    const { id } = await savedRow(scene);
    await undone(scene, async (orm) => {
      await within(orm, async (inner) => {
        await inner.update(id, { content: Buffer.from('within') });
        await inner.create({ name: 'inner', photo: Buffer.from('inner') });
      });
    });
    await scene.assertContent((await scene.row(id)).content, 'content');
    assert.equal((await scene.files()).length, 3);
  },

  'nested: both are committed': async (scene) => {
    const { id, content } = await savedRow(scene);
    await scene.orm.transaction(async (orm) => {
      await within(orm, async (inner) => {
        await inner.update(id, { content: Buffer.from('within') });
      });
      assert.ok((await scene.files()).includes(content.path), 'Only the outermost commit counts');
    });
    await scene.assertContent((await scene.row(id)).content, 'within');
  },
};

async function undone(scene: Scene, act: (orm: DocumentOperations) => Promise<void>): Promise<void> {
  const transaction = scene.orm.transaction(async (orm) => {
    await act(orm);
    throw UNDONE;
  });
  const error = await transaction.catch((reason: unknown) => reason);
  assert.equal(error, UNDONE, 'A transaction must fail with what its act throws');
}

async function within(
  orm: DocumentOperations,
  act: (inner: DocumentOperations) => Promise<void>,
): Promise<void> {
  assert.ok(orm.nested, 'Operations of a transaction must have `nested`');
  await orm.nested(act);
}

async function undoneWithin(
  orm: DocumentOperations,
  act: (inner: DocumentOperations) => Promise<void>,
): Promise<void> {
  const nesting = within(orm, async (inner) => {
    await act(inner);
    throw UNDONE;
  });
  const error = await nesting.catch((reason: unknown) => reason);
  assert.equal(error, UNDONE, 'A nested transaction must fail with what its act throws');
}
