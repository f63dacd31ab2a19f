import assert from 'node:assert/strict';
import type { Step } from '../mortality.js';
import type { Actor, AttachmentCases, Scene } from '../scene.js';
import { savedRow } from './saving.js';

/** What is done about processes that are no more, and about those that are. */
export const recovering: AttachmentCases = {
  'recover: does nothing where nothing is owed': async (scene) => {
    const { id } = await savedRow(scene);
    await scene.orm.recover();
    await scene.assertContent((await scene.row(id)).photo, 'photo');
    assert.equal((await scene.files()).length, 3);
  },

  'recover: leaves alone what is still being saved': async (scene) => {
    const { harness } = await scene.start();
    await harness.transaction(async (orm) => {
      await orm.create({ name: 'one', content: Buffer.from('being saved') });
      await scene.orm.recover();
      assert.equal((await scene.files()).length, 1, 'A file of a process that lives must stay');
    });
    assert.equal((await scene.files()).length, 1);
  },

  'recover: two at once do no harm': async (scene) => {
    const { id } = await savedRow(scene);
    for (const last of ['commit', 'delete'] as const) {
      await dieBefore(scene, last, async ({ harness }) => {
        await harness.update(id, { content: Buffer.from(last), photo: Buffer.from(last) });
      });
      const others = [await scene.start(), await scene.start(), await scene.start()];
      await Promise.all(others.map(({ harness }) => harness.recover()));
      await scene.assertEven('after three have recovered at once');
      for (const other of others) await scene.stop(other);
    }
  },

  'recover: what was deleted already is no failure': async (scene) => {
    const { id, content, photo } = await savedRow(scene);
    await dieBefore(scene, 'forget', async ({ harness }) => {
      await harness.remove(id);
      await harness.idle();
    });
    const files = await scene.files();
    assert.deepEqual(
      [...content.files, ...photo.files].filter((path) => files.includes(path)),
      [],
    );
    await scene.orm.recover();
    assert.deepEqual(await scene.intents(), []);
  },

  'recover: is of no consequence when it is killed itself': async (scene) => {
    const { id } = await savedRow(scene);
    await dieBefore(scene, 'delete', async ({ harness }) => {
      await harness.remove(id);
    });
    for (let step = 1; step < 10; step += 1) {
      const actor = await scene.start({ mortal: true });
      actor.mortality.killAt(step);
      const recovery = actor.harness.recover();
      recovery.catch(() => {});
      await Promise.race([recovery, actor.mortality.death]);
      await scene.kill(actor);
    }
    await scene.orm.recover();
    assert.deepEqual(await scene.files(), []);
  },
};

/** Runs something in a process that is killed in place of its first step of that name. */
async function dieBefore(scene: Scene, step: Step, act: (actor: Actor) => Promise<void>): Promise<void> {
  const actor = await scene.start({ mortal: true });
  actor.mortality.killBefore(step);
  const acting = act(actor);
  acting.catch(() => {});
  await Promise.race([acting, actor.mortality.death]);
  assert.ok(actor.mortality.isDead, `There must be a step ${step}`);
  await scene.kill(actor);
}
