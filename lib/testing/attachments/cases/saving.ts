import assert from 'node:assert/strict';
import { Readable } from 'node:stream';
import { type Attachment, attach } from '../../../attachments/attachment.js';
import { MAX_SIZE, REFUSED } from '../fields.js';
import type { AttachmentCases, Scene } from '../scene.js';

/** Rows that are saved, changed and deleted without a transaction of the application's. */
export const saving: AttachmentCases = {
  'create: stores what the fields are given': async (scene) => {
    const content = attach(Buffer.from('text'), { filename: 'notes.txt', metadata: { by: 'me' } });
    const id = await scene.orm.create({ name: 'one', content, photo: Buffer.from('a picture') });
    const row = await scene.row(id);
    await scene.assertContent(row.content, 'text');
    await scene.assertContent(row.photo, 'a picture');
    assert.equal(row.content?.filename, 'notes.txt');
    assert.equal(row.content?.contentType, 'text/plain');
    assert.equal(row.content?.size, 4);
    assert.deepEqual(row.content?.metadata, { by: 'me' });
    assert.equal(row.content?.depot, 'default');
    assert.equal(row.content?.url(), `/depot/${row.content?.path}`);
    assert.ok(Object.isFrozen(row.content?.data), 'What is stored must be frozen');
  },

  'create: keeps what filters add': async (scene) => {
    const { photo } = await scene.row(
      await scene.orm.create({ name: 'one', photo: Buffer.from('12345678') }),
    );
    assert.equal(photo?.depot, 'photos');
    assert.equal(photo?.metadata.halved, true);
    assert.equal(photo?.derivative('thumb')?.bytes, 4);
    assert.equal(photo?.thumbUrl(), `/depot/${photo?.derivative('thumb')?.path}`);
    assert.equal(photo?.files.length, 2);
    assert.equal((await scene.files()).length, 2);
  },

  'create: a row needs no attachments': async (scene) => {
    const row = await scene.row(await scene.orm.create({ name: 'one', content: null }));
    assert.equal(row.content, null);
    assert.equal(row.photo, null);
    assert.deepEqual(await scene.files(), []);
  },

  'create: takes content of every kind': async (scene) => {
    const kinds = {
      bytes: new TextEncoder().encode('kind'),
      stream: Readable.from(['ki', 'nd']),
      blob: new Blob(['kind']),
      webStream: new Blob(['kind']).stream(),
      upload: { originalname: 'a.txt', mimetype: 'text/plain', buffer: Buffer.from('kind') },
      text: attach('kind'),
    };
    for (const [name, content] of Object.entries(kinds)) {
      const row = await scene.row(await scene.orm.create({ name, content: content as Buffer, photo: null }));
      await scene.assertContent(row.content, 'kind');
    }
  },

  'create: gives filters the content of a stream too': async (scene) => {
    const row = await scene.row(
      await scene.orm.create({ name: 'one', photo: Readable.from(['1234', '5678']) }),
    );
    assert.equal(row.photo?.derivative('thumb')?.bytes, 4);
  },

  'create: what is read meanwhile does not disturb it': async (scene) => {
    const { id } = await savedRow(scene);
    const slow = async function* () {
      for (const text of ['one, ', 'two']) {
        await scene.assertContent((await scene.row(id)).content, 'content');
        yield Buffer.from(text);
      }
    };
    const created = await scene.orm.create({ name: 'slow', content: Readable.from(slow()) });
    await scene.assertContent((await scene.row(created)).content, 'one, two');
  },

  'create: one piece of content on two rows makes two files': async (scene) => {
    for (const content of [attach(Buffer.from('same')), attach(Readable.from(['same']))]) {
      const first = await scene.orm.create({ name: scene.newName(), content });
      const second = await scene.orm.create({ name: scene.newName(), content, photo: content });
      await scene.assertEven('with one piece of content on two rows');
      await scene.orm.remove(first);
      const row = await scene.row(second);
      await scene.assertContent(row.content, 'same');
      await scene.assertContent(row.photo, 'same');
    }
  },

  'create: takes no JSON that a client may have sent': async (scene) => {
    const forged = [
      { path: '/etc/hostname' },
      { originalname: 'x', mimetype: 'text/plain', path: '/etc/hostname' },
      { depot: 'default', id: 'x', path: 'default/x', files: ['default/x'] },
      'text',
    ];
    for (const content of forged) {
      const act = scene.orm.create({ name: scene.newName(), content: content as never });
      await scene.assertFails(act, 'create with JSON for content', 'INVALID_CONTENT');
    }
    assert.deepEqual(await scene.files(), []);
  },

  'create: what a field refuses leaves nothing': async (scene) => {
    const tooLarge = Buffer.alloc(MAX_SIZE + 1);
    const refusals = {
      FILE_TOO_LARGE: { content: tooLarge },
      UPLOAD_REFUSED: { photo: Buffer.from(REFUSED) },
    };
    for (const [code, values] of Object.entries(refusals)) {
      const act = scene.orm.create({ name: 'one', content: Buffer.from('other'), ...values });
      await scene.assertFails(act, 'create with refused content', code as keyof typeof refusals);
      await scene.assertEven('after content was refused');
      assert.deepEqual(await scene.files(), []);
    }
    await scene.orm.create({ name: 'one', content: Buffer.from('fits') });
  },

  'create: a row that is refused leaves nothing': async (scene) => {
    await scene.orm.create({ name: 'taken' });
    const act = scene.orm.create({ name: 'taken', content: Buffer.from('x'), photo: Buffer.from('y') });
    await scene.assertFails(act, 'create with a name that is taken');
    await scene.assertEven('after a row was refused');
    assert.deepEqual(await scene.files(), []);
  },

  'update: replaces, and the old files go': async (scene) => {
    const { id, content, photo } = await savedRow(scene);
    await scene.orm.update(id, { content: Buffer.from('new') });
    const row = await scene.row(id);
    await scene.assertContent(row.content, 'new');
    assert.notEqual(row.content?.path, content.path, 'A replaced file must have a new path');
    assert.deepEqual(row.photo?.files, photo.files, 'What was not replaced must stay');
    assert.ok(
      !(await scene.files()).includes(content.path),
      'The old file must be gone when the update is done',
    );
  },

  'update: null removes': async (scene) => {
    const { id } = await savedRow(scene);
    await scene.orm.update(id, { photo: null });
    const row = await scene.row(id);
    assert.equal(row.photo, null);
    await scene.assertContent(row.content, 'content');
    assert.equal((await scene.files()).length, 1);
  },

  'update: what is not changed stays': async (scene) => {
    const { id, content, photo } = await savedRow(scene);
    await scene.orm.update(id, { name: 'renamed' });
    const row = await scene.row(id);
    assert.equal(row.name, 'renamed');
    await scene.orm.update(id, { name: 'again', content: row.content, photo: row.photo });
    const same = await scene.row(id);
    assert.deepEqual(same.content?.toJSON(), content.toJSON());
    assert.deepEqual(same.photo?.toJSON(), photo.toJSON());
  },

  'update: what is set last counts': async (scene) => {
    const { id } = await savedRow(scene);
    await scene.orm.updateTwice(id, { content: Buffer.from('first') }, { content: Buffer.from('second') });
    await scene.assertContent((await scene.row(id)).content, 'second');
    await scene.assertEven('after a field was set twice');
    await scene.orm.updateTwice(id, { content: Buffer.from('third') }, { content: null });
    assert.equal((await scene.row(id)).content, null);
  },

  'update: a row that is refused keeps its files': async (scene) => {
    const { id, content } = await savedRow(scene);
    await scene.orm.create({ name: 'taken' });
    const act = scene.orm.update(id, { name: 'taken', content: Buffer.from('new'), photo: null });
    await scene.assertFails(act, 'update to a name that is taken');
    const row = await scene.row(id);
    assert.equal(row.content?.path, content.path);
    await scene.assertContent(row.content, 'content');
  },

  'update: content that is refused changes nothing': async (scene) => {
    const { id, photo } = await savedRow(scene);
    const act = scene.orm.update(id, { content: Buffer.from('new'), photo: Buffer.from(REFUSED) });
    await scene.assertFails(act, 'update with refused content', 'UPLOAD_REFUSED');
    const row = await scene.row(id);
    assert.equal(row.photo?.path, photo.path);
    await scene.assertContent(row.content, 'content');
  },

  'update: the attachment of another row is copied': async (scene) => {
    const { id: first, content } = await savedRow(scene);
    const second = await scene.orm.create({ name: 'copy', content, photo: content });
    await scene.orm.update(first, { photo: (await scene.row(second)).photo });
    await scene.assertEven('after attachments were copied');
    await scene.orm.remove(first);
    const row = await scene.row(second);
    await scene.assertContent(row.content, 'content');
    assert.equal(row.content?.filename, content.filename);
    assert.equal(row.photo?.derivative('thumb')?.bytes, 3, "The field's own filters must run on a copy");
  },

  'remove: the files go with the row': async (scene) => {
    const { id } = await savedRow(scene);
    const other = await savedRow(scene);
    await scene.orm.remove(id);
    await scene.assertNoRow(id);
    assert.deepEqual(await scene.files(), [...other.content.files, ...other.photo.files].sort());
  },

  'find: what is read is what was stored': async (scene) => {
    const { id, photo } = await savedRow(scene);
    const { harness } = await scene.start();
    const row = await harness.find(id);
    assert.deepEqual(row?.photo?.toJSON(), photo.toJSON());
    assert.equal(JSON.stringify(row?.photo), JSON.stringify(photo));
    await scene.assertContent(row?.photo, 'photo');
  },
};

