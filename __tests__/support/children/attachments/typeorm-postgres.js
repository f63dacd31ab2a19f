// @ts-check

import { attachmentColumn, useAttachments } from 'filedepot/typeorm';
import { DataSource, EntitySchema, Like } from 'typeorm';
import { actUntilKilled, photoField } from './act-until-killed.js';

const document = new EntitySchema({
  name: 'document',
  tableName: 'documents',
  columns: {
    name: { type: 'text', primary: true },
    content: attachmentColumn(),
    photo: attachmentColumn(photoField),
  },
});

/** @param {import('typeorm').EntityManager} manager */
function rowsOf(manager) {
  const documents = manager.getRepository(document);
  const find = (/** @type {string} */ name) => documents.findOneByOrFail({ name });
  return {
    create: (/** @type {string} */ name, /** @type {object} */ values) =>
      documents.insert({ name, ...values }),
    update: async (/** @type {string} */ name, /** @type {object} */ values) =>
      documents.save(Object.assign(await find(name), values)),
    remove: async (/** @type {string} */ name) => documents.remove(await find(name)),
  };
}

await actUntilKilled(async (url, depot) => {
  const dataSource = new DataSource({ type: 'postgres', url, entities: [document], poolSize: 4 });
  await dataSource.initialize();
  const attachments = await useAttachments(dataSource, { depot });
  return {
    ...rowsOf(dataSource.manager),
    transaction: (act) => dataSource.transaction((manager) => act(rowsOf(manager))),
    names: async (prefix) => {
      const found = await dataSource.getRepository(document).findBy({ name: Like(`${prefix}%`) });
      return found.map(({ name }) => String(name));
    },
    recover: () => attachments.recover(),
  };
});
