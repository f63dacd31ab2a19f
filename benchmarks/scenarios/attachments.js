// @ts-check
import { startTask } from '../harness/subjects.js';
import { KILOBYTE } from './sizes.js';

/** @typedef {import('../harness/types.js').Context} Context */
/** @typedef {import('../harness/types.js').Scenario} Scenario */
/** @typedef {import('../candidates/attachments.js').Saves['orm']} Orm */
/** @typedef {{ createDatabase(): Promise<string>, stop(): Promise<void> }} Server */

/** At most 1.3 times the time. */
const BAR = { speed: 1 / 1.3 };

const SIZE = 4 * KILOBYTE;

/** @type {Readonly<Record<Orm, string>>} */
const TITLES = {
  drizzle: 'Drizzle',
  mikroOrm: 'MikroORM',
  mongoose: 'Mongoose',
  prisma: 'Prisma',
  sequelize: 'Sequelize',
  typeorm: 'TypeORM',
};

/** @param {boolean} quick @returns {Scenario[]} */
export function attachmentScenarios(quick) {
  const count = quick ? 40 : 300;
  return /** @type {Orm[]} */ (Object.keys(TITLES)).map((orm) => saves(orm, count));
}

/** @param {Orm} orm @param {number} count @returns {Scenario} */
function saves(orm, count) {
  /** @type {Server | undefined} */
  let server;
  const start =
    (/** @type {'saveByHand' | 'saveAttachments'} */ task) => async (/** @type {Context} */ context) => {
      const address = await /** @type {Server} */ (server).createDatabase();
      return startTask({ task, folder: context.folder, settings: { orm, address, count, size: SIZE } });
    };
  return {
    name: `attachments-${orm.toLowerCase()}`,
    title: `${TITLES[orm]}: ${count} saves of a row with 4 KB, one after the other`,
    rounds: 7,
    operations: count,
    operationBytes: SIZE,
    candidates: [
      { name: 'a JSON column, and depot.create()', start: start('saveByHand') },
      { name: 'an attachment', start: start('saveAttachments'), bar: BAR },
    ],
    prepare: async (folder) => {
      server = await startServer(orm, folder);
      if (orm === 'prisma') await (await import('../harness/prisma.js')).makePrismaClient(folder);
    },
    finish: async () => server?.stop(),
  };
}

/** @param {Orm} orm @param {string} folder @returns {Promise<Server>} */
async function startServer(orm, folder) {
  const { startMongo, startPostgres } = await import('../harness/storage-servers.js');
  if (orm !== 'mongoose') return startPostgres(folder);
  const { url, stop } = await startMongo(folder);
  return { createDatabase: async () => url, stop };
}