/** Fields that have a list of attachments. */
export const lists: AttachmentCases = {
  'list: is stored, changed and removed item by item': async (scene) => {
    const id = await scene.orm.create({ name: 'one', pages: pages('a', 'b', 'c') });
    const [a, , c] = (await scene.row(id)).pages ?? [];
    assert.ok(a && c);
    await scene.orm.update(id, { pages: [c, Buffer.from('d'), a] });
    await assertPages(scene, id, ['c', 'd', 'a']);
    const [first, , third] = (await scene.row(id)).pages ?? [];
    assert.deepEqual(
      [first?.path, third?.path],
      [c.path, a.path],
      'What is still in the list must stay as it is',
    );
    await scene.assertEven('after a list was changed');
    await scene.orm.update(id, { pages: [] });
    await assertPages(scene, id, []);
    assert.deepEqual(await scene.files(), []);
  },

  'list: goes with its row': async (scene) => {
    const id = await scene.orm.create({ name: 'one', pages: pages('a', 'b') });
    await scene.orm.remove(id);
    assert.deepEqual(await scene.files(), []);
  },

  'list: the same attachment twice, or in two rows, is copied': async (scene) => {
    const id = await scene.orm.create({ name: 'one', pages: pages('a') });
    const [a] = (await scene.row(id)).pages ?? [];
    assert.ok(a);
    await scene.orm.update(id, { pages: [a, a] });
    await scene.orm.create({ name: 'two', pages: [a] });
    await assertPages(scene, id, ['a', 'a']);
  },

  'list: one item that is refused leaves all as it was': async (scene) => {
    const id = await scene.orm.create({ name: 'one', pages: pages('a') });
    const act = scene.orm.update(id, { pages: [Buffer.from('b'), 'forged' as never] });
    await scene.assertFails(act, 'update with a forged item', 'INVALID_CONTENT');
    await assertPages(scene, id, ['a']);
  },

  'list: a rollback leaves it as it was': async (scene) => {
    const id = await scene.orm.create({ name: 'one', pages: pages('a', 'b') });
    const act = scene.orm.transaction(async (orm) => {
      await orm.update(id, { pages: pages('c') });
      throw new Error('undone');
    });
    await scene.assertFails(act, 'the transaction');
    await assertPages(scene, id, ['a', 'b']);
  },
};

/** A row with `content` and `photo`. */
export async function savedRow(
  scene: Scene,
): Promise<{ id: string; content: Attachment; photo: Attachment }> {
  const content = attach(Buffer.from('content'), { filename: 'content.txt' });
  const id = await scene.orm.create({ name: scene.newName(), content, photo: Buffer.from('photo') });
  const row = await scene.row(id);
  assert.ok(row.content && row.photo, 'A row must have the attachments that it was saved with');
  return { id, content: row.content, photo: row.photo };
}

function pages(...texts: string[]): Buffer[] {
  return texts.map((text) => Buffer.from(text));
}

async function assertPages(scene: Scene, id: string, texts: readonly string[]): Promise<void> {
  const stored = (await scene.row(id)).pages ?? [];
  const contents = await Promise.all(stored.map(async (page) => (await page.buffer()).toString()));
  assert.deepEqual(contents, texts);
}
