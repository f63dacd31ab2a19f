import assert from 'node:assert/strict';
import type { FaultPoint } from '../../faulty-storage.js';
import type { AttachmentCases, Scene } from '../scene.js';
import { savedRow } from './saving.js';

/** More calls than any of the acts makes to one storage. */
const CALLS = 4;

/** Storages that fail. */
export const failing: AttachmentCases = {
  'failing storage: nothing is saved when an upload fails': async (scene) => {
    await scene.orm.create({ name: 'there' });
    for (const on of ['stage', 'commit'] satisfies FaultPoint[]) {
      for (let call = 1; call <= CALLS; call += 1) await saveFailing(scene, on, call);
    }
  },

  'failing storage: a transaction in which an upload fails, and is caught, leaves nothing of it': async (
    scene,
  ) => {
    for (const on of ['stage', 'commit'] satisfies FaultPoint[]) {
      for (let call = 1; call <= CALLS; call += 1) await commitFailing(scene, on, call);
    }
  },

  'failing storage: what a failed upload leaves, and cannot be deleted, goes later': async (scene) => {
    const { harness, errors } = await scene.start({
      faults: [
        { on: 'commit', call: 2, fail: 'STORAGE_UNAVAILABLE' },
        { on: 'delete', call: 1, fail: 'STORAGE_UNAVAILABLE' },
      ],
    });
    await scene.assertFails(
      harness.create({ name: 'one', photo: Buffer.from('photo') }),
      'create with a storage that fails',
      'STORAGE_UNAVAILABLE',
    );
    await harness.idle();
    assert.equal(errors.length, 1, 'onError must be told of the file that cannot be deleted');
    assert.equal((await scene.intents()).length, 1, 'The journal must remember the file');
    await harness.recover();
    assert.deepEqual(await scene.files(), []);
  },

  'failing storage: a deletion that fails, whichever it is, is tried again': async (scene) => {
    for (let call = 1; call <= CALLS; call += 1) {
      const fault = { on: 'delete', call, fail: 'STORAGE_UNAVAILABLE' } as const;
      const actor = await scene.start({ faults: [fault] });
      const [replaced, removed] = [await savedRow(scene), await savedRow(scene)];
      await actor.harness.transaction(async (orm) => {
        await orm.update(replaced.id, { content: Buffer.from('new'), photo: Buffer.from('new') });
        await orm.remove(removed.id);
      });
      await actor.harness.recover();
      await scene.assertEven(`after the call ${call} of delete has failed, and recover`);
      await scene.stop(actor);
    }
  },

  'failing storage: a deletion is tried again': async (scene) => {
    const { id, content, photo } = await savedRow(scene);
    const { harness, errors } = await scene.start({
      faults: [{ on: 'delete', call: 1, fail: 'STORAGE_UNAVAILABLE' }],
    });
    await harness.update(id, { content: Buffer.from('new'), photo: null });
    await harness.idle();
    assert.equal(errors.length, 2, 'onError must be told of each file that cannot be deleted');
    const files = await scene.files();
    assert.ok(files.includes(content.path), 'A file that cannot be deleted stays');
    assert.equal(
      photo.files.filter((path) => files.includes(path)).length,
      1,
      'One failure must not stop the others',
    );
    assert.equal((await scene.intents()).length, 2, 'The journal must remember what could not be deleted');
    await harness.recover();
    await scene.assertEven('after recover');
    await scene.assertContent((await scene.row(id)).content, 'new');
  },

  'failing storage: what a rollback cannot delete is tried again': async (scene) => {
    const { harness } = await scene.start({
      faults: [{ on: 'delete', call: 1, fail: 'STORAGE_UNAVAILABLE' }],
    });
    const act = harness.transaction(async (orm) => {
      await orm.create({ name: 'one', photo: Buffer.from('photo') });
      throw new Error('undone');
    });
    await scene.assertFails(act, 'the transaction');
    await harness.recover();
    assert.deepEqual(await scene.files(), []);
  },

  'failing storage: another process finishes what could not be deleted': async (scene) => {
    const { id } = await savedRow(scene);
    const faults = [{ on: 'delete', fail: 'STORAGE_UNAVAILABLE' }] as const;
    const actor = await scene.start({ faults, mortal: true });
    await actor.harness.remove(id);
    await scene.kill(actor);
    await scene.orm.recover();
    assert.deepEqual(await scene.files(), []);
  },

  'failing storage: one that cannot be read harms nothing': async (scene) => {
    const { id } = await savedRow(scene);
    const { harness } = await scene.start({ faults: [{ on: 'stream', fail: 'STORAGE_UNAVAILABLE' }] });
    const content = (await harness.find(id))?.content ?? null;
    await scene.assertFails(harness.create({ name: 'copy', content }), 'a copy of what cannot be read');
    await harness.update(id, { name: 'renamed' });
    await scene.assertContent((await scene.row(id)).content, 'content');
  },

  'failing storage: a copy that cannot be read, at whichever call, leaves nothing': async (scene) => {
    const { id } = await savedRow(scene);
    for (const on of ['stat', 'stream', 'open'] satisfies FaultPoint[]) {
      for (let call = 1; call <= CALLS; call += 1) await copyFailing(scene, id, { on, call });
    }
    await scene.assertContent((await scene.row(id)).photo, 'photo');
  },
};

/** Copies the attachments of a row; how often that reads is the storage's business. */
async function copyFailing(
  scene: Scene,
  id: string,
  place: { readonly on: FaultPoint; readonly call: number },
): Promise<void> {
  const actor = await scene.start({ faults: [{ ...place, fail: 'STORAGE_UNAVAILABLE' }] });
  const row = await actor.harness.find(id);
  const copy = { name: scene.newName(), content: row?.content ?? null, photo: row?.photo ?? null };
  await actor.harness.create(copy).catch(assertUnavailable);
  await actor.harness.idle();
  await scene.assertEven(`after the call ${place.call} of ${place.on} has failed`);
  await scene.stop(actor);
}

/** The transaction goes on after the failure, if the ORM can. */
async function commitFailing(scene: Scene, on: FaultPoint, call: number): Promise<void> {
  const { id } = await savedRow(scene);
  const actor = await scene.start({ faults: [{ on, call, fail: 'STORAGE_UNAVAILABLE' }] });
  const act = actor.harness.transaction(async (orm) => {
    const values = { content: Buffer.from('x'), photo: Buffer.from('y') };
    await orm.create({ name: scene.newName(), ...values }).catch(assertUnavailable);
    await orm.update(id, values).catch(assertUnavailable);
  });
  await act.catch(() => {});
  await actor.harness.idle();
  await scene.assertEven(`after the call ${call} of ${on} has failed in a transaction`);
  await scene.stop(actor);
}

function assertUnavailable(error: unknown): void {
  assert.match(String(error), /STORAGE_UNAVAILABLE|unavailable/i);
}

async function saveFailing(scene: Scene, on: FaultPoint, call: number): Promise<void> {
  const actor = await scene.start({ faults: [{ on, call, fail: 'STORAGE_UNAVAILABLE' }] });
  const { harness } = actor;
  const { id } = await savedRow(scene);
  const name = scene.newName();
  const acts = [
    () => harness.create({ name, content: Buffer.from('x'), photo: Buffer.from('y') }),
    () => harness.update(id, { content: Buffer.from('x'), photo: Buffer.from('y') }),
  ];
  for (const act of acts) {
    await act().catch(assertUnavailable);
    await harness.idle();
    await scene.assertEven(`after the call ${call} of ${on} has failed`);
  }
  await scene.stop(actor);
}
