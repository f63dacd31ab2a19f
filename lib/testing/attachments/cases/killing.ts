import assert from 'node:assert/strict';
import type { DocumentOperations } from '../harness.js';
import type { Actor, AttachmentCases, Scene } from '../scene.js';
import { savedRow } from './saving.js';

/** More steps than any act has. */
const MAX_STEPS = 60;

type Act = (orm: Actor['harness'], scene: Scene, ids: Ids) => Promise<unknown>;

/** Rows that are there before the act. */
interface Ids {
  readonly replaced: string;
  readonly removed: string;
}

const change = async (orm: DocumentOperations, scene: Scene, { replaced, removed }: Ids) => {
  await orm.update(replaced, { content: Buffer.from('new'), photo: null });
  await orm.remove(removed);
  await orm.create({ name: scene.newName(), photo: Buffer.from('new') });
};

const ACTS: Readonly<Record<string, Act>> = {
  create: (orm, scene) =>
    orm.create({ name: scene.newName(), content: Buffer.from('a'), photo: Buffer.from('b') }),
  'create many': (orm, scene) =>
    orm.createMany(['a', 'b'].map((text) => ({ name: scene.newName(), content: Buffer.from(text) }))),
  replace: (orm, _scene, { replaced }) =>
    orm.update(replaced, { content: Buffer.from('new'), photo: Buffer.from('new') }),
  'set to null': (orm, _scene, { replaced }) => orm.update(replaced, { photo: null }),
  remove: (orm, _scene, { removed }) => orm.remove(removed),
  'commit a transaction': (orm, scene, ids) => orm.transaction((inner) => change(inner, scene, ids)),
  'roll back a transaction': (orm, scene, ids) =>
    orm
      .transaction(async (inner) => {
        await change(inner, scene, ids);
        throw new Error('undone');
      })
      .catch(() => {}),
  'save a row that is refused': (orm, scene) =>
    orm
      .create({ name: 'taken', content: Buffer.from('a'), photo: Buffer.from('b') })
      .catch((error: unknown) => {
        assert.ok(error, scene.newName());
      }),
};

/** A process that is killed at each of its steps, and another that recovers what it has left. */
export const killing: AttachmentCases = Object.fromEntries(
  Object.entries(ACTS).map(([name, act]) => [
    `killed at every step: ${name}`,
    async (scene: Scene) => {
      await scene.orm.create({ name: 'taken' });
      for (let step = 1; await killedAt(scene, act, step); step += 1)
        assert.ok(step < MAX_STEPS, 'An act must come to an end');
    },
  ]),
);

/** Whether the process was killed; else the act has fewer steps. */
async function killedAt(scene: Scene, act: Act, step: number): Promise<boolean> {
  const ids = { replaced: (await savedRow(scene)).id, removed: (await savedRow(scene)).id };
  await scene.idle();
  const actor = await scene.start({ mortal: true });
  const { harness, mortality } = actor;
  mortality.killAt(step);
  const acting = act(harness, scene, ids).then(() => harness.idle());
  acting.catch(() => {});
  await Promise.race([acting, mortality.death]);
  const { isDead } = mortality;
  const done = [...mortality.steps];
  if (isDead) {
    await scene.kill(actor);
    await scene.orm.recover();
  } else {
    await acting;
    await scene.stop(actor);
  }
  await scene.assertEven(`when a process was killed after: ${done.join(', ') || 'nothing'}`);
  for (const id of [ids.replaced, ids.removed]) await assertWhole(scene, id);
  return isDead;
}

/** A row that is there has what it says. */
async function assertWhole(scene: Scene, id: string): Promise<void> {
  const row = await scene.orm.find(id);
  for (const attachment of [row?.content, row?.photo])
    if (attachment) assert.match((await attachment.buffer()).toString(), /^(?:content|photo|new)$/);
}
